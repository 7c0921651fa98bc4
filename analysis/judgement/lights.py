"""The four lights at the head of the report: complete, fair, powered, reproducible, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.judgement.assessment import Assessment, ContrastSensitivity, reaches
from analysis.judgement.warnings import ReportWarning
from analysis.statistics import wording
from analysis.statistics.comparisons import units_needed
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.power import WANTED
from analysis.text import count, listed

State = Literal["yes", "partly", "no"]
# what gives conditions unequal chances. A choice at the end of its range is none: the range was the same for all
_UNFAIR = {"unequal-budgets", "unequal-spaces", "unequal-sizes"}
_LEAKS = {"seeds-overlap", "test-read-twice", "nested-replicates"}
_MIXED = {"mixed-origin", "uncommitted-changes", "damaged-records", "declaration-changed"}


@dataclass(frozen=True)
class Light:
    """One of the four: what is asked, the answer and why."""

    name: str
    state: State
    why: str


def lights(a: Assessment, found: Sequence[ReportWarning]) -> list[Light]:
    """All four, in the order of the page."""
    codes = {c.code for c in found}
    return [_complete(a), _fair(a, codes), _powered(a), _reproducible(codes)]


def _complete(a: Assessment) -> Light:
    done, planned = a.results.count("complete", "final"), a.results.info.planned("final")
    share = f"{done:,} of {count(planned, 'planned final network')} have a result"
    if not done:
        return Light("Complete", "no", f"{share}.")
    if a.results.complete:
        return Light("Complete", "yes", f"All {count(planned, 'planned final network')} have a result.")
    return Light("Complete", "partly", f"{share}; what follows is of those.")


def _fair(a: Assessment, codes: set[str]) -> Light:
    if leaks := sorted(codes & _LEAKS):
        return Light("Fair", "no", f"See {listed(leaks)} below.")
    if unfair := sorted(codes & _UNFAIR):
        return Light("Fair", "partly", f"See {listed(unfair)} below.")
    if not a.results.info.planned("search"):
        return Light("Fair", "partly", "Nothing was tuned: each condition ran with the settings of the study file.")
    read = "test data read once" if a.results.info.task.held_out else "the task holds no data out"
    same = "Same budget, ranges of shared hyperparameters and sizes for every condition; fresh final seeds"
    coarse = " Conditions with more settings were searched more coarsely." if "coarse-search" in codes else ""
    return Light("Fair", "yes", f"{same}; {read}.{coarse}")


def _powered(a: Assessment) -> Light:
    """True if each comparison that was declared has a verdict, or power enough that one was to be expected."""
    info, effects = a.results.info, [e.judged for e in a.factorial.effects]
    declared = info.declaration
    both = (*a.reaches, *reaches(effects, declared.smallest_effect, declared.alpha))
    asked = list(zip([*a.planned, *effects], both, strict=True))
    if not info.evidence:
        return Light("Powered", "no", "This profile is no evidence, so nothing is decided by it.")
    if not asked:
        return Light("Powered", "no", "No comparison was declared.")
    what = "comparison" if effects else "planned contrast"
    if all(j.verdict.word == "not testable" for j, _ in asked):
        return Light("Powered", "no", f"None of {count(len(asked), what)} can be tested{_floor(a, asked)}.")
    enough = sum(j.verdict.decided or reach.power >= WANTED for j, reach in asked)
    near = wording.margin(declared.smallest_effect, info.measure)
    which = f"a verdict, or {100 * WANTED:g} % power to find {near}"
    if enough == len(asked):
        return Light("Powered", "yes", f"All {count(enough, what)} have {which}.")
    return Light("Powered", "partly" if enough else "no", f"{enough} of {count(len(asked), what)} have {which}.")


def _floor(a: Assessment, asked: Sequence[tuple[ContrastResult, ContrastSensitivity]]) -> str:
    """How many units the test of the larger family needs, where they are too few."""
    info = a.results.info
    have = max(j.interval.n for j, _ in asked)
    family = max(len(a.planned), len(a.factorial.effects))
    wanted = units_needed(family, info.declaration.alpha)
    return f": {count(have, info.unit)} per condition, of {wanted} that {family} tests need" if have < wanted else ""


def _reproducible(codes: set[str]) -> Light:
    if "unknown-origin" in codes:
        return Light("Reproducible", "no", "No session is on record.")
    if bad := sorted(codes & _MIXED):
        return Light("Reproducible", "partly", f"See {listed(bad)} below.")
    return Light(
        "Reproducible", "yes", "One commit, one set of libraries and one kind of hardware; declared beforehand."
    )
