"""What `--plan` says: time, disk, and what the number of seeds can show."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path

import pytest
from rich.console import Console
from small_study import STUDY, NeverStop, new_conductor, small_plan

from analysis import effects_to_test, smallest_p
from launch.executors.in_process import InProcessExecutor
from launch.planning import estimate as estimates
from launch.planning.estimate import Estimate, Span, Timing, estimate
from launch.terminal.plan_view import plan_view
from launch.workers.calibration import calibrate

TIMING = Timing(step=0.01, evaluation=0.02, epoch=0.1, job=0.5, bytes=10_000)


class Invented:
    """A `Runner` whose timings are given, not measured."""

    def __init__(self, slots: int, *timings: Timing) -> None:
        self.slots, self._timings = slots, timings

    def map(self, function: object, items: list[tuple[object, ...]]) -> list[Timing]:
        assert len(items) >= 2 * len({item[1] for item in items})
        per_condition = len({item[1] for item in items})
        return [self._timings[n // per_condition % len(self._timings)] for n in range(len(items))]


MNIST = (STUDY, ("training.epochs=6", "search.epochs=6", "training.batch_size=100"), 27)
SINE = """
name: sine
reference: LHetA
conditions:
  LHetA: {delay: 1.0, hidden_size: 16, fixed: {learning_rate: 1.0e-4}}
  RHetA: {delay: 1.0, hidden_size: 16, start: learned, fixed: {learning_rate: 1.0e-4}}
task: {name: sine}
training: {epochs: 6, batch_size: 6}
final: {seeds: 2}
"""


@pytest.mark.parametrize(("text", "overrides", "units"), [MNIST, (SINE, (), 4)], ids=["line MNIST", "sine"])
def test_the_estimate_of_a_real_run_is_within_a_factor_of_one_and_a_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, overrides: tuple[str, ...], units: int
) -> None:
    monkeypatch.setattr(time, "perf_counter", time.process_time)  # what else the machine does may change in between
    plan = small_plan(tmp_path, *overrides, text=text)
    runner = InProcessExecutor(tmp_path / "r")
    measured = estimate(plan, runner, calibrate, "disabled")
    # nobody hands over here
    expected = sum(measured.slot_seconds.values()) - units * estimates.HANDOVER_SECONDS
    conductor = new_conductor(plan, tmp_path / "r")
    started = time.perf_counter()
    runner.run(conductor, NeverStop())
    took = time.perf_counter() - started
    assert conductor.complete
    assert took / 1.5 < expected < took * 1.5


def test_a_condition_that_starts_from_anothers_networks_ends_after_it(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=SINE)
    measured = estimate(plan, Invented(64, TIMING), calibrate, "disabled")
    unit = 0.15 + 0.5 + 6 * (50 * 0.01 + 0.1) + 0.02  # 50 steps an epoch, a test in one batch
    assert measured.slot_seconds == pytest.approx(dict.fromkeys(("LHetA", "RHetA"), 2 * unit))
    assert measured.seconds.value == pytest.approx(20 + 2 * unit)  # one seed of each, the other beside it


def test_seconds_are_added_up_as_the_study_runs(tmp_path: Path) -> None:
    """3 trials of 2 seeds, 2 confirmations, 2 final seeds, of 2 epochs; 2 silencings of 4 passes; three conditions."""
    measured = estimate(small_plan(tmp_path), Invented(1, TIMING), calibrate, "disabled")
    epoch = 12 * 0.01 + 2 * 0.02 + 0.1  # 3,600 in batches of 300; 700 in batches of 500
    test = 2 * 0.02
    jobs = 7 * 0.5 + 9 * estimates.HANDOVER_SECONDS
    condition = jobs + (6 + 2 + 2) * 2 * epoch + 2 * test + 2 * 4 * test
    assert measured.slot_seconds == pytest.approx(dict.fromkeys(("RNN", "LSTM", "LHetA"), condition))
    assert measured.seconds.value == pytest.approx(3 * condition + estimates.SESSION_SECONDS)
    assert measured.seconds.low == measured.seconds.value == measured.seconds.high


def test_many_slots_do_not_shorten_a_conditions_stages(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    wall = [estimate(plan, Invented(n, TIMING), calibrate, "disabled").seconds.value for n in (1, 2, 1000, 2000)]
    assert wall[0] > wall[1] > wall[2] == wall[3]
    epoch = 12 * 0.01 + 2 * 0.02 + 0.1
    assert wall[3] > estimates.SESSION_SECONDS + (2 + 1 + 1) * 2 * epoch + 3 * 0.5


def test_the_range_is_that_of_the_timings_and_of_early_stopping(tmp_path: Path) -> None:
    slow = Timing(step=0.02, evaluation=0.02, epoch=0.1, job=0.5, bytes=10_000)
    spread = estimate(small_plan(tmp_path), Invented(1, TIMING, slow), calibrate, "disabled").seconds
    assert spread.low < spread.value < spread.high
    pruned = small_plan(tmp_path, "search.pruner={name: median, startup_trials: 1, warmup_epochs: 0, min_trials: 1}")
    early = estimate(pruned, Invented(1, TIMING), calibrate, "disabled").seconds
    assert early.low < early.value == early.high
    # of the two trials that may be stopped one is, after the first of its two epochs
    epoch = 12 * 0.01 + 2 * 0.02 + 0.1
    search = 3 * (estimates.HANDOVER_SECONDS + 0.5 + 2 * 2 * epoch)
    assert early.value - early.low == pytest.approx(3 * search * (2 / 3) * 0.5 * (1 - 1 / 2))


def test_the_disk_estimate_is_of_the_size_of_what_is_left(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    runner = InProcessExecutor(tmp_path / "r")
    measured = estimate(plan, runner, calibrate, "disabled")
    runner.run(new_conductor(plan, tmp_path / "r"), NeverStop())
    left = sum(path.lstat().st_blocks * 512 for path in (tmp_path / "r").rglob("*"))
    assert left / 1.5 < measured.bytes < left * 1.5


def shown(folder: Path, seeds: int, *overrides: str) -> str:
    plan = small_plan(folder, f"final.seeds={seeds}", *overrides)
    measured = Estimate(
        4, {name: [TIMING] for name in plan.conditions}, dict.fromkeys(plan.conditions, 60.0), SPAN, 23_000_000
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(plan_view(plan, measured, smallest_p, effects_to_test, "this machine"))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


SPAN = Span(3600.0, 3000.0, 4500.0)


def test_the_plan_says_time_and_disk_with_their_range(tmp_path: Path) -> None:
    text = shown(tmp_path, 10)
    assert "1 h 00 min with 4 trials at once on this machine (50 min 00 s to 1 h 15 min" in text
    assert "23 MB when done" in text
    assert "10.0" in text  # ms per step


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, "no test is possible with one seed"),
        (5, "out of reach"),
        (10, "10 paired seeds can reach in the sign-flip test: 0.002, adjusted for 3 planned contrasts 0.0059"),
        (20, "5e-05"),  # more than 16 seeds are sampled, not enumerated
    ],
)
def test_the_plan_says_what_the_seeds_can_show(tmp_path: Path, seeds: int, words: str) -> None:
    assert words in shown(tmp_path, seeds)
    assert ("out of reach" in shown(tmp_path, seeds)) == (3 * smallest_p(seeds) > 0.05)
    assert math.isnan(smallest_p(1))


@pytest.mark.parametrize("repeats", [5, 10])
def test_where_the_search_is_repeated_the_repeats_are_what_is_compared(tmp_path: Path, repeats: int) -> None:
    """However many seeds: 20 alone could show a difference, 5 repeats of 4 cannot."""
    text = shown(tmp_path, 20, f"search.repeats={repeats}")
    assert f"{repeats} paired repeats can reach in the sign-flip test: {smallest_p(repeats):.2g}" in text
    assert ("out of reach" in text) == (repeats == 5)
    assert f"{repeats} x 3 x 2" in text  # trials, seeds per trial
    assert f"seeds of each of the {repeats} independent searches" in text


def test_the_plan_says_what_looks_may_come_to(tmp_path: Path) -> None:
    text = shown(tmp_path, 20, "final.seeds={first: 12, step: 5, most: 24}", "evidence=true")
    assert "looks at 12, 17, 22, 24 seeds: the table is of the first" in text
    assert "estimated time to the first look: 1 h 00 min" in text
    assert "at most, if nothing is decided before the last look: 72 final networks" in text
    assert "all of it is conditional on one search" in text
    assert "final 12, fresh and the same" in text
    assert "out of reach" not in text
    repeated = shown(tmp_path, 20, "final.seeds={first: 24, step: 2, most: 40}", "search.repeats=12", "evidence=true")
    assert "looks at 12, 13, 14, 15, 16, 17, 18, 19, 20 repeats" in repeated
    assert "conditional on one search" not in repeated
