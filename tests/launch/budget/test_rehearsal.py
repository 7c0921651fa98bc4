"""A plan asked about a machine that is not there: how many trials at once, and how long the whole study takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import STUDY, TINY, small_plan

from glifr.errors import InputError
from launch import cli
from launch.budget.rehearsal import Machine, rehearse, timed_here
from launch.planning.estimate import Timing
from launch.planning.estimate import cost as estimated
from launch.planning.placement import Resources

TIMINGS = {name: [Timing(0.5, 0.2, 1.0, 3.0, 1000)] for name in ("RNN", "LSTM", "LHetA")}


@pytest.mark.parametrize(
    ("machine", "wanted", "slots"),
    [
        (Machine(16, 4), Resources(1, 0.25, None), 16),
        (Machine(8, 4), Resources(1, 0.25, None), 8),
        (Machine(None, 4), Resources(1, 0.25, None), 16),
        (Machine(16, 4), Resources(1, 2, None), 2),
        (Machine(16, None), Resources(4, 0.5, None), 16),
        (Machine(16, 4), Resources(1, 0, None), 16),
        (Machine(16, None), Resources(1, 0, 3), 3),
    ],
    ids=str,
)
def test_how_many_trials_run_at_once_there(machine: Machine, wanted: Resources, slots: int) -> None:
    assert machine.trials_at_once(wanted) == slots


def test_a_machine_that_says_nothing_or_holds_no_trial_is_refused() -> None:
    with pytest.raises(InputError, match="takes no GPU"):
        Machine(None, 4).trials_at_once(Resources(1, 0, None))
    with pytest.raises(InputError, match="not one trial"):
        Machine(4, 1).trials_at_once(Resources(1, 2, None))


def test_the_whole_study_is_played_and_agrees_with_the_estimate(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=STUDY)
    one = rehearse(plan, TIMINGS, 1)
    assert one.seconds == pytest.approx(estimated(plan, TIMINGS, 1).seconds.value, rel=0.02)
    assert one.occupied == pytest.approx(1.0)
    seconds = [one.seconds, *(rehearse(plan, TIMINGS, slots).seconds for slots in (2, 4, 64))]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[-1] > 60  # one stage after another, however many slots there are
    assert not list(tmp_path.glob("units"))


def test_neither_a_budget_nor_early_stopping_shortens_it(tmp_path: Path) -> None:
    whole = rehearse(small_plan(tmp_path, text=TINY), TIMINGS, 2)
    pruner = "search.pruner={name: median, startup_trials: 1}"
    limited = small_plan(tmp_path, "budget={epochs: 18}", pruner, text=TINY)
    assert rehearse(limited, TIMINGS, 2) == whole


def test_a_study_of_gpus_is_timed_without_them_where_there_are_none(tmp_path: Path) -> None:
    here = small_plan(tmp_path, text=TINY)
    assert timed_here(here) is here
    timed = timed_here(small_plan(tmp_path, "resources.gpus=999", text=TINY))
    assert timed.study.spec.resources.gpus == 0
    assert timed.study.resolved["resources"]["gpus"] == 0


@pytest.mark.parametrize("option", [["--slots", "4"], ["--gpus", "2"]])
def test_only_a_plan_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    (tmp_path / "small.yaml").write_text(TINY)
    assert cli.main([str(tmp_path / "small.yaml"), *option]) == cli.REFUSED
    assert "only a plan can be asked about a machine that is not there" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many", "1000000"])
def test_a_number_that_is_none_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["study.yaml", "--plan", f"--slots={given}"])
    assert "give one from 1 to 100000" in capsys.readouterr().err
