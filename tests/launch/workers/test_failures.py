"""Failures are typed, each with its policy; a worker that hangs is ended; out of memory asks for a larger share."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest
import ray
import torch
from paths import ROOT
from ray.cluster_utils import Cluster
from small_study import (
    NOT_COMPILED,
    ONE_BY_ONE,
    ONE_CONDITION,
    ONE_UNIT,
    TINY,
    TWO_PAY,
    NeverStop,
    StopAfter,
    conduct,
    new_conductor,
    small_plan,
)

from glifr.errors import InputError, Problem
from glifr.records import UnitId, scan
from launch.executors.in_process import InProcessExecutor
from launch.executors.ray_connect import Cluster as Place
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure, FailureKind, Retries, failure_of, failure_of_lost
from launch.jobs import DataSource, Step
from launch.ledger.lock import LockLostError
from launch.ledger.units import Ledger
from launch.planning.placement import Resources
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.workers import trial
from launch.workers.trial import run_job
from launch.workers.watchdog import Watchdog

UNIT = UnitId("final", "RNN", 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (MemoryError(), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (InputError(Problem("a rule", "a place")), "bad input"),
        (ZeroDivisionError("division by zero"), "bug"),
    ],
)
def test_an_exception_has_its_kind(error: Exception, kind: FailureKind) -> None:
    assert failure_of(error, Path()).kind == kind


def test_a_full_disk_is_seen_behind_other_errors() -> None:
    error = RuntimeError("could not save")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert failure_of(error, Path()).kind == "disk full"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("", "node lost"),
        ("The actor died unexpectedly before finishing this task.", "node lost"),
        ("The actor died because its node has died. The node was preempted.", "preempted"),
        ("Task was killed due to the node running low on memory.", "out of memory"),
        ("ray.exceptions.OutOfMemoryError: ...", "out of memory"),
        ("ray::Worker.__init__()\nTraceback (most recent call last):\n  File ...\nModuleNotFoundError: x", "bug"),
    ],
)
def test_rays_words_about_a_lost_worker_have_their_kind(words: str, kind: FailureKind) -> None:
    assert failure_of_lost(words).kind == kind


def attempts(failures: Callable[[int], Failure], allowed: int) -> int:
    """How often a unit that always fails is tried."""
    retries = Retries(allowed)
    return next(n for n in range(1, 100) if not retries.again(UNIT, failures(n)))


@pytest.mark.parametrize(
    ("kind", "allowed", "tries"),
    [
        ("bug", 5, 2),  # the second time it is the same
        ("bad input", 5, 1),
        ("out of memory", 2, 3),
        ("timed out", 2, 3),
        ("node lost", 2, 7),
        ("node lost", 0, 1),
        ("bug", 0, 1),
    ],
)
def test_a_kind_of_failure_has_its_policy(kind: FailureKind, allowed: int, tries: int) -> None:
    assert attempts(lambda _: Failure(kind, "the same"), allowed) == tries


def test_a_bug_that_differs_each_time_is_tried_as_often_as_allowed() -> None:
    assert attempts(lambda number: Failure("bug", str(number)), 4) == 5


def test_a_preempted_unit_is_always_tried_again() -> None:
    retries = Retries(0)
    assert all(retries.again(UNIT, Failure("preempted", "")) for _ in range(50))


def test_out_of_memory_doubles_the_share_of_a_gpu_up_to_a_whole_one() -> None:
    assert [Resources(1, 0.2, None).gpus_after(n) for n in range(4)] == [0.2, 0.4, 0.8, 1.0]
    assert [Resources(1, 2, None).gpus_after(n) for n in range(2)] == [2, 2]
    assert Resources(1, 0, None).gpus_after(3) == 0


def test_after_out_of_memory_each_unit_runs_alone_with_a_larger_share(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "search=null", "confirm=null", *FIXED, text=TINY)
    conductor = new_conductor(plan, tmp_path / "results", batches=TWO_PAY)
    job = conductor.next_job()
    assert job is not None
    assert (len(job.units), job.out_of_memory) == (2, 0)
    conductor.ended(job.key, Step({}, done=True, failure=Failure("out of memory", "CUDA out of memory")))
    again = [j for j in iter(conductor.next_job, None) if j.units[0].condition == job.units[0].condition]
    assert [(j.units, j.out_of_memory) for j in again] == [((unit,), 1) for unit in job.units]


FIXED = [f"conditions.{name}.fixed={{learning_rate: 0.003}}" for name in ("RNN", "LHetA")]


def test_a_full_disk_ends_the_session_clearly_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=TINY)
    real = trial.Training

    def full(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if len(list(root.glob("units/*/*/*/result.json"))) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", full)
    conductor = conduct(plan, root)
    assert conductor.halted is not None
    assert "disk" in conductor.halted
    assert not conductor.complete
    assert conductor.snapshot().failures == {}
    monkeypatch.setattr(trial, "Training", real)
    assert conduct(plan, root).complete


def test_a_unit_given_up_is_told_with_its_kind_and_its_traceback_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=TINY)
    real = trial.Training

    def broken(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if seeds == [2]:
            raise ArithmeticError("planted")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", broken)
    failures = conduct(plan, root).snapshot().failures
    assert failures == {UnitId("final", c, 2): Failure("bug", "ArithmeticError: planted") for c in ("RNN", "LHetA")}
    kept = [f for u in scan(root).units if u.unit == UnitId("final", "RNN", 2) for f in u.failures]
    assert len(kept) == 2
    assert all('raise ArithmeticError("planted")' in failure.traceback for failure in kept)
    assert Ledger(root).failures(UnitId("final", "RNN", 2)) == [failures[UnitId("final", "RNN", 2)]] * 2


HANGS = """
import sys, time
from pathlib import Path
from launch.workers.watchdog import Watchdog
def epoch():
    time.sleep(900)
with Watchdog(Path(sys.argv[1]), 0.3):
    epoch()
"""


def test_a_hang_ends_the_process_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "hang.txt"
    done = subprocess.run([sys.executable, "-c", HANGS, str(path)], cwd=ROOT, timeout=600, check=False)
    assert done.returncode == 1
    assert "in epoch" in path.read_text()


def test_a_job_in_time_leaves_no_trace(tmp_path: Path) -> None:
    with Watchdog(tmp_path / "hang.txt", 60) as watchdog:
        watchdog.pause()
        watchdog.restart()
    assert not list(tmp_path.iterdir())


def test_a_driver_that_was_replaced_proposes_nothing_more(tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=TINY)
    conduct(plan, root, StopAfter(4))
    before = sorted(root.glob("units/*/*/*"))

    def lost() -> None:
        raise LockLostError("another driver has taken this study over")

    conductor = StudyScheduler(plan, Ledger(root), RunOptions(ONE_BY_ONE, 1, "test"), lost)
    InProcessExecutor(root).run(conductor, NeverStop())
    assert conductor.finished
    assert not conductor.complete
    assert "another driver" in str(conductor.halted)
    assert conductor.snapshot().errors == {}
    assert sorted(root.glob("units/*/*/*")) == before


def test_an_orphan_ends_once_a_later_attempt_exists_and_records_nothing_more(tmp_path: Path) -> None:
    root, unit = tmp_path / "results", UnitId("search", "RNN", 0)
    conductor = new_conductor(small_plan(tmp_path, text=TINY), root)
    assert conductor.next_job() is not None
    orphan, later = run_job(root, [unit], "disabled"), run_job(root, [unit], "disabled")
    assert not next(orphan).done
    assert not next(later).done
    last = next(orphan)
    assert last.failure is not None
    assert last.failure.kind == "preempted"
    epochs = [len(p.read_text().splitlines()) for p in sorted(root.glob("units/search/RNN/0/attempts/*/epochs.jsonl"))]
    assert epochs == [1, 1]
    assert [e.epoch for e in Ledger(root).epochs(unit)] == [1, 2]
    assert [step.done for step in later] == [True]
    assert Ledger(root).result(unit) is not None


class StopsOnceBegun:
    """Asks to stop as soon as a job has begun. since: when it first did, None before."""

    since: float | None = None

    def __init__(self, root: Path) -> None:
        self._begun = root / "begun"

    @property
    def requested(self) -> bool:
        if self.since is None and self._begun.exists():
            self.since = time.monotonic()
        return self.since is not None


def long_epoch(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A job whose first epoch takes twenty minutes."""
    (root / "begun").touch()
    time.sleep(1200)
    yield Step({}, done=True)


@pytest.mark.program
def test_a_stop_does_not_wait_for_a_long_epoch(tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes have the shipped code, not the tests
    root = tmp_path / "results"
    with RayExecutor(root, "disabled", Resources(1, 0, 1), None, work=long_epoch) as executor:
        conductor = new_conductor(small_plan(tmp_path, text=TINY), root)
        stop = StopsOnceBegun(root)
        executor.run(conductor, stop)
        assert stop.since is not None
        assert time.monotonic() - stop.since < 600
        assert conductor.snapshot().failed_attempts == 0


def lost_memory(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A job that runs out of memory on less than a whole pretend GPU, and notes what it was given."""
    given = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
    with (root / "given").open("a") as stream:
        stream.write(f"{given:g}\n")
    if given < 1:
        yield Step({}, done=True, failure=Failure("out of memory", "CUDA out of memory"))
    else:
        yield from run_job(root, units, tracking_mode, data)


@pytest.mark.program
def test_on_ray_the_share_of_a_gpu_grows_after_out_of_memory(token: None, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes have the shipped code, not the tests
    root, plan = tmp_path / "results", small_plan(tmp_path, *ONE_UNIT, NOT_COMPILED, text=ONE_CONDITION)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "include_dashboard": False})
    try:
        half = Resources(1, 0.5, None)
        with RayExecutor(root, "disabled", half, Place(nodes.address), work=lost_memory) as executor:
            conductor = new_conductor(plan, root)
            executor.run(conductor, NeverStop())
    finally:
        nodes.shutdown()
    assert conductor.complete
    assert sorted((root / "given").read_text().split()) == ["0.5", "1"]
