"""Fits of single neurons, and whether their data could tell their parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from glifr.characterise.fitting import fit, identifiability
from glifr.errors import InputError
from glifr.networks import BNNFC, RNNFC

pytestmark = pytest.mark.filterwarnings("ignore:.*portable engine")


def inputs(steps: int = 40) -> Tensor:
    levels = torch.rand(4, steps // 10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return levels.repeat_interleave(10, 1).unsqueeze(2)


def neuron(num_ascs: int = 1, seed: int = 0, **settings: Any) -> BNNFC:
    generator = torch.Generator().manual_seed(seed)
    network = BNNFC(
        1,
        1,
        1,
        output_weight=False,
        num_ascs=num_ascs,
        generator=generator,
        dtype=torch.float64,
        **{"delay": 0.1, "R": 40.0, "tau": 0.25, **settings},
    )
    with torch.no_grad():
        network.neuron_layer.weight_iv.fill_(0.8)
        network.neuron_layer.a_j.fill_(-1.0)
        network.neuron_layer.trans_r_j.fill_(0.5)
    return network


def test_a_fit_finds_the_neuron_that_gave_the_outputs() -> None:
    true, near, far = neuron(), neuron(), neuron()
    with torch.no_grad():
        targets = true(inputs())
        for network, step in ((near, 0.02), (far, 0.1)):
            for parameter in network.neuron_layer.parameters():
                parameter.add_(step)
    losses = fit([near, far], inputs(), targets, 25)
    assert (losses < 1e-15).all()
    for network in (near, far):
        for name, value in true.neuron_parameters().items():
            torch.testing.assert_close(network.neuron_parameters()[name], value, rtol=1e-3, atol=0)


def test_what_is_not_trained_stays() -> None:
    true, other = neuron(), neuron(learnparams=["thresh"])
    with torch.no_grad():
        targets = true(inputs())
        other.neuron_layer.thresh.add_(0.2)
    rates = other.neuron_parameters()["k_m"]
    fit([other], inputs(), targets, 30)
    torch.testing.assert_close(other.neuron_layer.thresh, true.neuron_layer.thresh, rtol=1e-6, atol=0)
    assert torch.equal(other.neuron_parameters()["k_m"], rates)


def test_the_loss_of_a_wrong_value_is_that_of_the_best_fit_of_all_others() -> None:
    """Beside what a fit itself finds, with one value held wrong by a share that is small enough to be linear."""
    share, x = 1e-3, inputs()
    true = neuron(0)
    told = identifiability(true, x, share)
    wrong = neuron(0)
    with torch.no_grad():
        targets = true(x)
        wrong.neuron_layer.thresh.mul_(1 + share)
    wrong.neuron_layer.thresh.requires_grad_(False)
    (loss,) = fit([wrong], x, targets, 12).tolist()
    assert float(told.losses["thresh"]) == pytest.approx(loss, rel=0.02)
    assert set(told.losses) == {"weight_iv", "weight_lat", "thresh", "k_m"}


def test_what_changes_no_output_cannot_be_told() -> None:
    weak, strong = (identifiability(neuron(R=R), inputs()) for R in (1e-4, 40.0))
    assert weak.condition > 100 * strong.condition
    assert float(weak.losses["a_j"]) < 1e-6 * float(strong.losses["a_j"])
    alike = neuron(2)  # two currents of the same parameters
    with torch.no_grad():
        alike.neuron_layer.trans_k_j.fill_(-2.0)
    assert identifiability(alike, inputs()).condition > 1e10


def test_rnns_are_fitted_too() -> None:
    generator = torch.Generator().manual_seed(0)
    true = RNNFC(1, 2, 2, output_weight=False, generator=generator, dtype=torch.float64)
    found = RNNFC(1, 2, 2, output_weight=False, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        targets = true(inputs())
    assert fit([found], inputs(), targets, 60).item() < 1e-12


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="targets have the shape"):
        fit([neuron()], inputs(), torch.zeros(4, 59, 1))
    with pytest.raises(InputError, match="output_weight=False"):
        identifiability(BNNFC(1, 1, 1), inputs())
    with pytest.raises(InputError, match="iterations"):
        fit([neuron()], inputs(), torch.zeros(4, 40, 1), 0)
