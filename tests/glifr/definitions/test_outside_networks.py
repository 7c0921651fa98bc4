"""Networks of other people's modules and neuron models: counted, started, silenced, trained, resumed and kept."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from outside_networks import LAB
from torch import nn

from glifr.conditions import CONDITIONS, KINDS, Condition
from glifr.configuration import Configuration, TrainingSettings
from glifr.definitions import (
    build_network,
    definition_of,
    hidden_size_for_budget,
    network_of_module,
    trained_parameters,
)
from glifr.definitions.module import ModuleNetworks
from glifr.definitions.neuron import NeuronNetworks
from glifr.errors import InputError
from glifr.networks import BaseNetwork, forward_replicas
from glifr.neurons import glifr, tanh
from glifr.records.storage import tensor_files
from glifr.records.storage.network_files import pack, unpack
from glifr.tasks import TASKS, TaskData
from glifr.training.random_data import random_data
from glifr.training.train import Training

TASK = TASKS["sine"]
SETTINGS = TrainingSettings(epochs=3, batch_size=4, dropout=0.2)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `lab`, importable."""
    (tmp_path / "lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("lab")
    del sys.modules["lab"]  # the next test has another


def condition(lab: ModuleType, name: str, **settings: Any) -> Condition:
    found = getattr(lab, name)
    kind = (found if isinstance(found, ModuleNetworks) else NeuronNetworks(found)).kind
    start: Any = "homogeneous" if kind.parameters else None
    own = tuple(sorted(settings.items()))
    return Condition(name, f"lab:{name}", 0, start, bool(kind.parameters), settings=own, outside=kind)


def build(own: Condition, **changes: Any) -> BaseNetwork:
    options: dict[str, Any] = {"in_size": 2, "hidden_size": 5, "out_size": 3, "dt": 0.5, "delay_steps": 2}
    options["generator"] = torch.Generator().manual_seed(3)
    return build_network(own, **{**options, **changes})


@pytest.mark.parametrize("name", ["gru", "adaptive"])
def test_the_count_is_that_of_a_built_network_and_sizes_meet_a_budget(lab: ModuleType, name: str) -> None:
    own = condition(lab, name)
    network = build(own)
    assert network.trained_parameters() == trained_parameters(own, 2, 3, 5)
    size = hidden_size_for_budget(own, 2, 3, 2000)
    assert trained_parameters(own, 2, 3, size) <= 2000 < trained_parameters(own, 2, 3, size + 1)


def test_a_module_without_a_size_has_no_matched_one(lab: ModuleType) -> None:
    class Fixed(nn.Module):
        def __init__(self, in_size: int, hidden_size: int, out_size: int) -> None:
            super().__init__()
            self.readout = nn.Linear(in_size, out_size)

    lab.fixed = network_of_module(Fixed)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="does not grow with its size"):
        hidden_size_for_budget(condition(lab, "fixed"), 2, 3, 1000)


@pytest.mark.parametrize("name", ["gru", "adaptive"])
def test_a_start_follows_from_its_generator_alone(lab: ModuleType, name: str) -> None:
    torch.manual_seed(1)
    first = build(condition(lab, name)).state_dict()
    before = torch.random.get_rng_state()
    second = build(condition(lab, name)).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = build(condition(lab, name), generator=torch.Generator().manual_seed(4)).state_dict()
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["gru", "adaptive"])
def test_silenced_neurons_are_not_heard(lab: ModuleType, name: str) -> None:
    network = build(condition(lab, name)).eval()
    x = torch.randn(4, 6, 2)
    masks = torch.ones(2, 5)
    masks[1] = 0
    alone, none = forward_replicas([network] * 2, x, neuron_masks=masks)
    assert torch.allclose(alone, network(x), atol=1e-6)
    assert torch.allclose(none, none[0, 0].expand_as(none))
    assert not torch.allclose(alone, none)
    network.silence([0, 1, 2, 3, 4])
    assert torch.allclose(network(x), none, atol=1e-6)


class Stepwise(nn.Module):
    """A cell that is called step by step: silencing cuts its neurons from each other, too."""

    def __init__(self, in_size: int, hidden_size: int, out_size: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(in_size, hidden_size)
        self.readout = nn.Linear(hidden_size, out_size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        sent, outputs = inputs.new_zeros(len(inputs), self.cell.hidden_size), []
        for x in inputs.unbind(1):
            sent = self.cell(x, sent)
            outputs.append(self.readout(sent))
        return torch.stack(outputs, 1)


def test_a_cell_is_masked_at_each_step(lab: ModuleType) -> None:
    lab.steps = network_of_module(Stepwise, hidden="cell")  # type: ignore[attr-defined]
    network = build(condition(lab, "steps")).eval()
    x, mask = torch.randn(4, 6, 2), torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    cell, readout = network.module.cell, network.module.readout  # type: ignore[union-attr]
    sent, expected = torch.zeros(4, 5), []
    for step in x.unbind(1):
        sent = cell(step, sent) * mask  # type: ignore[operator]
        expected.append(readout(sent))  # type: ignore[operator]
    found = forward_replicas([network], x, neuron_masks=mask[None])[0]
    assert torch.allclose(found, torch.stack(expected, 1), atol=1e-6)
    assert network.activity(x).neurons.shape == (4, 6, 5)


def training(own: Condition, seeds: list[int], **changes: Any) -> Training:
    data = TaskData(random_data(TASK, 12).train, random_data(TASK, 6).train)
    settings = TrainingSettings(**{**vars(SETTINGS), **changes})
    return Training(TASK, data, Configuration(own, 6, 2, {"learning_rate": 0.01}), settings, seeds)


def ended(run: Training) -> dict[str, torch.Tensor]:
    while not run.finished:
        run.run_epoch()
    return dict(run.runs[0].network.state_dict())


@pytest.mark.parametrize(("name", "settings"), [("gru", {"noise": 0.1}), ("adaptive", {"width": 0.7})])
def test_resumed_and_in_any_company_a_seed_ends_the_same(
    lab: ModuleType, name: str, settings: dict[str, float]
) -> None:
    own = condition(lab, name, **settings)
    whole = ended(training(own, [3]))
    company = ended(training(own, [3, 4]))
    begun = training(own, [3])
    begun.run_epoch()
    saved = begun.runs[0].checkpoint()
    torch.manual_seed(99)
    resumed = training(own, [3])
    resumed.runs[0].restore(saved)
    again = ended(resumed)
    for key, value in whole.items():
        assert torch.equal(value, company[key]), key
        assert torch.equal(value, again[key]), key
    fresh = training(own, [3]).runs[0].network.state_dict()
    assert any(not torch.equal(value, fresh[key]) for key, value in whole.items())


@pytest.mark.parametrize(("name", "settings"), [("gru", {"layers": 2}), ("adaptive", {"width": 0.7})])
def test_a_kept_network_is_built_again(lab: ModuleType, name: str, settings: dict[str, float], tmp_path: Path) -> None:
    own = condition(lab, name, **settings)
    run = training(own, [3])
    run.run_epoch()
    network, file = run.runs[0].network.eval(), tmp_path / "network.pt"
    tensor_files.save(file, pack(network, TASK, run.configuration))
    back = unpack(tensor_files.load(file), file)
    x = torch.randn(2, 9, TASK.inputs)
    assert torch.equal(back(x), network(x))
    assert back.constants() == network.constants()


def test_a_kept_network_whose_code_is_not_there_says_so(lab: ModuleType, tmp_path: Path) -> None:
    run = training(condition(lab, "gru"), [3])
    stored = pack(run.runs[0].network, TASK, run.configuration)
    stored["values"]["architecture"] = "elsewhere:gru"
    with pytest.raises(InputError, match=r"elsewhere:gru, which cannot be imported"):
        unpack(stored, tmp_path / "network.pt")


def test_a_condition_is_the_same_after_its_record(lab: ModuleType) -> None:
    for own in (condition(lab, "gru", layers=2), condition(lab, "adaptive"), *CONDITIONS.values()):
        assert Condition.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_what_is_typed_of_published_networks_follows_from_their_neurons() -> None:
    """The project's own kinds are known without torch; a definition made of the same neuron says the same."""
    made = NeuronNetworks(glifr(2)).kind
    assert KINDS["GLIFR"].spreads == made.spreads
    assert KINDS["GLIFR"].spreads_heterogeneous == made.spreads_heterogeneous
    assert len(KINDS["GLIFR"].parameters + KINDS["GLIFR"].of_a_current) == len(made.parameters)
    assert KINDS["RNN"].spreads == NeuronNetworks(tanh()).kind.spreads
    for own in CONDITIONS.values():
        assert definition_of(own).published(own)
        assert definition_of(own).kind is own.kind
