"""The real command under real signals: before, during and after Ray's start, in the report, and several at once."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_run import HANG, Run, begin
from paths import ROOT
from small_study import ONE_UNIT_STUDY, TINY

from launch import cli

pytestmark = pytest.mark.program

__all__ = ["begin"]  # a fixture, found by its name


def check_farewell(run: Run, number: signal.Signals) -> str:
    """Exit code, no stack, and the command that goes on, as it can be typed; returns what was said."""
    assert run.end() == (130 if number is signal.SIGINT else 143), run.text
    assert number.name in run.text
    return check_continues(run)


def check_continues(run: Run) -> str:
    """No stack, no report, and the command that goes on without a limit, as it can be typed; returns what was said."""
    for stack in ("Traceback", "Fatal", "*** SIG", "PC: @", "Aborted"):
        assert stack not in run.text
    command = shlex.join([os.path.relpath(sys.executable, ROOT), "launch/study.py", *run.given])
    if not Path(sys.executable).is_relative_to(ROOT):
        command = shlex.join([sys.executable, "launch/study.py", *run.given])
    assert f"To continue:\n  {command}\n" in run.text
    assert "Report: " not in run.text
    return run.text


ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]


@pytest.mark.parametrize("number", ALL, ids=lambda n: n.name)
def test_a_signal_in_the_imports_leaves_at_once(number: signal.Signals, begin: Callable[..., Run]) -> None:
    run = begin()
    run.until_heard()
    run.process.send_signal(number)
    assert "nothing was started" in check_farewell(run, number)
    assert not run.root.parent.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda n: n.name)
def test_a_signal_while_ray_starts_leaves_at_once(number: signal.Signals, begin: Callable[..., Run]) -> None:
    run = begin()
    run.until_ray_starts()
    run.process.send_signal(number)
    assert "no unit was begun" in check_farewell(run, number)
    assert not list(run.root.glob("units/*/*/*"))


@pytest.mark.parametrize("number", ALL, ids=lambda n: n.name)
def test_a_signal_with_trials_running_stops_at_checkpoints(number: signal.Signals, begin: Callable[..., Run]) -> None:
    run = begin()
    run.until_trials_run()
    run.process.send_signal(number)
    assert "stopping at the last checkpoints" in check_farewell(run, number)
    (session,) = run.sessions()
    assert session["exit_code"] == run.process.returncode
    assert session["finished_at"] is not None
    assert not (run.root / "driver.lock").exists()
    assert not (run.root / "report.html").exists()


def test_several_signals_for_one_request_are_one(begin: Callable[..., Run]) -> None:
    """As a batch system sends them, to every process of the job: Ray below the driver goes on until it is stopped."""
    run = begin()
    run.until_trials_run()
    os.killpg(run.process.pid, signal.SIGTERM)
    run.wait_for(lambda: "SIGTERM: stopping" in run.text, "word that it was heard")
    os.killpg(run.process.pid, signal.SIGUSR1)
    assert "units done; nothing is lost" in check_farewell(run, signal.SIGTERM)
    assert [session["exit_code"] for session in run.sessions()] == [143]


def test_a_later_signal_leaves_at_once_and_the_session_is_closed(begin: Callable[..., Run]) -> None:
    """With epochs that never end in time."""
    long = TINY.replace("batch_size: 1000", "batch_size: 1")
    run = begin(text=long)
    run.until_trials_run()
    run.process.send_signal(signal.SIGUSR1)
    time.sleep(1.5)  # longer than what counts as one request
    if run.process.poll() is None:
        run.process.send_signal(signal.SIGTERM)
    check_farewell(run, signal.SIGUSR1)
    assert [session["exit_code"] for session in run.sessions()] == [143]
    assert not (run.root / "driver.lock").exists()


@pytest.mark.timeout(1500)
def test_a_signal_in_the_report_leaves_it_out_and_the_command_as_printed_makes_it(begin: Callable[..., Run]) -> None:
    run = begin(text=ONE_UNIT_STUDY)
    run.until_report()
    run.process.send_signal(signal.SIGUSR1)
    check_farewell(run, signal.SIGUSR1)
    assert not (run.root / "report.html").exists()
    command = run.text.rpartition("To continue:\n")[2].strip()
    done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run.root / "report.html").exists()


def test_under_nohup_a_closed_terminal_is_not_heard(begin: Callable[..., Run]) -> None:
    run = begin("nohup", text=ONE_UNIT_STUDY)
    run.until_trials_run()
    run.process.send_signal(signal.SIGHUP)
    run.until_report()
    run.process.send_signal(signal.SIGTERM)
    check_farewell(run, signal.SIGTERM)


def test_the_time_limit_stops_at_checkpoints_without_a_report(begin: Callable[..., Run]) -> None:
    """It is over as soon as trials may run; the command that goes on has no limit."""
    run = begin(limit=["--max-hours", "0.0001"])
    assert run.end() == 1, run.text
    check_continues(run)
    assert "Stopped: " in run.text
    assert not (run.root / "report.html").exists()
    (session,) = run.sessions()
    assert session["exit_code"] == 1


def test_a_study_stops_after_the_stage_that_is_named(begin: Callable[..., Run]) -> None:
    run = begin(limit=["--stop-after=search"])
    assert run.end() == 1, run.text
    check_continues(run)
    assert "Stopped after the stage search, as asked: 4 of " in run.text
    assert {path.parts[-4] for path in run.root.glob("units/*/*/*/result.json")} == {"search"}


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "1e9", "soon"])
def test_what_is_no_time_limit_is_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.parser().parse_args(["study.yaml", f"--max-hours={hours}"])
    assert left.value.code == 2
    assert "give hours, above 0 and at most 100000" in capsys.readouterr().err
