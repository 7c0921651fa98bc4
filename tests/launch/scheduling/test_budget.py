"""Budgets while a study runs: epochs, hours, and searches with equal epochs or equal time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from small_study import ONE_BY_ONE, TINY, NeverStop, conduct, published, small_plan

from analysis import load
from analysis.report.sentences import design
from glifr.records import Layout, UnitId, seal
from glifr.records.atomic import write_whole
from launch.budget.limits import BudgetedStop
from launch.executors.in_process import InProcessExecutor
from launch.ledger.folder import write_study
from launch.ledger.spent import Spent, spent
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.spending import SearchBudget
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.unit_states import State
from launch.scheduling.utilisation import Utilisation
from launch.studyfile.cost import Budget
from launch.terminal.end_summary import missing

# TINY: two conditions, each 2 trials of 3 epochs, 1 confirm of 3, 2 finals of 3: 15 epochs per condition, 30 in all


def scheduled(plan: StudyPlan, root: Path) -> StudyScheduler:
    root.mkdir(exist_ok=True)
    write_study(Ledger(root).layout, plan)
    scheduler = StudyScheduler(plan, Ledger(root), RunOptions(ONE_BY_ONE, 1, "test"), lambda: None)
    InProcessExecutor(root, "disabled").run(scheduler, NeverStop())
    return scheduler


def trained_epochs(root: Path) -> int:
    ledger = Ledger(root)
    paths = [path.parent for path in root.glob("units/*/*/*/result.json")]
    units = [UnitId(p.parts[-3], p.parts[-2], int(p.parts[-1])) for p in paths]  # type: ignore[arg-type]
    results = [ledger.result(unit) for unit in units]
    return sum(seed.epochs for result in results if result for seed in result.seeds)


@pytest.mark.parametrize(("epochs", "trained"), [(30, 30), (29, 27), (10, 9), (2, 0)])
def test_a_budget_of_epochs_is_never_overrun_and_says_what_is_missing(
    tmp_path: Path, epochs: int, trained: int
) -> None:
    plan, root = small_plan(tmp_path, f"budget={{epochs: {epochs}}}", text=TINY), tmp_path / "results"
    scheduler = scheduled(plan, root)
    assert trained_epochs(root) == trained <= epochs
    assert scheduler.complete is (epochs >= 30)
    if epochs < 30:
        assert (
            scheduler.halted == f"The budget of {epochs} epochs (budget.epochs) is spent, as far as it goes: {trained}"
        )
        assert missing(scheduler.snapshot())
    else:
        assert scheduler.halted is None
        assert missing(scheduler.snapshot()) == []


def test_a_study_that_is_given_more_goes_on_to_what_an_unlimited_one_gives(tmp_path: Path) -> None:
    for epochs in (10, 20, 30):
        scheduler = scheduled(small_plan(tmp_path, f"budget={{epochs: {epochs}}}", text=TINY), tmp_path / "results")
    assert scheduler.complete
    conduct(small_plan(tmp_path, text=TINY), tmp_path / "whole")
    assert published(tmp_path / "results") == published(tmp_path / "whole")


# -- equal epochs and equal time ---------------------------------------------------------------------------------------


def budget_of(tmp_path: Path, equal: str, *overrides: str) -> tuple[SearchBudget, StudyPlan]:
    changes = ("search.pruner.name=median", "search.trials=4", *overrides)
    plan = small_plan(tmp_path, f"budget={equal}", *changes, text=TINY)
    return SearchBudget(plan, "RNN"), plan


def results_of(root: Path, plan: StudyPlan) -> object:
    """A real result, to be varied."""
    conduct(plan, root)
    found = Ledger(root).result(UnitId("search", "RNN", 0))
    assert found is not None
    return found


def test_by_epochs_what_early_stopping_saves_is_spent_on_more_trials(tmp_path: Path) -> None:
    """Four trials of three epochs are twelve: two stopped after one epoch leave room for one more, and no more."""
    budget, plan = budget_of(tmp_path, "{equal: epochs}")
    whole = results_of(tmp_path / "one", plan)
    stopped = replace(whole, seeds=tuple(replace(seed, epochs=1) for seed in whole.seeds))  # type: ignore[attr-defined, type-var]
    units = [UnitId("search", "RNN", number) for number in range(8)]
    assert budget.most == 12

    def allows(*epochs: int | None) -> bool:
        states = {u: State.RUNNING if e is None else State.COMPLETE for u, e in zip(units, epochs, strict=False)}
        results = {u: whole if e == 3 else stopped for u, e in zip(units, epochs, strict=False) if e is not None}
        return budget.allows(len(epochs), states, results)  # type: ignore[arg-type]

    assert allows(3, 3, 3)
    assert not allows(3, 3, 3, 3)
    assert allows(3, 3, 1, 1)
    assert allows(3, 3, 1, 1, 1)
    assert not allows(3, 3, 1, 1, 3)
    assert not allows(3, 3, None, None)  # those that run may need all they have
    assert not allows(3, 3, 1, None, None)


def test_by_epochs_without_early_stopping_there_are_as_many_trials(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "budget={equal: epochs}", text=TINY)
    assert SearchBudget(plan, "RNN").most == 2
    scheduled(plan, tmp_path / "results")
    conduct(small_plan(tmp_path, text=TINY), tmp_path / "trials")
    assert published(tmp_path / "results") == published(tmp_path / "trials")


def test_by_epochs_a_search_that_stops_early_tries_more_and_resumes_to_the_same(tmp_path: Path) -> None:
    stopping = (
        *("search.pruner={name: median, startup_trials: 1}", "search.trials=6", "budget={equal: epochs}"),
        *("search.sampler.startup_trials=99", "silencing=null"),
    )
    plan, root = small_plan(tmp_path, *stopping, text=TINY), tmp_path / "results"
    scheduler = scheduled(plan, root)
    assert scheduler.complete
    ledger = Ledger(root)
    for name in plan.conditions:
        trials = [ledger.result(unit) for unit in ledger.units("search", name)]
        epochs = [max(seed.epochs for seed in trial.seeds) for trial in trials if trial is not None]
        assert sum(epochs) <= 18 < sum(epochs) + 3  # spent as far as another whole trial fits in
        assert len(epochs) > 6
    count = scheduler.snapshot().counts["RNN"]["search"]
    assert count.planned == count.ended
    again = StudyScheduler(plan, ledger, RunOptions(ONE_BY_ONE, 1, "test"), lambda: None)
    assert again.finished
    assert again.complete


def test_by_time_trials_are_proposed_until_the_hours_are_spent(tmp_path: Path) -> None:
    hour = 1 / 3600
    budget, plan = budget_of(tmp_path, f"{{equal: time, search_hours: {10 * hour}}}")
    second = replace(results_of(tmp_path / "one", plan), seconds=4.0)  # type: ignore[type-var]
    units = [UnitId("search", "RNN", number) for number in range(4)]

    def allows(ended: int, running: int) -> bool:
        states = dict.fromkeys(units[:ended], State.COMPLETE) | dict.fromkeys(
            units[ended : ended + running], State.RUNNING
        )
        return budget.allows(ended + running, states, dict.fromkeys(units[:ended], second))  # type: ignore[arg-type]

    assert allows(0, 3)  # nothing is known yet
    assert allows(1, 0)
    assert not allows(1, 1)
    assert not allows(2, 0)
    assert not budget.allows(4, {}, {})  # search.trials at most


# -- hours -------------------------------------------------------------------------------------------------------------


class Stop:
    """What `StopSignals` is to a budget."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @property
    def requested(self) -> bool:
        return bool(self.told)

    def reach(self, what: str) -> None:
        self.told.append(what)


@dataclass
class Used:
    """What `Meter` is to a budget."""

    utilisation: Utilisation
    finished: bool = False


def budgeted(budget: Budget, earlier: Spent, occupied: float = 0.0) -> tuple[BudgetedStop, Stop, list[float], Used]:
    stop, clock = Stop(), [0.0]
    meter = Used(Utilisation(2, 0.0, occupied, 0.0, 0.0, 1))
    return BudgetedStop(stop, budget, earlier, 0.5, meter, lambda: clock[0]), stop, clock, meter


def test_hours_are_counted_over_all_sessions() -> None:
    limited, stop, clock, _ = budgeted(Budget(hours=2), Spent(hours=1.5))
    clock[0] = 1799.0
    assert not limited.requested
    clock[0] = 1800.0
    assert limited.requested
    assert limited.requested
    assert stop.told == ["the budget of 2 hours is spent over all sessions (raise budget.hours)"]


def test_gpu_hours_are_those_that_jobs_held_their_share() -> None:
    assert not budgeted(Budget(gpu_hours=2), Spent(slot_hours=2), occupied=3600.0)[0].requested
    limited, stop, _, _ = budgeted(Budget(gpu_hours=2), Spent(slot_hours=2), occupied=2 * 3600.0)
    assert limited.requested
    assert "2 GPU-hours" in stop.told[0]


def test_a_study_that_is_finished_is_not_stopped_by_what_it_has_cost() -> None:
    limited, stop, _, meter = budgeted(Budget(hours=1), Spent(hours=3))
    meter.finished = True
    assert not limited.requested
    assert not stop.told


def test_what_sessions_have_cost_is_read_from_the_record_also_of_one_that_was_killed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "results")
    assert spent(layout) == Spent()
    conduct(small_plan(tmp_path, text=TINY), layout.root)
    ledger = Ledger(layout.root)
    ended = [ledger.result(unit) for name in ("RNN", "LHetA") for unit in ledger.units("search", name)]
    seconds = sum(result.seconds for result in ended if result)
    whole = {
        "started_at": "2026-01-01T10:00:00.000+00:00",
        "finished_at": "2026-01-01T11:30:00.000+00:00",
        "utilisation": {"occupied": 7200.0},
    }
    killed = {"started_at": "2026-02-01T00:00:00.000+00:00", "finished_at": None, "utilisation": None}
    write_whole(layout.provenance, seal([whole]))
    assert spent(layout) == Spent(1.5, 2.0)
    write_whole(layout.provenance, seal([killed | {"started_at": "2000-01-01T00:00:00.000+00:00"}, killed]))
    found = spent(layout)
    assert found.slot_hours * 3600 > seconds > 0
    assert found.hours > 0


def test_the_report_counts_what_was_tried_and_says_what_searches_had_equal(tmp_path: Path) -> None:
    changes = ("search.pruner={name: median, startup_trials: 1}", "search.trials=6", "budget={equal: epochs}")
    plan = small_plan(tmp_path, *changes, "search.sampler.startup_trials=99", "silencing=null", text=TINY)
    scheduled(plan, tmp_path / "results")
    results = load(tmp_path / "results")
    found = results.counts[results.counts["stage"] == "search"]
    assert (found["planned"] > 6).all()
    assert (found["not started"] == 0).all()
    assert "in the epochs of 6 trials" in design(results.info)
