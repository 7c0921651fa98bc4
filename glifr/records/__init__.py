"""The schema of everything a run writes, shared by training, launcher and analysis.

`schema` holds the records, `declaration` what a study declares beforehand, `factors` what it crosses, `looks` how it is
judged on the way, `envelope` how one JSON record is sealed and checked, `epochs` the lines that an attempt appends,
`layout` where each file lies in a results folder, `scan` reads a whole folder back, `characteristics` what a trained
network is like beyond its scores, `collector` keeps Python from walking all of them. No torch
here: reports are made without it.
"""

from glifr.errors import InputError, Problem
from glifr.records.characteristics import (
    Characteristics,
    CurrentCurves,
    Examples,
    StepResponses,
    read_characteristics,
)
from glifr.records.declaration import (
    Contrast,
    Declaration,
    Primary,
    declaration_hash,
    default_contrasts,
    default_smallest_effect,
    pair,
)
from glifr.records.envelope import FORMAT, canonical, digest, read_sealed, seal
from glifr.records.epochs import EpochLines, epoch_line, missing_epochs, read_epochs
from glifr.records.factors import (
    Factor,
    Level,
    Scale,
    cells_of,
    is_published,
    levels_of,
    published_factors,
    published_levels,
    switches,
)
from glifr.records.layout import FAILURE_FILE, ForeignPathError, Layout
from glifr.records.looks import Look, LookDesign, LookEntry, LookState, declared_in, design_in
from glifr.records.reading import RecordError, UnreadableError
from glifr.records.scan import StudyRecords, UnitRecords, read_looks, scan
from glifr.records.schema import (
    STAGES,
    EpochRecord,
    FailureRecord,
    NetworkFile,
    ParameterSummary,
    Proposal,
    SeedOutcome,
    SilencingRow,
    Stage,
    Status,
    UnitId,
    UnitResult,
    Value,
    When,
    search_name,
)

__all__ = [
    "FAILURE_FILE",
    "FORMAT",
    "STAGES",
    "Characteristics",
    "Contrast",
    "CurrentCurves",
    "Declaration",
    "EpochLines",
    "EpochRecord",
    "Examples",
    "Factor",
    "FailureRecord",
    "ForeignPathError",
    "InputError",
    "Layout",
    "Level",
    "Look",
    "LookDesign",
    "LookEntry",
    "LookState",
    "NetworkFile",
    "ParameterSummary",
    "Primary",
    "Problem",
    "Proposal",
    "RecordError",
    "Scale",
    "SeedOutcome",
    "SilencingRow",
    "Stage",
    "Status",
    "StepResponses",
    "StudyRecords",
    "UnitId",
    "UnitRecords",
    "UnitResult",
    "UnreadableError",
    "Value",
    "When",
    "canonical",
    "cells_of",
    "declaration_hash",
    "declared_in",
    "default_contrasts",
    "default_smallest_effect",
    "design_in",
    "digest",
    "epoch_line",
    "is_published",
    "levels_of",
    "missing_epochs",
    "pair",
    "published_factors",
    "published_levels",
    "read_characteristics",
    "read_epochs",
    "read_looks",
    "read_sealed",
    "scan",
    "seal",
    "search_name",
    "switches",
]
