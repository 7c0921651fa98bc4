"""A study that stops after a stage: only units up to it run, and going on gives what an undisturbed one gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from small_study import ONE_BY_ONE, NeverStop, conduct, published, small_plan

from glifr.records import STAGES, Stage
from launch.executors.in_process import InProcessExecutor
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler


@pytest.mark.parametrize("last", STAGES[:-1])
def test_only_units_up_to_the_stage_run_and_going_on_is_as_undisturbed(tmp_path: Path, last: Stage) -> None:
    plan, root = small_plan(tmp_path), tmp_path / "stopped"
    root.mkdir()
    write_study(Ledger(root).layout, plan)
    scheduler = StudyScheduler(plan, Ledger(root), RunOptions(ONE_BY_ONE, 1, "test", last), lambda: None)
    InProcessExecutor(root, "disabled").run(scheduler, NeverStop())
    ended = Counter(path.parts[-4] for path in root.glob("units/*/*/*/result.json"))
    assert ended == {stage: plan.planned(stage) for stage in STAGES[: STAGES.index(last) + 1]}
    assert not scheduler.complete
    assert conduct(plan, root).complete
    conduct(plan, tmp_path / "whole")
    assert published(root) == published(tmp_path / "whole")
