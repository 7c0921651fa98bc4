"""What `--plan` says of a study's budget: what searches have equal, and the study that a limit leaves."""

from __future__ import annotations

from collections.abc import Iterator

from launch.planning.plan import StudyPlan
from launch.planning.shrink import Shrunk, least_seeds, least_trials
from launch.terminal.progress import clock


def equal_words(plan: StudyPlan, most: dict[str, int]) -> Iterator[str]:
    """most: condition -> trials that one search of it may come to."""
    spec = plan.study.spec
    equal = spec.budget.equal if spec.budget is not None else "trials"
    if equal == "trials" or spec.search is None:
        return
    bound = ", ".join(dict.fromkeys(f"{n:,}" for n in most.values()))
    if equal == "epochs":
        yield f"searches have equal epochs: what early stopping saves goes into further trials, {bound} at most in one"
        return
    hours = spec.budget.search_hours if spec.budget is not None else None
    yield f"searches have equal time: {hours:g} hours of jobs each, {bound} trials at most; NOT REPRODUCIBLE"
    yield "  how many trials that is depends on the machine and on what else it does"


def shrunk_words(plan: StudyPlan, found: Shrunk, units_needed: int) -> Iterator[str]:
    """The budget beside the cost, and the YAML lines of a study that fits."""
    whole, limit = _amount(found.kind, found.whole), _amount(found.kind, found.limit)
    if not found.needed:
        yield f"budget: {limit}; the study takes {whole} at most, so it fits"
        return
    yield f"budget: {limit}; the study as it is takes up to {whole}"
    if not found.fits:
        yield (
            f"  even the smallest that can be tested takes {_amount(found.kind, found.cost)} "
            f"({_sizes(found)}): the budget is too small for these conditions"
        )
        return
    yield f"  fewer trials, then fewer seeds, until it fits ({_amount(found.kind, found.cost)}):"
    sections = (("search", "trials", found.trials), ("final", "seeds", found.seeds))
    for section, key, value in sections:
        if value is not None:
            yield f"    {section}:"
            yield f"      {key}: {value}"
    changed = [f"--set {section}.{key}={value}" for section, key, value in sections if value is not None]
    yield f"  or {' '.join(changed)}"
    yield f"  never fewer than {_floor(plan, units_needed)}"


def _sizes(found: Shrunk) -> str:
    trials = f"{found.trials} trials, " if found.trials is not None else ""
    return f"{trials}{found.seeds} seeds"


def _floor(plan: StudyPlan, units_needed: int) -> str:
    trials, seeds = least_trials(plan), least_seeds(plan, units_needed)
    first = f"{trials} trials (that the sampler begins with, and that are confirmed) and " if trials is not None else ""
    why = "one of each search" if plan.study.spec.repeats > 1 else "with fewer no planned contrast can be significant"
    return f"{first}{seeds} seeds ({why})"


def _amount(kind: str, value: float) -> str:
    if kind == "epochs":
        return f"{value:,.0f} epochs"
    return f"{clock(3600 * value)} {'of GPUs' if kind == 'gpu_hours' else 'on the clock'}"
