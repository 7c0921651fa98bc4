"""What a run writes: the one schema that training, launcher and analysis share.

`schema` holds the records, `envelope` how one JSON record is sealed and checked, `layout` where each file
lies in a results folder, `scan` reads a whole folder back. No torch here: reports are made without it.
"""

from glifr.errors import InputError, Problem
from glifr.records.envelope import FORMAT, RecordError, canonical, digest, read_sealed, seal
from glifr.records.layout import Layout
from glifr.records.scan import StudyRecords, UnitRecords, read_epochs, scan
from glifr.records.schema import (
    STAGES,
    EpochRecord,
    NetworkFile,
    ParameterSummary,
    Proposal,
    SeedOutcome,
    SilencingRow,
    Stage,
    Status,
    UnitId,
    UnitResult,
)

__all__ = [
    "FORMAT",
    "STAGES",
    "EpochRecord",
    "InputError",
    "Layout",
    "NetworkFile",
    "ParameterSummary",
    "Problem",
    "Proposal",
    "RecordError",
    "SeedOutcome",
    "SilencingRow",
    "Stage",
    "Status",
    "StudyRecords",
    "UnitId",
    "UnitRecords",
    "UnitResult",
    "canonical",
    "digest",
    "read_epochs",
    "read_sealed",
    "scan",
    "seal",
]
