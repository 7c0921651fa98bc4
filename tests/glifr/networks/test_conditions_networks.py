"""Networks of the ten conditions: their sizes at one budget, and their starts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from glifr import BNNFC, RNNFC
from glifr.conditions import CONDITIONS
from glifr.definitions import build_network, hidden_size_for_budget, trained_parameters
from glifr.errors import InputError
from glifr.networks import Network


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_condition(name: str, **changes: Any) -> Network:
    arguments: dict[str, Any] = {"in_size": 3, "out_size": 2, "hidden_size": 5, "dt": 0.05, "hyperparameters": {}}
    arguments["delay_steps"] = None if name == "LSTM" else 2
    return build_network(CONDITIONS[name], **{**arguments, "generator": generator(), **changes})


# Sizes


def test_hidden_sizes_at_the_published_budget() -> None:
    budget = trained_parameters(CONDITIONS["RNN"], 28, 10, 256)
    assert budget == 75_530
    found = {name: hidden_size_for_budget(c, 28, 10, budget) for name, c in CONDITIONS.items()}
    published = dict.fromkeys(CONDITIONS, 256) | {"LHetA": 252, "RHetA": 252, "LHet": 255, "RHet": 255, "LSTM": 122}
    assert found == published


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_size_is_the_largest_within_the_budget(name: str) -> None:
    condition = CONDITIONS[name]
    for budget in (100, 999, 12_345):
        size = hidden_size_for_budget(condition, 3, 2, budget)
        assert trained_parameters(condition, 3, 2, size) <= budget < trained_parameters(condition, 3, 2, size + 1)
    least = trained_parameters(condition, 3, 2, 1)
    assert hidden_size_for_budget(condition, 3, 2, least) == 1
    with pytest.raises(InputError, match=name):
        hidden_size_for_budget(condition, 3, 2, least - 1)


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_count_is_that_of_a_built_network(name: str) -> None:
    network = of_condition(name)
    counted = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert network.trained_parameters() == counted == trained_parameters(CONDITIONS[name], 3, 2, 5)


# Building


@pytest.mark.parametrize("name", [n for n, c in CONDITIONS.items() if c.architecture == "GLIFR"])
def test_a_condition_gets_what_it_says(name: str) -> None:
    condition = CONDITIONS[name]
    network = of_condition(name)
    assert isinstance(network, BNNFC)
    assert network.delay_steps == 2
    assert network.neuron_layer.num_ascs == condition.num_ascs
    assert network.neuron_layer.thresh.requires_grad == condition.learned
    assert (network.neuron_layer.thresh == 1).all() == (condition.start == "homogeneous")
    parameters = network.neuron_parameters()
    names = ["thresh", "k_m", "k_j", "r_j", "a_j"][: 5 if condition.num_ascs else 2]
    assert list(parameters) == names
    assert not any(values.requires_grad for values in parameters.values())
    assert parameters["k_m"].mean() == pytest.approx(0.05, rel=0.2)


def test_conditions_share_the_weights_of_a_seed() -> None:
    first = of_condition("Hom")
    for name in ("HomA", "LHetA", "FHet", "RHetA", "RNN"):
        other = of_condition(name)
        shared = ["output_linear.weight", "output_linear.bias", "neuron_layer.weight_lat"]
        for key in shared:
            assert torch.equal(first.state_dict()[key], other.state_dict()[key]), (name, key)


def test_hyperparameters_reach_the_start() -> None:
    spreads = {"weight_spread": 3.0, "neuron_spread": 0.0, "after_spike_spread": 0.0, "learning_rate": 1.0}
    plain, spread = of_condition("RHetA"), of_condition("RHetA", hyperparameters=spreads)
    torch.testing.assert_close(spread.neuron_layer.weight_iv, 3 * plain.neuron_layer.weight_iv)
    assert all((spread.neuron_parameters()[n] == 0).all() for n in ("thresh", "r_j", "a_j"))
    for name in ("RNN", "LSTM"):
        wide = of_condition(name, hyperparameters=spreads)
        for a, b in zip(of_condition(name).neuron_layer.parameters(), wide.neuron_layer.parameters(), strict=True):
            torch.testing.assert_close(3 * a, b)


def test_readout_starts_as_torchs_linear() -> None:
    network = BNNFC(3, 400, 50, generator=generator())
    assert network.output_linear is not None
    for values in network.output_linear.parameters():
        assert 0.95 / 20 < values.abs().max() <= 1 / 20


def test_delay_belongs_to_the_condition() -> None:
    with pytest.raises(InputError, match="delay"):
        of_condition("LSTM", delay_steps=1)
    with pytest.raises(InputError, match="delay_steps"):
        of_condition("LHetA", delay_steps=None)
    with pytest.raises(InputError, match="delay_steps"):
        of_condition("RNN", delay_steps=0)
    for steps in (1, 3, 7, 20, 300):
        assert of_condition("LHetA", delay_steps=steps).delay_steps == steps  # type: ignore[comparison-overlap]


def test_delay_in_steps_is_at_least_one_and_rounded() -> None:
    found = [BNNFC(2, 3, 2, delay=d).delay_steps for d in (0, 0.01, 0.05, 0.12, 0.13, 1.0)]
    assert found == [1, 1, 1, 2, 3, 20]
    assert RNNFC(2, 3, 2, 0.1).delay_steps == 1
    assert RNNFC(2, 3, 2, 0.1, delay=1.0).delay_steps == 10
    network = BNNFC(2, 3, 2)
    network.neuron_layer.dt = 0.1
    assert network.delay_steps == 10
