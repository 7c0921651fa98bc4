"""A study shrunk to a budget: fewer trials, then fewer seeds, never below what can be tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import STUDY, small_plan

from analysis import smallest_p, units_needed
from glifr.errors import InputError
from launch.budget.plan_words import budget_words, refuse_too_small, too_small_words
from launch.planning.estimate import Timing
from launch.planning.estimate import cost as estimated
from launch.planning.plan import StudyPlan
from launch.planning.shrink import cost_in, epochs_of, least_seeds, least_trials, shrink

TIMINGS = {name: [Timing(0.01, 0.02, 0.1, 0.5, 1000)] for name in ("RNN", "LSTM", "LHetA")}
NEEDED = units_needed(2, 0.05)  # STUDY compares two conditions with its reference


def plan_of(folder: Path, *overrides: str) -> StudyPlan:
    """Three conditions: 40 trials of 2 seeds and 2 epochs, 2 confirm runs of a seed, 20 final seeds."""
    return small_plan(folder, "search.trials=40", "final.seeds=20", "evidence=true", *overrides, text=STUDY)


def shrunk(plan: StudyPlan, epochs: float) -> tuple[int | None, int | None, bool]:
    found = shrink(plan, "epochs", epochs, cost_in("epochs", TIMINGS, 1), NEEDED)
    return found.trials, found.seeds, found.fits


def test_what_fits_stays(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert epochs_of(plan) == 3 * (40 * 2 * 2 + 2 * 2 + 20 * 2) == 612
    assert shrunk(plan, 612) == (None, None, True)


def test_trials_go_first_and_as_few_as_need_be(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert shrunk(plan, 611) == (39, None, True)
    assert shrunk(plan, 612 - 12 * 20) == (20, None, True)


def test_then_seeds_down_to_what_can_be_tested(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert least_trials(plan) == 3  # with which the sampler begins
    least = 3 * (3 * 4 + 4 + 20 * 2)
    assert shrunk(plan, least) == (3, None, True)
    assert shrunk(plan, least - 1) == (3, 19, True)
    assert 2 * smallest_p(NEEDED) <= 0.05 < 2 * smallest_p(NEEDED - 1)
    smallest = 3 * (3 * 4 + 4 + NEEDED * 2)
    assert shrunk(plan, smallest) == (3, NEEDED, True)
    assert shrunk(plan, smallest - 1) == (3, NEEDED, False)


@pytest.mark.parametrize("kind", ["epochs", "hours", "gpu_hours"])
@pytest.mark.parametrize("share", [0.95, 0.6, 0.3, 0.15])
def test_the_study_that_is_offered_fits_and_a_larger_one_does_not(tmp_path: Path, kind: str, share: float) -> None:
    plan = plan_of(tmp_path, "resources.gpus=0.5")
    cost = cost_in(kind, TIMINGS, 4)
    limit = share * cost(plan)
    found = shrink(plan, kind, limit, cost, NEEDED)
    if not found.fits:
        assert cost(plan.sized(least_trials(plan), least_seeds(plan, NEEDED))) > limit
        return
    trials, seeds = found.trials, found.seeds or 20
    assert cost(plan.sized(trials, seeds)) == pytest.approx(found.cost)
    assert found.cost <= limit
    assert trials is not None
    larger = plan.sized(trials + 1, 20) if found.seeds is None else plan.sized(trials, seeds + 1)
    assert cost(larger) > limit


def test_repeats_keep_their_number_and_share_the_seeds(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "search.repeats=5")
    assert least_seeds(plan, NEEDED) == 5
    _, seeds, fits = shrunk(plan, 5 * 3 * (3 * 4 + 4) + 3 * 2 * 12)
    assert (seeds, fits) == (10, True)


def test_a_study_without_a_search_has_seeds_alone(tmp_path: Path) -> None:
    fixed = [f"conditions.{name}.fixed={{learning_rate: 0.003}}" for name in ("RNN", "LSTM", "LHetA")]
    plan = small_plan(tmp_path, "search=null", "confirm=null", "final.seeds=20", *fixed, text=STUDY)
    assert shrunk(plan, 3 * 2 * 12) == (None, 12, True)


def test_hours_are_those_of_the_estimate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert cost_in("hours", TIMINGS, 3)(plan) == estimated(plan, TIMINGS, 3).seconds.value / 3600


# -- in words ----------------------------------------------------------------------------------------------------------


def words(plan: StudyPlan, hours: float | None = None) -> str:
    return "\n".join(budget_words(plan, TIMINGS, 2, hours, NEEDED))


def test_the_yaml_lines_are_printed_and_make_that_study(tmp_path: Path) -> None:
    said = words(plan_of(tmp_path, "budget={epochs: 160}"))
    assert "budget: 160 epochs; the study as it is takes up to 612 epochs" in said
    assert "    search:\n      trials: 3\n    final:\n      seeds: 18\n" in said
    assert "--set search.trials=3 --set final.seeds=18" in said
    assert (
        f"never fewer than 3 trials (that the sampler begins with, and that are confirmed) and {NEEDED} seeds" in said
    )
    assert epochs_of(plan_of(tmp_path, "search.trials=3", "final.seeds=18")) <= 160
    assert "so it fits" in words(plan_of(tmp_path, "search.trials=3", "final.seeds=18", "budget={epochs: 160}"))


def test_hours_of_the_command_stand_in_for_the_studys_budget(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "budget={epochs: 160}")
    assert "1000 h" in words(plan, 1000.0)
    assert "epochs" not in words(plan, 1000.0)
    assert "the budget is too small for these conditions" in words(plan, 1e-6)
    assert words(plan_of(tmp_path)) == ""


def test_a_session_is_told_of_hours_below_what_can_be_tested_and_of_nothing_else(tmp_path: Path) -> None:
    def told(*overrides: str) -> str:
        return "\n".join(too_small_words(plan_of(tmp_path, *overrides), TIMINGS, 2, NEEDED))

    assert "the budget is too small for these conditions" in told("budget={hours: 1.0e-6}")
    assert told("budget={hours: 1000}") == told() == told("budget={epochs: 1}") == ""


def test_a_budget_of_epochs_below_what_can_be_tested_is_refused(tmp_path: Path) -> None:
    smallest = 3 * (3 * 4 + 4 + NEEDED * 2)
    refuse_too_small(plan_of(tmp_path, f"budget={{epochs: {smallest}}}"), NEEDED)
    with pytest.raises(InputError) as caught:
        refuse_too_small(plan_of(tmp_path, f"budget={{epochs: {smallest - 1}}}"), NEEDED)
    told = str(caught.value)
    assert f"below what can be tested: 3 trials and {NEEDED} seeds of each condition take {smallest} epochs" in told
    assert "budget.epochs" in told
