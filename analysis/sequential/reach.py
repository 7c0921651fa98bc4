"""What a first look could decide at all, with tests whose p cannot be smaller than their number of pairs allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.results.study import read_study
from analysis.sequential.family import design_of, planned_family
from analysis.sequential.spending import boundaries
from analysis.statistics.comparisons import EXACT_UP_TO, smallest_p
from glifr.records import InputError, LookDesign, Problem

_PLACE = "final.seeds.first"


def refuse_undecidable(study: Mapping[str, Any]) -> None:
    """Raises InputError for a study whose first look can decide nothing, with the least number that can.

    study: the body that study.json will have.
    """
    info = read_study(dict(study), "study.json")
    design, tests, alpha = design_of(info), len(planned_family(info)), info.declaration.alpha
    if not tests:
        rule, todo = "no contrast is declared and no factorial is there, so looks have nothing to decide", ""
        raise InputError(Problem(rule, "final.seeds", None, "a whole number", todo or "declare `analysis.contrasts`"))
    if decides(design, tests, alpha):
        return
    enough = least_first(design, tests, alpha)
    p = significant_floor(design, tests)
    rule = (
        f"a first look at {design.first} {info.unit}s can decide nothing: its smallest p is {p:.2g} after correction "
        f"for {tests} tests and for the looks to come, above {alpha:g}"
    )
    if enough is None:
        raise InputError(Problem(rule, _PLACE, design.first, todo="raise `most`, or declare fewer contrasts"))
    first = enough * info.networks_a_unit
    where, todo = (_PLACE, f"write `first: {first}`")
    if info.repeats > 1:
        where, todo = "search.repeats", f"write `repeats: {enough}` and `first: {first}`"
    raise InputError(Problem(rule, where, design.first, f"{enough} {info.unit}s or more", todo))


def significant_floor(design: LookDesign, tests: int) -> float:
    """The smallest p that the first look can give after correction for looks and tests."""
    total = boundaries(design.sizes).total(np.array(smallest_p(design.first)), 0)
    return min(1.0, tests * float(total))


def decides(design: LookDesign, tests: int, alpha: float) -> bool:
    """True if the first look can find a difference."""
    return design.first >= 2 and significant_floor(design, tests) <= alpha


def least_first(design: LookDesign, tests: int, alpha: float) -> int | None:
    """The fewest units with which a first look of the design can find a difference; None where none can."""
    tried = range(max(2, design.first), min(design.most, EXACT_UP_TO + 1) + 1)
    return next((n for n in tried if decides(replace(design, first=n), tests, alpha)), None)
