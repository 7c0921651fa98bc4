"""Whole networks: sequences, dropout, silencing, replicas, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from glifr import BNNFC, LSTMFC, RNNFC
from glifr.errors import InputError
from glifr.networks import Network, forward_replicas

KINDS = [BNNFC, RNNFC, LSTMFC]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(kind: type[Network], seed: int = 0, **settings: Any) -> Network:
    if kind is BNNFC:
        settings = {"delay": 0.15, "hetinit": True, **settings}
    network: Network = kind(3, 5, 2, generator=generator(seed), **settings)  # type: ignore[arg-type, call-arg]
    return network


# Sequences


def test_glifr_sequence_is_the_layer_step_by_step() -> None:
    network = small(BNNFC)
    assert isinstance(network, BNNFC)
    x = torch.randn(4, 8, 3, generator=generator(1))
    layer, readout = network.neuron_layer, network.output_linear
    firing = voltage = synaptic = torch.zeros(4, 5)
    ascurrents = torch.zeros(2, 4, 5)
    fired, wanted = [torch.zeros(4, 5)] * 3, []
    for t in range(8):
        firing, voltage, ascurrents, synaptic = layer(x[:, t], firing, voltage, ascurrents, synaptic, fired[t])
        fired.append(firing)
        assert readout is not None
        wanted.append((readout(firing), voltage, ascurrents, synaptic))
    outputs, voltages, currents, synaptics = network(x, track=True)
    torch.testing.assert_close(network(x), torch.stack([w[0] for w in wanted], 1))
    torch.testing.assert_close(outputs, torch.stack([w[0] for w in wanted], 1))
    torch.testing.assert_close(voltages, torch.stack([w[1] for w in wanted], 1))
    torch.testing.assert_close(currents, torch.stack([w[2] for w in wanted], 2))
    torch.testing.assert_close(synaptics, torch.stack([w[3] for w in wanted], 1))


@pytest.mark.parametrize("delay", [1, 3, 20])
def test_rnn_sequence_is_the_layer_step_by_step(delay: int) -> None:
    network = RNNFC(3, 5, 2, 0.05, delay=0.05 * delay, generator=generator())
    x = torch.randn(4, 8, 3, generator=generator(1))
    hidden = [torch.zeros(4, 5)] * delay
    before = []
    for t in range(8):
        new, preactivation = network.neuron_layer(x[:, t], hidden[-1], hidden[t])
        hidden.append(new)
        before.append(preactivation)
    outputs, preactivations = network(x, track=True)
    assert network.output_linear is not None
    torch.testing.assert_close(outputs, network.output_linear(torch.stack(hidden[delay:], 1)))
    torch.testing.assert_close(network(x), outputs)
    torch.testing.assert_close(preactivations, torch.stack(before, 1))


def test_lstm_is_torchs() -> None:
    network = LSTMFC(3, 5, 2, generator=generator()).double()
    torchs = nn.LSTM(3, 5, batch_first=True).double()
    own = network.neuron_layer.state_dict()
    torchs.load_state_dict({f"{name}_l0": value for name, value in own.items()})
    x = torch.randn(4, 9, 3, generator=generator(1), dtype=torch.float64)
    outputs, hidden, cell = network(x, track=True)
    wanted, (_, last_cell) = torchs(x)
    torch.testing.assert_close(hidden, wanted, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(cell[:, -1], last_cell[0], rtol=1e-12, atol=1e-13)
    assert network.output_linear is not None
    torch.testing.assert_close(outputs, network.output_linear(wanted), rtol=1e-12, atol=1e-13)
    outputs.square().sum().backward()
    network.output_linear(wanted).square().sum().backward()
    for name, parameter in network.neuron_layer.named_parameters():
        torch.testing.assert_close(parameter.grad, getattr(torchs, f"{name}_l0").grad, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_tracked_shapes(kind: type[Network]) -> None:
    found = [tuple(t.shape) for t in small(kind)(torch.randn(4, 7, 3), track=True)]
    states = {BNNFC: [(4, 7, 5), (2, 4, 7, 5), (4, 7, 5)], RNNFC: [(4, 7, 5)], LSTMFC: [(4, 7, 5), (4, 7, 5)]}
    assert found == [(4, 7, 2), *states[kind]]  # type: ignore[index]


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_without_output_weights_the_firing_is_returned(backend: str) -> None:
    with_weights = BNNFC(3, 5, 5, delay=0.1, backend=backend, generator=generator(3))
    network = BNNFC(3, 5, 5, delay=0.1, output_weight=False, backend=backend)
    network.neuron_layer.load_state_dict(with_weights.neuron_layer.state_dict())
    x = torch.randn(2, 6, 3)
    outputs, voltages, *_ = network(x, track=True)
    assert network.output_linear is None
    torch.testing.assert_close(network(x), torch.sigmoid(voltages - network.neuron_layer.thresh))
    assert with_weights.output_linear is not None
    torch.testing.assert_close(with_weights(x), with_weights.output_linear(outputs))
    with pytest.raises(InputError, match="out_size"):
        BNNFC(3, 5, 2, output_weight=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_dict_round_trips(kind: type[Network]) -> None:
    first, second = small(kind, 1), small(kind, 2)
    x = torch.randn(2, 6, 3)
    assert not torch.equal(first(x), second(x))
    first.silence([0])
    second.load_state_dict(first.state_dict())
    first.silence([])
    assert torch.equal(first(x), second(x))


# Silencing and dropout


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("idx", [[1, 3], torch.tensor([1, 3]), (3, 1), torch.tensor([0, 1, 0, 1, 0], dtype=torch.bool)])
def test_silenced_neurons_say_nothing(kind: type[Network], idx: Any) -> None:
    network, x = small(kind), torch.randn(4, 8, 3)
    before = network(x)
    network.silence(idx)
    silenced = network(x)
    assert not torch.allclose(before, silenced)
    with torch.no_grad():
        readout = network.output_linear
        assert readout is not None
        readout.weight[:, [1, 3]] = 1e6  # what they would say cannot matter
        recurrent = dict(network.neuron_layer.named_parameters())
        for name in ("weight_lat", "weight_hh"):
            if name in recurrent:
                target = recurrent[name] if name == "weight_lat" else recurrent[name].T
                target[[1, 3]] = 1e6
    torch.testing.assert_close(network(x), silenced)


@pytest.mark.parametrize("kind", KINDS)
def test_silencing_replaces_and_restores(kind: type[Network]) -> None:
    network, x = small(kind), torch.randn(4, 8, 3)
    before = network(x)
    network.silence([0, 1])
    network.silence(2)
    only_two = network(x)
    fresh = small(kind)
    fresh.silence([2])
    assert torch.equal(only_two, fresh(x))
    network.silence(range(5))
    assert network.output_linear is not None
    torch.testing.assert_close(network(x), network.output_linear.bias.expand(4, 8, 2))
    network.silence([])
    assert torch.equal(network(x), before)


@pytest.mark.parametrize("idx", [[5], [-1], [0, 7], [0.5], torch.ones(4, dtype=torch.bool)])
def test_indices_of_no_neuron_are_refused(idx: Any) -> None:
    network = small(BNNFC)
    with pytest.raises(InputError, match="no such neurons"):
        network.silence(idx)
    assert network.neuron_mask is None


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_drawn_in_training_alone(kind: type[Network]) -> None:
    network, plain, x = small(kind, dropout_prob=0.5), small(kind), torch.randn(4, 8, 3)
    network.eval()
    assert torch.equal(network(x), plain(x))
    network.train()
    network.dropout_generator = generator(1)
    first = network(x)
    assert not torch.allclose(first, plain(x))
    assert not torch.equal(network(x), first)
    network.dropout_generator = generator(1)
    assert torch.equal(network(x), first)
    torch.manual_seed(0)
    network.dropout_generator = None
    assert not torch.equal(network(x), first)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_of_all_leaves_the_bias(kind: type[Network]) -> None:
    network = small(kind, dropout_prob=1.0)
    assert network.output_linear is not None
    torch.testing.assert_close(network(torch.randn(4, 8, 3)), network.output_linear.bias.expand(4, 8, 2))


def test_dropout_masks_are_scaled_and_differ_by_step_sample_and_neuron() -> None:
    network = BNNFC(3, 50, 2, dropout_prob=0.25)
    network.dropout_generator = generator()
    mask = network.draw_dropout(40, 30, torch.zeros(1))
    assert mask is not None
    assert mask.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert mask.mean() == pytest.approx(1, abs=0.01)
    for dim in range(3):
        assert (mask.select(dim, 0) != mask.select(dim, 1)).any()


def test_dropout_is_the_same_for_both_backends() -> None:
    outputs = []
    for backend in ("reference", "torch"):
        network = small(BNNFC, dropout_prob=0.4, backend=backend).double()
        network.dropout_generator = generator(1)
        network.silence([2])
        outputs.append(network(torch.ones(4, 8, 3, dtype=torch.float64)))
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-13)


# Replicas


def replicas(kind: type[Network], shared: bool, readout: Any = "all") -> None:
    """Three networks at once against each alone: outputs and all gradients."""
    dtype = torch.float64
    networks = [small(kind, seed, dropout_prob=0.3).to(dtype) for seed in range(3)]
    networks[1].silence([0])
    masks = torch.ones(3, 5)
    masks[2, 4] = 0
    x = torch.randn(*(() if shared else (3,)), 4, 8, 3, generator=generator(9), dtype=dtype)

    def run(chosen: list[int]) -> tuple[Tensor, list[Tensor]]:
        for seed, network in enumerate(networks):
            network.zero_grad()
            network.dropout_generator = generator(100 + seed)
        inputs = x if shared else x[chosen]
        outputs = forward_replicas([networks[i] for i in chosen], inputs, readout=readout, neuron_masks=masks[chosen])
        outputs.sin().sum().backward()
        return outputs.detach(), [p.grad for i in chosen for p in networks[i].parameters() if p.grad is not None]

    together, gradients = run([0, 1, 2])
    assert together.shape == ((3, 4, 8, 2) if readout == "all" else (3, 4, 2))
    alone = [run([i]) for i in range(3)]
    again = [run([i]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat([outputs for outputs, _ in alone]), rtol=1e-11, atol=1e-12)
    for found, wanted in zip(gradients, [g for _, gs in alone for g in gs], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)
    for (a, gs), (b, hs) in zip(alone, again, strict=True):
        assert torch.equal(a, b)
        assert all(torch.equal(g, h) for g, h in zip(gs, hs, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("readout", ["all", "last"])
def test_replicas_are_computed_as_if_alone(kind: type[Network], shared: bool, readout: str) -> None:
    replicas(kind, shared, readout)


@pytest.mark.parametrize("kind", KINDS)
def test_last_readout_is_the_last_of_all(kind: type[Network]) -> None:
    network, x = small(kind), torch.randn(4, 8, 3)
    torch.testing.assert_close(forward_replicas([network], x, readout="last")[0], network(x)[:, -1])
    assert torch.equal(forward_replicas([network], x)[0], network(x))


@pytest.mark.parametrize("kind", KINDS)
def test_one_network_under_many_masks(kind: type[Network]) -> None:
    network, x = small(kind), torch.randn(4, 8, 3)
    masks = torch.ones(3, 5)
    masks[1, 2] = masks[2, :4] = 0
    together = forward_replicas([network] * 3, x, readout="last", neuron_masks=masks)
    for outputs, mask in zip(together, masks, strict=True):
        network.silence(mask == 0)
        torch.testing.assert_close(outputs, network(x)[:, -1])
        network.silence([])


def test_networks_that_are_not_alike_are_refused() -> None:
    x = torch.randn(2, 4, 3)
    first = small(BNNFC)
    others = [small(RNNFC), BNNFC(3, 6, 2), small(BNNFC, delay=0.1), small(BNNFC, sigma_v=2.0), small(BNNFC).eval()]
    for other in others:
        with pytest.raises(InputError, match="alike"):
            forward_replicas([first, other], x)
    with pytest.raises(InputError, match="no network"):
        forward_replicas([], x)
    with pytest.raises(InputError, match="one input per network"):
        forward_replicas([first, first], torch.randn(3, 2, 4, 3))
    with pytest.raises(InputError, match="neuron_masks"):
        forward_replicas([first, first], x, neuron_masks=torch.ones(1, 5))


# Refusals


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wrong", [{"dt": True}, {"dt": 0.0}, {"hid_size": 0}, {"out_size": 2.5}, {"dropout_prob": 1.5}]
)
def test_arguments_that_cannot_be_meant_are_refused(kind: type[Network], wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError) as caught:
        kind(**{"in_size": 3, "hid_size": 5, "out_size": 2, **wrong})  # type: ignore[arg-type]
    assert name.replace("hid_size", "h") in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("kind", [BNNFC, RNNFC])
@pytest.mark.parametrize("delay", [True, -1.0, math.nan, "1"])
def test_delays_that_cannot_be_meant_are_refused(kind: type[Network], delay: Any) -> None:
    with pytest.raises(InputError, match="delay"):
        small(kind, delay=delay)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 8, 2), (8, 2), (3,), (4, 0, 3), (0, 3), (1, 4, 8, 3)])
@pytest.mark.parametrize("track", [True, False])
def test_inputs_that_do_not_fit_are_refused(kind: type[Network], shape: tuple[int, ...], track: bool) -> None:
    with pytest.raises(InputError, match="inputs") as caught:
        small(kind)(torch.zeros(shape), track=track)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize("wrong", [torch.zeros(4, 8, 3, dtype=torch.int64), torch.zeros(4, 8, 3, device="meta")])
def test_inputs_of_another_kind_are_refused(kind: type[Network], wrong: Tensor, track: bool) -> None:
    with pytest.raises(InputError, match="inputs must have the number type and device of the network"):
        small(kind)(wrong, track=track)
