"""Progress: the time left, and what is shown."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from paths import GOLDEN
from rich.console import Console
from small_study import ONE_BY_ONE, STUDY, NeverStop, new_conductor, small_plan

from glifr.records import STAGES, Stage
from launch.executors.in_process import InProcessExecutor
from launch.jobs import Snapshot, StageCount, Step
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.terminal import progress
from launch.terminal.progress import Progress, TimeLeft, clock, table

ONE = STUDY.replace("  RNN:   {delay: one_step}\n  LSTM:  {delay: none}\n", "")  # with one condition


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    return small_plan(tmp_path)


def shown(snapshot: Snapshot) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table(snapshot))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_time_left_counts_work_not_units(plan: StudyPlan, tmp_path: Path) -> None:
    snapshot = new_conductor(plan, tmp_path / "r").snapshot()
    left = TimeLeft(plan, slots=2, live=False)
    assert left.seconds(snapshot) is None
    left.worked("RNN", "final", 1, seconds=10.0)
    # search 3 trials x 2 seeds, confirm 2 x 1, final 2 of the same epochs; silencing 4 test passes of 700 images
    a_condition = 10.0 * (6 + 2 + 2 + 2 * 4 * 700 / (3 * 2 * 3600))
    assert left.seconds(snapshot) == pytest.approx(3 * a_condition / 2)
    left.worked("LSTM", "final", 1, seconds=20.0)  # LHetA, of which nothing is known, takes the mean of the two
    assert left.seconds(snapshot) == pytest.approx((1 + 2 + 1.5) * a_condition / 2)


def test_epochs_of_running_jobs_count(tmp_path: Path) -> None:
    """A job of many minutes must not leave the user without an estimate until it ends."""
    plan = small_plan(tmp_path, "search.epochs=4", text=ONE)
    left = TimeLeft(plan, slots=1, live=False)
    (tmp_path / "r").mkdir()
    write_study(Ledger(tmp_path / "r").layout, plan)
    conductor = StudyScheduler(plan, Ledger(tmp_path / "r"), RunOptions(ONE_BY_ONE, 0, ""), lambda: None, left.worked)
    job = conductor.next_job()
    assert job is not None
    assert left.seconds(conductor.snapshot()) is None
    conductor.step(job.key, Step({job.key: (1, 2.0)}))
    first = left.seconds(conductor.snapshot())
    conductor.step(job.key, Step({job.key: (2, 2.0)}))
    assert first is not None
    assert conductor.snapshot().under_way["LHetA"] == {"search": 0.5, "confirm": 0.0, "final": 0.0, "silencing": 0.0}
    conductor.ended(job.key, None)
    assert conductor.snapshot().under_way["LHetA"]["search"] == 0


RECORDED: dict[str, Any] = json.loads((GOLDEN / "quick_study_steps.json").read_text())
NAMES = list(RECORDED["work"])
NOBODY = 15.0  # seconds: nobody plans by less


class RecordedPlan:
    """The work of the units of a quick study that really ran, on two shared cores."""

    def work(self, stage: Stage, condition: str) -> float:
        found: float = RECORDED["work"][condition][STAGES.index(stage)]
        return found


def _recorded_snapshot(rows: list[list[float]]) -> Snapshot:
    cells = [rows[i : i + len(STAGES)] for i in range(0, len(rows), len(STAGES))]
    counts = {
        name: {s: StageCount(int(p), 0, int(e), 0, 0, int(o)) for s, (p, e, o, _) in zip(STAGES, own, strict=True)}
        for name, own in zip(NAMES, cells, strict=True)
    }
    under_way = {
        name: {s: c[3] for s, c in zip(STAGES, own, strict=True)} for name, own in zip(NAMES, cells, strict=True)
    }
    return Snapshot(counts=counts, under_way=under_way, best={}, errors={}, failures={})


def test_the_time_left_of_a_recorded_study_is_honest_from_its_first_appearance() -> None:
    """Its first steps took 26 s each, for they compiled; then training took 0.3 to 3 s."""
    left = TimeLeft(RecordedPlan(), RECORDED["slots"])  # type: ignore[arg-type]
    heard, said = iter(RECORDED["heard"]), []
    event = next(heard)
    for at, rows in RECORDED["seen"]:
        while event is not None and event[0] <= at:
            _, condition, stage, units, seconds = event
            left.worked(NAMES[condition], STAGES[stage], units, seconds)
            event = next(heard, None)
        seconds_left = left.seconds(_recorded_snapshot(rows))
        if seconds_left is not None:
            said.append((seconds_left, RECORDED["end"] - at))
    assert said[0][1] > 0.8 * RECORDED["end"], "said late"
    for told, true in said:
        assert true / 1.5 - NOBODY <= told <= 1.5 * true + NOBODY


def test_nothing_is_said_before_enough_was_heard(plan: StudyPlan, tmp_path: Path) -> None:
    snapshot = new_conductor(plan, tmp_path / "r").snapshot()
    left = TimeLeft(plan, slots=2)
    for _ in range(2 * 6):
        left.worked("RNN", "search", 0.5, seconds=1.0)
        assert left.seconds(snapshot) is None
    left.worked("RNN", "search", 0.5, seconds=1.0)
    assert left.seconds(snapshot) is not None
    slow = TimeLeft(plan, slots=1)
    slow.worked("RNN", "search", 0.5, seconds=90.0)
    assert slow.seconds(snapshot) is None, "the first step of a worker compiles"
    slow.worked("RNN", "search", 0.5, seconds=61.0)
    assert slow.seconds(snapshot) is not None


def test_the_table_counts_every_stage(tmp_path: Path) -> None:
    conductor = new_conductor(small_plan(tmp_path, text=ONE), tmp_path / "r")
    assert "0/3" in shown(conductor.snapshot())
    job = conductor.next_job()
    assert job is not None
    assert "0/3 +1" in shown(conductor.snapshot())
    conductor.ended(job.key, None)  # lost once: tried again
    assert "+1" not in shown(conductor.snapshot())
    assert conductor.next_job() == job
    conductor.ended(job.key, None)
    for _ in range(2):
        assert conductor.next_job() == job
        conductor.ended(job.key, None)  # lost a fourth time: given up
    assert "1/3 1 failed" in shown(conductor.snapshot())
    assert "node lost" in Ledger(tmp_path / "r").layout.events.read_text()


def test_without_a_terminal_lines_and_at_the_end_the_table(
    plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.05)
    conductor = new_conductor(plan, tmp_path / "r")
    console = Console(file=io.StringIO(), width=160)
    with Progress(console, conductor.snapshot, TimeLeft(plan, 1)):
        InProcessExecutor(tmp_path / "r").run(conductor, NeverStop())
        time.sleep(0.1)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "search 9/9" in text
    assert "27/27 units" in text
    assert "left about" not in text, "nothing was heard of"
    assert "best loss" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "--"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7321, "2 h 02 min")]
)
def test_durations_in_words(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text
