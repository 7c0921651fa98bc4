"""Whole studies under a simulated clock: the real conductor, searchers and ledger, trials that train nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import NeverStop, conduct, new_conductor, published, small_plan

from benchmarks.launcher import write_up
from benchmarks.launcher.overhead import row_of
from benchmarks.launcher.simulation import plan_of, play
from glifr.records import UnitId
from launch.executors.simulated import Clock, SimulatedExecutor
from launch.jobs import Job, Step
from launch.scheduling.unit_states import State, UnitStates
from launch.scheduling.utilisation import Meter, Utilisation
from launch.workers.trial import run_job


def test_it_is_an_executor_like_the_others(tmp_path: Path) -> None:
    """Real jobs, three at a time, in another order than one after another: the same study."""
    plan = small_plan(tmp_path)
    conduct(plan, tmp_path / "one_by_one")
    conductor = new_conductor(plan, tmp_path / "simulated")
    SimulatedExecutor(tmp_path / "simulated", 3, run_job, lambda job: 1.0, Clock()).run(conductor, NeverStop())
    assert conductor.complete
    assert published(tmp_path / "simulated") == published(tmp_path / "one_by_one")


def test_a_large_cluster_is_kept_busy(tmp_path: Path) -> None:
    """Ten conditions without a barrier between their stages; trials that are stopped early are replaced at once."""
    played = play(plan_of(24, 3, "random"), 16, tmp_path)
    assert played.complete
    assert played.units == 10 * (24 + 3 + 20)
    assert played.pruned > 20
    assert played.used.jobs == played.units
    assert played.used.share_occupied > 0.85
    assert played.used.share_computing < played.used.share_occupied <= 1


def test_one_slot_is_always_occupied(tmp_path: Path) -> None:
    played = play(plan_of(3, 1, "random", "final.seeds=2", "confirm.top=1"), 1, tmp_path)
    assert played.complete
    assert played.used.share_occupied == pytest.approx(1.0)


class TwoJobs:
    """One job of two steps, stopped after the first; then one of one step."""

    def __init__(self) -> None:
        self._left = [Job("second", (UnitId("search", "RNN", 2),)), Job("first", (UnitId("search", "RNN", 1),))]
        self._open = 0

    @property
    def finished(self) -> bool:
        return not (self._left or self._open)

    def next_job(self) -> Job | None:
        self._open += bool(self._left)
        return self._left.pop() if self._left else None

    def step(self, key: str, step: Step) -> bool:
        return True

    def ended(self, key: str, step: Step | None, lost: object = None) -> None:
        self._open -= 1

    def halt(self, reason: str) -> None:
        pytest.fail(reason)


def test_the_meter_counts_slots_steps_and_processor_time_once() -> None:
    clock = Clock()
    meter = Meter(TwoJobs(), 2, clock)
    assert str(meter.utilisation) == "2 slots, no job"
    first, second = meter.next_job(), meter.next_job()
    assert first is not None
    assert second is not None
    clock.now = 4.0
    step = Step({}, seconds=3.0, cpu_seconds=2.0)
    assert meter.step(first.key, step)
    meter.ended(first.key, step)  # stopped early: the step that was heard already
    assert meter.utilisation.share_occupied == pytest.approx(1.0)
    clock.now = 10.0
    meter.ended(second.key, Step({}, done=True, seconds=8.0, cpu_seconds=16.0))
    used = meter.utilisation
    assert (used.seconds, used.occupied, used.computing, used.cpu_seconds, used.jobs) == (10.0, 14.0, 11.0, 18.0, 2)
    assert str(used) == "2 slots for 10 s: 70% occupied, 55% computing; 1.8 CPU cores busy on average"
    assert meter.finished


def test_states_are_counted_as_they_change() -> None:
    states, units = UnitStates(), [UnitId("search", "RNN", n) for n in range(3)]
    states.update(dict.fromkeys(units, State.WAITING))
    states[units[0]] = State.RUNNING
    states[units[0]] = State.COMPLETE
    states[units[1]] = State.PRUNED
    assert states.count("search", State.WAITING) == 1
    assert states.count("search", State.COMPLETE, State.PRUNED) == 2
    assert states.count("final", State.COMPLETE) == 0
    assert not states.any_in(State.RUNNING, State.FAILED)
    del states[units[2]]
    assert not states.any_in(State.WAITING)
    assert list(states) == units[:2]


def test_the_page_shows_what_was_measured() -> None:
    page = write_up.DOCS / "cluster.md"
    assert page.read_text() == write_up.written(page.read_text(), write_up.DOCS / "launcher")


def test_the_cost_of_a_trial_is_the_median_over_stretches_of_the_run() -> None:
    """A machine that stands still for a while must not change it."""
    samples = [(50, 0.0, 400.0), (100, 5.0, 401.0), (150, 10.0, 402.0), (200, 900.0, 403.0)]
    row = row_of(Utilisation(2, 1000.0, 500.0, 20.0, 20.0, 200), samples, "tpe", True)
    assert (row["slot_seconds_per_trial"], row["best_stretch"], row["seconds_in_trials"]) == (0.2, 0.2, 0.1)
    assert row["kb_per_trial"] == round(1024 * 3 / 150, 1)
