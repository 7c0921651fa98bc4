"""Shrinks a study to a budget, by one rule: fewer trials, then fewer final seeds, and never below what can be tested.

Trials go down to those that a model needs to begin with, and not below the number of configurations that are confirmed;
seeds to the fewest with which a planned contrast can be significant. The largest study that fits is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from glifr.records import STAGES
from launch.planning.estimate import Timing
from launch.planning.estimate import cost as estimated
from launch.planning.plan import StudyPlan

Cost = Callable[[StudyPlan], float]


@dataclass(frozen=True)
class Shrunk:
    """A smaller study within a limit.

    Attributes:
        kind: Of the budget, a key of `budget`.
        whole: What the study costs as it is.
        cost: What the smaller one costs.
        trials: Trials of the smaller one; None where they stay.
        seeds: Seeds of the smaller one; None where they stay.
        fits: Whether even the smallest is within the limit.
    """

    kind: str
    limit: float
    whole: float
    cost: float
    trials: int | None
    seeds: int | None
    fits: bool

    @property
    def needed(self) -> bool:
        """True if the study as it is does not fit."""
        return self.whole > self.limit


def cost_in(kind: str, timings: Mapping[str, Sequence[Timing]], slots: int) -> Cost:
    """What a plan costs, without early stopping, in the unit of a budget."""
    if kind == "epochs":
        return lambda plan: float(epochs_of(plan))
    if kind == "hours":
        return lambda plan: estimated(plan, timings, slots).seconds.value / 3600

    def gpu_hours(plan: StudyPlan) -> float:
        slot_seconds = sum(estimated(plan, timings, slots).slot_seconds.values())
        return slot_seconds * plan.gpus / 3600

    return gpu_hours


def epochs_of(plan: StudyPlan) -> int:
    """Epochs of one seed that a whole plan trains, if nothing stops a trial."""
    spec = plan.study.spec
    trained = [stage for stage in STAGES if stage != "silencing"]
    return sum(
        own.planned[stage] * plan.seeds_a_unit(stage) * spec.epochs(stage, name)
        for name, own in plan.conditions.items()
        for stage in trained
    )


def least_trials(plan: StudyPlan) -> int | None:
    """The fewest trials that the rule leaves; None where their number cannot be changed."""
    search, confirm = plan.study.spec.search, plan.study.spec.confirm
    if search is None or search.trials is None:
        return None
    enough = max(getattr(search.sampler, "startup_trials", 1), confirm.top if confirm else 1)
    return min(search.trials, max(1, enough))


def least_seeds(plan: StudyPlan, units_needed: int) -> int:
    """The fewest final seeds that the rule leaves: of repeats, which are the units then, one each."""
    spec = plan.study.spec
    have = len(spec.final_seeds()) * spec.repeats
    return min(have, spec.repeats if spec.repeats > 1 else max(1, units_needed))


def smallest(plan: StudyPlan, units_needed: int) -> StudyPlan:
    """The smallest study that the rule leaves. units_needed: with which a contrast can be significant."""
    return plan.sized(least_trials(plan), least_seeds(plan, units_needed))


def shrink(plan: StudyPlan, kind: str, limit: float, cost: Cost, units_needed: int) -> Shrunk:
    """The largest study within the limit."""
    spec, whole = plan.study.spec, cost(plan)
    have = len(spec.final_seeds()) * spec.repeats
    if whole <= limit:
        return Shrunk(kind, limit, whole, whole, None, None, True)
    fewest, seeds = least_trials(plan), least_seeds(plan, units_needed)
    if fewest is not None and spec.search is not None and cost(plan.sized(fewest, have)) <= limit:
        most = spec.search.trials or fewest
        trials = _largest(fewest, most, 1, lambda n: cost(plan.sized(n, have)) <= limit)
        return Shrunk(kind, limit, whole, cost(plan.sized(trials, have)), trials, None, True)
    if cost(plan.sized(fewest, seeds)) > limit:
        return Shrunk(kind, limit, whole, cost(plan.sized(fewest, seeds)), fewest, seeds, False)
    finals = _largest(seeds, have, spec.repeats, lambda n: cost(plan.sized(fewest, n)) <= limit)
    return Shrunk(kind, limit, whole, cost(plan.sized(fewest, finals)), fewest, finals, True)


def _largest(low: int, high: int, step: int, fits: Callable[[int], bool]) -> int:
    """The largest of low, low + step, ... high that fits; `low` does, and what is larger costs no less."""
    first, last = 0, (high - low) // step
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if fits(low + middle * step) else (first, middle - 1)
    return low + first * step
