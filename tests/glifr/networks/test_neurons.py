"""One step of a layer, its settings and its starts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from glifr import GLIFR, RNNC
from glifr.errors import InputError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def zero_state(layer: GLIFR, batch: int) -> tuple[torch.Tensor, ...]:
    h = layer.hidden_size
    return torch.zeros(batch, h), torch.zeros(batch, h), torch.zeros(layer.num_ascs, batch, h), torch.zeros(batch, h)


def test_one_step_is_the_equation_by_hand() -> None:
    layer = GLIFR(1, 1, 1, dt=0.1, tau=0.2, sigma_v=0.5, R=0.3, I0=0.4, v_reset=-0.2).double()
    with torch.no_grad():
        layer.weight_iv.fill_(0.7)
        layer.weight_lat.fill_(-0.6)
        layer.thresh.fill_(0.9)
        layer.trans_k_m.fill_(math.log(0.2 / 0.8))  # dt k_m = 0.2
        layer.trans_k_j.fill_(math.log(0.3 / 0.7))  # dt k_j = 0.3
        layer.trans_r_j.fill_(math.log((1 - 0.5) / (1 + 0.5)))  # r = 0.5
        layer.a_j.fill_(0.25)
    one = torch.ones(1, 1, dtype=torch.float64)
    found = layer(2 * one, 0.6 * one, 1.1 * one, 0.8 * one.unsqueeze(0), one, 0.3 * one)
    synaptic = 2 * 0.7 + 0.3 * -0.6
    asc = 0.5 * 0.6 * (0.5 * 0.8 + 0.25) + (1 - 0.3) * 0.8
    voltage = synaptic + 0.2 * 0.3 * (asc + 0.4) + (1 - 0.2) * 1.1 - 0.5 * 0.6 * (1.1 + 0.2)
    firing = 1 / (1 + math.exp(-(voltage - 0.9) / 0.5))
    assert [v.item() for v in found] == pytest.approx([firing, voltage, asc, synaptic], rel=1e-12)
    assert layer.k_m.item() == pytest.approx(2.0)
    assert layer.k_j.item() == pytest.approx(3.0)
    assert layer.r_j.item() == pytest.approx(0.5)


def test_delayed_firing_is_by_default_that_of_the_last_step() -> None:
    layer = GLIFR(2, 3, generator=generator())
    _, voltage, ascurrents, synaptic = zero_state(layer, 4)
    x, firing = torch.randn(4, 2), torch.rand(4, 3)
    default = layer(x, firing, voltage, ascurrents, synaptic)
    for a, b in zip(default, layer(x, firing, voltage, ascurrents, synaptic, firing), strict=True):
        assert torch.equal(a, b)
    other = layer(x, firing, voltage, ascurrents, synaptic, torch.zeros(4, 3))
    assert not torch.equal(default[3], other[3])


def test_shapes_and_what_is_trained() -> None:
    shapes = {
        "weight_iv": (2, 5),
        "weight_lat": (5, 5),
        "thresh": (1, 5),
        "trans_k_m": (1, 5),
        "trans_k_j": (3, 1, 5),
        "trans_r_j": (3, 1, 5),
        "a_j": (3, 1, 5),
    }
    learned, fixed = GLIFR(2, 5, 3), GLIFR(2, 5, 3, learnparams=False)
    assert {name: tuple(p.shape) for name, p in learned.named_parameters()} == shapes
    assert all(p.requires_grad for p in learned.parameters())
    assert [name for name, p in fixed.named_parameters() if p.requires_grad] == ["weight_iv", "weight_lat"]
    assert fixed.state_dict().keys() == shapes.keys()
    assert GLIFR(2, 5, 3, ascs=False).num_ascs == GLIFR(2, 5, 0).num_ascs == 0


@pytest.mark.parametrize("dt", [0.05, 1.0])
def test_homogeneous_start(dt: float) -> None:
    layer = GLIFR(2, 4000, dt=dt, generator=generator())
    assert (layer.thresh == 1).all()
    torch.testing.assert_close(layer.k_m, torch.full((1, 4000), 0.05))
    torch.testing.assert_close(layer.k_j, torch.full((2, 1, 4000), 0.1 / dt))
    for values in (layer.r_j, layer.a_j):
        assert 0.0099 < values.abs().max() <= 0.01
        assert abs(values.mean()) < 0.0005


@pytest.mark.parametrize("dt", [0.05, 0.5])
def test_heterogeneous_start(dt: float) -> None:
    layer = GLIFR(2, 4000, hetinit=True, dt=dt, generator=generator())
    bounds = {
        "thresh": (-1, 1),
        "k_m": (0.04, 0.06),
        "k_j": (0.075 / dt, 0.125 / dt),
        "r_j": (-0.1, 0.1),
        "a_j": (-0.1, 0.1),
    }
    for name, (low, high) in bounds.items():
        values, width = getattr(layer, name), high - low
        assert low - 1e-5 <= values.min() < low + 0.01 * width, name
        assert high - 0.01 * width < values.max() <= high + 1e-5, name
        assert abs(values.mean() - (low + high) / 2) < 0.02 * width, name


def test_spreads_multiply_half_widths() -> None:
    wide = GLIFR(2, 4000, hetinit=True, weight_spread=2, neuron_spread=3, after_spike_spread=0.5, generator=generator())
    assert wide.weight_iv.abs().max().item() == pytest.approx(2 / math.sqrt(4000), rel=1e-2)
    assert wide.thresh.abs().max().item() == pytest.approx(3, rel=1e-2)
    assert wide.k_m.max().item() == pytest.approx(0.08, rel=1e-2)
    assert wide.k_j.min().item() == pytest.approx(0.5, rel=2e-2)
    assert wide.a_j.abs().max().item() == pytest.approx(0.05, rel=1e-2)
    assert wide.r_j.abs().max().item() == pytest.approx(0.05, rel=1e-2)
    narrow = GLIFR(2, 8, hetinit=True, neuron_spread=0, after_spike_spread=0)
    assert (narrow.thresh == 0).all()
    assert (narrow.a_j == 0).all()


def test_wide_starts_are_clipped_to_legal_values() -> None:
    layer = GLIFR(2, 5000, hetinit=True, neuron_spread=40, after_spike_spread=30, generator=generator())
    assert layer.k_m.min() > 0
    assert layer.k_m.max().item() == pytest.approx(0.45, rel=1e-2)
    assert layer.k_j.min() > 0
    assert layer.k_j.max() < 1 / layer.dt
    assert layer.r_j.abs().max() < 1
    assert all(torch.isfinite(p).all() for p in layer.parameters())


@pytest.mark.parametrize(("dt", "hetinit"), [(20.0, False), (17.0, True), (25.0, True)])
def test_start_outside_the_legal_interval_is_refused(dt: float, hetinit: bool) -> None:
    with pytest.raises(InputError, match="dt k_m must lie between 0 and 1"):
        GLIFR(2, 3, dt=dt, hetinit=hetinit)
    GLIFR(2, 3, dt=16.0, hetinit=True)


def test_one_seed_gives_one_start_and_the_same_weights_whatever_the_neurons() -> None:
    first = GLIFR(3, 6, generator=generator(7))
    again = GLIFR(3, 6, generator=generator(7))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    for other in (GLIFR(3, 6, hetinit=True, generator=generator(7)), GLIFR(3, 6, 0, generator=generator(7))):
        assert torch.equal(other.weight_iv, first.weight_iv)
        assert torch.equal(other.weight_lat, first.weight_lat)
    assert torch.equal(RNNC(3, 6, generator=generator(7)).weight_lat, first.weight_lat)
    assert not torch.equal(GLIFR(3, 6, generator=generator(8)).weight_iv, first.weight_iv)


def test_a_generator_of_its_own_leaves_the_global_one_alone() -> None:
    before = torch.random.get_rng_state()
    GLIFR(3, 6, hetinit=True, generator=generator())
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    first = GLIFR(3, 6)
    torch.manual_seed(4)
    assert torch.equal(GLIFR(3, 6).weight_iv, first.weight_iv)


def test_the_start_does_not_depend_on_the_default_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        exact = GLIFR(3, 6, hetinit=True, generator=generator())
    finally:
        torch.set_default_dtype(torch.float32)
    for name, value in GLIFR(3, 6, hetinit=True, generator=generator()).state_dict().items():
        torch.testing.assert_close(exact.state_dict()[name].float(), value, rtol=1e-6, atol=1e-7)


def test_settings_may_change_later_and_are_checked() -> None:
    layer = GLIFR(2, 3, dt=0.05)
    assert layer.tau == 0.05
    stored = layer.trans_k_m.detach().clone()
    layer.dt = 0.1
    assert layer.tau == 0.1
    assert torch.equal(layer.trans_k_m, stored)
    torch.testing.assert_close(layer.k_m, torch.full((1, 3), 0.025))
    layer.tau = 0.4
    layer.sigma_v, layer.R, layer.I0, layer.v_reset = 2, 0.5, -1.0, 0.3
    assert layer.constants == (0.25, 2.0, 0.5, -1.0, 0.3)
    wrong: list[tuple[str, Any]] = [("dt", 0), ("tau", True), ("sigma_v", 0.0), ("R", "1"), ("I0", math.nan)]
    for name, value in wrong:
        with pytest.raises(InputError, match=name):
            setattr(layer, name, value)
    with pytest.raises(AttributeError):
        layer.k_m = torch.ones(1, 3)  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_size": 0},
        {"hidden_size": 2.0},
        {"hidden_size": True},
        {"num_ascs": -1},
        {"dt": True},
        {"dt": -0.05},
        {"dt": math.inf},
        {"tau": 0.0},
        {"weight_spread": -1},
        {"neuron_spread": math.nan},
        {"after_spike_spread": "1"},
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(InputError) as caught:
        GLIFR(**{"input_size": 2, "hidden_size": 3, "hetinit": True, **wrong})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "shape"),
    [
        ("x", (4, 3)),
        ("x", (2,)),
        ("firing", (4, 2)),
        ("voltage", (3, 3)),
        ("ascurrents", (1, 4, 3)),
        ("syncurrent", (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(argument: str, shape: tuple[int, ...]) -> None:
    layer = GLIFR(2, 3)
    firing, voltage, ascurrents, synaptic = zero_state(layer, 4)
    good = {
        "x": torch.zeros(4, 2),
        "firing": firing,
        "voltage": voltage,
        "ascurrents": ascurrents,
        "syncurrent": synaptic,
    }
    layer(**good)
    with pytest.raises(InputError, match=argument) as caught:
        layer(**{**good, argument: torch.zeros(shape)})
    assert str(shape) in str(caught.value)


def test_rnn_step() -> None:
    layer = RNNC(2, 3, generator=generator())
    assert [tuple(p.shape) for p in layer.parameters()] == [(2, 3), (3, 3), (1, 3)]
    assert all(0 < p.abs().max() <= 1 / math.sqrt(3) for p in layer.parameters())
    x, hidden, delayed = torch.randn(4, 2), torch.randn(4, 3), torch.randn(4, 3)
    new, before = layer(x, hidden, delayed)
    torch.testing.assert_close(before, x @ layer.weight_ih + delayed @ layer.weight_lat + layer.bias)
    assert torch.equal(new, torch.tanh(before))
    assert torch.equal(layer(x, hidden)[0], layer(x, delayed, hidden)[0])
    with pytest.raises(InputError, match="hidden_delayed"):
        layer(x, hidden, delayed[:, :2])
