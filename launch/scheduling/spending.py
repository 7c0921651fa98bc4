"""Counts what searches and studies spend, in epochs of one seed or in hours of jobs, and whether more may be begun."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from glifr.records import Stage, UnitId, UnitResult
from launch.planning.plan import StudyPlan
from launch.scheduling.unit_states import State

_WITHOUT_RESULT = (State.RUNNING, State.FAILED)


def epochs_of_units(plan: StudyPlan, condition: str, stage: Stage, units: int = 1) -> int:
    """Epochs of one seed that so many units train, if nothing stops them."""
    return units * plan.seeds_a_unit(stage) * (plan.study.spec.epochs(stage, condition) if stage != "silencing" else 0)


def epochs_spent(
    plan: StudyPlan, condition: str, states: Mapping[UnitId, State], results: Mapping[UnitId, UnitResult]
) -> int:
    """Epochs of one seed: of units that have a result what it says, of those that run or have failed all."""
    found = sum(map(_epochs, results.values()))
    open_units = [unit for unit, state in states.items() if state in _WITHOUT_RESULT]
    return found + sum(epochs_of_units(plan, condition, unit.stage) for unit in open_units)


class SearchBudget:
    """Whether a search may propose another trial, by what the study makes equal: trials, epochs or time.

    A trial that has failed costs as much as a whole one: else a search whose trials all fail would never end.
    """

    def __init__(self, plan: StudyPlan, condition: str) -> None:
        spec = plan.study.spec
        self._equal = spec.budget.equal if spec.budget is not None else "trials"
        self._trials = plan.planned_in_repeat(condition)["search"]
        self._whole = epochs_of_units(plan, condition, "search")
        self._epochs = self._trials * plan.seeds_a_unit("search") * spec.epochs("search")
        self._seconds = 3600 * (spec.budget.search_hours or 0.0) if spec.budget is not None else 0.0
        self.most = self._trials if self._equal != "epochs" else self._epochs // self._least(plan, condition)

    def _least(self, plan: StudyPlan, condition: str) -> int:
        """Epochs that any trial trains, whenever it is stopped."""
        search = plan.study.spec.search
        if search is None or not search.pruner.stops:
            return max(1, self._whole)
        epochs = plan.study.spec.epochs("search", condition)
        each = epochs if search.pruner.per_seed else plan.seeds_a_unit("search")
        return min(self._whole, search.pruner.first_stop() * each)

    def allows(self, proposed: int, states: Mapping[UnitId, State], results: Mapping[UnitId, UnitResult]) -> bool:
        """True if one more trial fits in, after so many: what runs, and the new one, count in full."""
        if proposed >= self.most or self._equal == "trials":
            return proposed < self.most
        trials = [unit for unit in states if unit.stage == "search"]
        if self._equal == "epochs":
            costs = [_epochs(results[unit]) if unit in results else self._whole for unit in trials]
            return sum(costs) + self._whole <= self._epochs
        known = [results[unit].seconds for unit in trials if unit in results]
        usual = statistics.fmean(known) if known else 0.0
        return sum(known) + usual * (len(trials) - len(known) + 1) <= self._seconds

    def expected(self, proposed: int, may_propose: bool) -> int:
        """How many trials there will be, as far as that is known: all that were proposed once no more may be."""
        if self._equal == "trials":
            return self._trials
        return max(proposed, self._trials if may_propose else 0)


def _epochs(result: UnitResult) -> int:
    return sum(seed.epochs for seed in result.seeds)
