"""`--status --failures`: each failed attempt with its node, what followed and its traceback."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import ray
from rich.console import Console
from small_study import (
    NOT_COMPILED,
    ONE_CONDITION,
    ONE_UNIT,
    TINY,
    NeverStop,
    conduct,
    new_conductor,
    small_plan,
)

from analysis import load, write_report
from analysis.pack.contents import ledger as packed_ledger
from glifr.records import FAILURE_FILE, Layout, UnitId, scan
from launch import cli
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure, failure_of_lost
from launch.jobs import DataSource, Step
from launch.ledger.attempts import here
from launch.ledger.folder import results_path
from launch.planning.placement import Resources
from launch.planning.plan import StudyPlan
from launch.scheduling.study_scheduler import StudyScheduler
from launch.terminal.end_summary import tell_end
from launch.terminal.status import show_status
from launch.workers import trial
from launch.workers.trial import run_job

UNIT = UnitId("final", "RNN", 1)
HOST = socket.gethostname()
DIED = "The actor died unexpectedly before finishing this task.\n\tpid: 7\n\tip: 192.0.2.7\nThe actor is dead because"


def printed(plan: StudyPlan, root: Path, *given: str, failures: bool = True) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_status(plan.study, root, console, given, failures=failures)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def ended(conductor: StudyScheduler, given: Sequence[str]) -> str:
    console = Console(file=io.StringIO(), width=200)
    tell_end(console, conductor.snapshot(), None, given)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[StudyPlan, Path, StudyScheduler]:
    """A study two of whose final networks fail each time, by the same bug."""
    real = trial.Training

    def training(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if seeds == [2]:
            raise ArithmeticError("planted [x]")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", training)
    plan = small_plan(tmp_path, text=TINY)
    root = results_path(plan.study, tmp_path / "results")
    return plan, root, conduct(plan, root)


def test_each_failed_attempt_is_printed_with_what_followed(broken: tuple[StudyPlan, Path, StudyScheduler]) -> None:
    plan, root, _ = broken
    text = printed(plan, root)
    assert "4 failed attempts" in text
    for condition in ("RNN", "LHetA"):
        for attempt, followed in ((1, "tried again"), (2, "given up; the same command tries it again")):
            head = (
                rf"final/{condition}/2, attempt {attempt}: bug on {re.escape(here())}, \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"
            )
            assert re.search(rf"^{head}; {followed}$", text, re.MULTILINE), text
    assert text.count("ArithmeticError: planted [x]") >= 4
    assert text.count('raise ArithmeticError("planted [x]")') == 1, "one traceback is printed once"
    for path in root.rglob(FAILURE_FILE):
        assert str(path) in text


def test_a_unit_that_was_done_since_says_so(
    broken: tuple[StudyPlan, Path, StudyScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, root, _ = broken
    monkeypatch.undo()
    conduct(plan, root)
    text = printed(plan, root)
    assert text.count(" UTC; tried again\n") == 2
    assert text.count(" UTC; tried again, and done since\n") == 2
    assert "UTC; given up" not in text


def test_status_and_the_end_name_the_command_and_it_runs(
    broken: tuple[StudyPlan, Path, StudyScheduler], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, root, conductor = broken
    given = [str(tmp_path / "small.yaml"), "--results", str(tmp_path / "results")]
    told = ended(conductor, given)
    assert "4 attempts failed" in told
    (command,) = re.findall(r"^  (.*--failures)$", told, re.MULTILINE)
    assert command in printed(plan, root, *given, "--status", failures=False)
    words = shlex.split(command)
    assert Path(words[1]).name == "study.py"
    assert cli.main(words[2:]) == 1
    assert capsys.readouterr().out.count('raise ArithmeticError("planted [x]")') == 1


def test_a_study_without_failures_names_no_command(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, *ONE_UNIT, text=ONE_CONDITION)
    conductor = conduct(plan, tmp_path / "r")
    assert "--failures" not in ended(conductor, ["x"])
    assert "--failures" not in printed(plan, tmp_path / "r", failures=False)
    assert "no failed attempts" in printed(plan, tmp_path / "r")


def test_failures_alone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(ONE_CONDITION)
    assert cli.main([str(tmp_path / "small.yaml"), "--failures"]) == cli.REFUSED
    assert "add --status" in capsys.readouterr().err


def test_a_record_of_a_failure_that_is_damaged_is_named(broken: tuple[StudyPlan, Path, StudyScheduler]) -> None:
    plan, root, _ = broken
    first = sorted(root.rglob(FAILURE_FILE))[0]
    first.write_text("{")
    text = printed(plan, root)
    assert "3 failed attempts" in text
    assert f"{first}: not a record" in text


# -- lost nodes -------------------------------------------------------------------------------------------------------


def lost_unit(tmp_path: Path, begun: bool) -> tuple[StudyScheduler, Path, StudyPlan]:
    plan, root = small_plan(tmp_path, *ONE_UNIT, text=ONE_CONDITION), tmp_path / "r"
    conductor = new_conductor(plan, root)
    job = conductor.next_job()
    assert job is not None
    if begun:
        next(run_job(root, job.units, "disabled"))
    conductor.ended(job.key, None, failure_of_lost(DIED))
    return conductor, root, plan


@pytest.mark.parametrize(("begun", "node"), [(True, here()), (False, "192.0.2.7")])
def test_a_lost_node_is_named(begun: bool, node: str, tmp_path: Path) -> None:
    """By the attempt's own record; of a worker that was lost before its attempt began, by what Ray says."""
    conductor, root, plan = lost_unit(tmp_path, begun)
    (unit,) = scan(root).units
    assert (unit.attempts, [(f.kind, f.node, f.traceback) for f in unit.failures]) == (
        1, [("node lost", node, DIED)],
    )  # fmt: skip
    message = f"{UNIT}: node lost: the worker process or its node died (on {node}); tried again"
    assert message in Layout(root).events.read_text()
    assert f"{UNIT}, attempt 1: node lost on {node}, " in printed(plan, root)
    for _ in range(3):
        job = conductor.next_job()
        assert job is not None
        conductor.ended(job.key, None, failure_of_lost(DIED))
    assert "  final/RNN/1: node lost: the worker process or its node died (on 192.0.2.7)" in ended(conductor, ["x"])


def test_a_worker_lost_before_its_attempt_counts_as_one(tmp_path: Path) -> None:
    conductor, root, _ = lost_unit(tmp_path, begun=False)
    job = conductor.next_job()
    assert job is not None
    list(run_job(root, job.units, "disabled"))
    conductor.ended(job.key, Step({}, done=True))
    (unit,) = scan(root).units
    assert conductor.complete
    assert (unit.attempts, len(unit.failures)) == (2, 1)
    assert unit.result is not None


def test_no_node_is_named_in_the_report_or_a_pack(tmp_path: Path) -> None:
    """Reports and packs are shown to everybody."""
    conductor, root, _ = lost_unit(tmp_path, begun=True)
    job = conductor.next_job()
    assert job is not None
    list(run_job(root, job.units, "disabled"))
    conductor.ended(job.key, Step({}, done=True))
    report = write_report(load(root)).report
    assert here() not in report.read_text()
    packed = b"".join(packed_ledger(root).values())
    assert b"node lost" in packed
    assert here().encode() not in packed


def dies(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A job whose worker dies in its first attempt."""
    for step in run_job(root, units, tracking_mode, data):
        if not (root / "died").exists():
            (root / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield step


@pytest.mark.program
def test_on_ray_the_node_of_a_lost_worker_is_on_record(tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    plan, root = small_plan(tmp_path, *ONE_UNIT, NOT_COMPILED, text=ONE_CONDITION), tmp_path / "r"
    with RayExecutor(root, "disabled", Resources(1, 0, 1), None, work=dies) as executor:
        conductor = new_conductor(plan, root)
        executor.run(conductor, NeverStop())
    assert conductor.complete
    (unit,) = scan(root).units
    (failure,) = unit.failures
    assert failure.node == here()
    assert HOST in failure.node
    assert "actor" in failure.traceback


def test_a_failure_says_where_only_if_it_is_known() -> None:
    assert str(Failure("bug", "x")) == "bug: x"
    assert str(failure_of_lost("")) == "node lost: the worker process or its node died"


def test_a_unit_that_waits_for_its_next_attempt_says_so(tmp_path: Path) -> None:
    _, root, plan = lost_unit(tmp_path, begun=True)
    assert "; the same command tries it again" in printed(plan, root)
    Layout(root).lock.write_text("{}")  # a driver is at work
    assert "; waits for its next attempt" in printed(plan, root)
