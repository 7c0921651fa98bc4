"""Holds a study beside its budget: what `--plan` says of it, and the refusal of one that is too small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glifr.errors import InputError, Problem
from launch.planning.estimate import Timing
from launch.planning.plan import StudyPlan
from launch.planning.shrink import cost_in, epochs_of, shrink, smallest
from launch.terminal.budget_view import shrunk_words

IN_TIME = ("hours", "gpu_hours")  # limits that a study can be held beside only once it is timed


def budget_words(
    plan: StudyPlan, timings: Mapping[str, Sequence[Timing]], slots: int, hours: float | None, units_needed: int
) -> Iterator[str]:
    """A limit beside what the study costs on so many slots. hours: a limit in place of the study's own."""
    spec = plan.study.spec
    limits = {"hours": hours} if hours is not None else spec.budget.limits if spec.budget is not None else {}
    for kind, limit in limits.items():
        if spec.looks is not None:
            yield f"budget: {limit:g} {kind}; a study with looks is not shrunk: its looks decide how much it takes"
            continue
        found = shrink(plan, kind, limit, cost_in(kind, timings, slots), units_needed)
        yield from shrunk_words(plan, found, units_needed)


def too_small_words(
    plan: StudyPlan, timings: Mapping[str, Sequence[Timing]], slots: int, units_needed: int
) -> Iterator[str]:
    """What a session is told before it starts of a limit in time below the smallest study that can be tested."""
    spec = plan.study.spec
    for kind, limit in spec.budget.limits.items() if spec.budget is not None else ():
        if kind not in IN_TIME or spec.looks is not None:
            continue
        found = shrink(plan, kind, limit, cost_in(kind, timings, slots), units_needed)
        if not found.fits:
            yield from shrunk_words(plan, found, units_needed)


def refuse_too_small(plan: StudyPlan, units_needed: int) -> None:
    """Raises InputError for a budget of epochs below the smallest study that can be tested."""
    spec = plan.study.spec
    if spec.budget is None or spec.budget.epochs is None or spec.looks is not None:
        return
    least = smallest(plan, units_needed)
    needed, finals = epochs_of(least), len(least.study.spec.final_seeds()) * spec.repeats
    if needed <= spec.budget.epochs:
        return
    search = least.study.spec.search
    searched = f"{search.trials} trials and " if search is not None and search.trials else ""
    rule = f"the budget is below what can be tested: {searched}{finals} seeds of each condition take {needed:,} epochs"
    todo = f"write `epochs: {needed}` or more, or leave conditions out"
    raise InputError(Problem(rule, "budget.epochs", spec.budget.epochs, f"{needed:,} or more", todo))
