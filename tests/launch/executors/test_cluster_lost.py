"""What a driver does when its cluster dies under it, and when it has stood still itself."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_run import Run, begin
from small_study import ONE_CONDITION, TINY

pytestmark = pytest.mark.program

__all__ = ["begin"]  # the fixture


def of_ray(run: Run, name: str) -> psutil.Process:
    """The process of that name that the driver has started."""
    return next(p for p in psutil.Process(run.process.pid).children() if p.name() == name)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("name", "what"), [("raylet", "this node's own Ray"), ("gcs_server", "the head of the Ray cluster")]
)
def test_a_killed_ray_is_told_and_the_same_command_continues(name: str, what: str, begin: Callable[..., Run]) -> None:
    run = begin(text=TINY.replace("batch_size: 1000", "batch_size: 10"))
    run.until_trials_run()
    of_ray(run, name).kill()
    assert run.end() == 1
    said = re.sub(r"\s+", " ", run.text)
    assert re.search(rf"{what} at [\d.]+:\d+ has ended or cannot be reached: left with jobs still ending", said), said
    assert "nothing is lost. To continue:" in said
    assert "Traceback" not in said
    assert [session["exit_code"] for session in run.sessions()] == [1]
    assert not (run.root / "driver.lock").exists()
    again = begin(text=TINY.replace("batch_size: 1000", "batch_size: 10"))
    again.wait_for(lambda: len(again.sessions()) == 2, "second session")
    again.process.send_signal(signal.SIGINT)
    assert again.end() == 130, "the same command does not continue"


@pytest.mark.timeout(1500)
def test_a_driver_that_stood_still_leaves_its_successor_alone(begin: Callable[..., Run]) -> None:
    """It is replaced while it is frozen, and wakes while the other is at work: it removes nothing of the other's."""
    first = begin(text=ONE_CONDITION)
    first.until_trials_run()
    first.process.send_signal(signal.SIGSTOP)
    os.utime(first.root / "driver.lock", (0, 0))  # as if it had been for a minute
    second = begin(text=ONE_CONDITION)
    second.wait_for(lambda: "took the study over" in events(second.root), "a takeover")
    second.wait_for(lambda: len(list((second.root / ".tune").glob("*/.owner.json"))) == 2, "scratch of its own")
    first.process.send_signal(signal.SIGCONT)
    assert first.end() == 1, first.text
    assert "another driver has taken this study over" in first.text
    assert second.end() == 0, second.text
    assert "7 of 7 units done" in second.text
    assert not (second.root / ".tune").exists()


def events(root: Path) -> str:
    path = root / "events.jsonl"
    return path.read_text() if path.exists() else ""
