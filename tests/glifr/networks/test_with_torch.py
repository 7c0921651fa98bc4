"""Networks among torch's own tools: compile, export, torch.func, double backward, autocast, state dicts and others."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from small_networks import BACKENDS, HIDDEN, KINDS, OUTPUTS, gradients, sequences, small, worst
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrize

from glifr.engine import notes
from glifr.errors import InputError
from glifr.networks import BNNFC, Network
from glifr.networks.layers import GLIFR

STEPS = 9


@pytest.fixture(autouse=True)
def portable_engine_is_told_once_a_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(notes, "_told", set())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*portable engine", category=RuntimeWarning)
        yield


# torch.compile and torch.export


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_networks_give_the_same_bits_at_once(kind: str) -> None:
    import torch._dynamo
    import torch._inductor.compile_fx  # what any first compilation loads

    network, x = small(kind), sequences(3, STEPS)
    plain, state = network(x, return_state=True)
    network(x, state).sum().backward()
    wanted = gradients(network)
    begin = time.process_time()
    compiled = torch.compile(network)
    assert torch.equal(compiled(x), plain)
    assert time.process_time() - begin < 5
    out, after = compiled(x, return_state=True)
    assert torch.equal(out, plain)
    assert torch.equal(after.sent, state.sent)
    compiled(x, state).sum().backward()
    assert all(torch.equal(g, w) for g, w in zip(gradients(network), wanted, strict=True))


def test_what_is_around_a_network_is_compiled() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.network, self.after = nn.Linear(3, 3), small("glifr 2"), nn.Linear(OUTPUTS, 4)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.after(self.network(self.before(x).relu())).relu()
            return found

    graphs: list[Any] = []
    model, x = Around(), sequences(3, STEPS)
    compiled = torch.compile(model, backend=lambda graph, _: graphs.append(graph) or graph)  # type: ignore[func-returns-value]
    assert torch.equal(compiled(x), model(x))
    assert len(graphs) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_exported_networks_take_any_batch_and_are_torchs_operations_alone(kind: str) -> None:
    network, x = small(kind, dropout_prob=0.5).eval(), sequences(3, STEPS)
    network.silence([1])
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert {str(node.target).split(".")[0] for node in program.graph.nodes if node.op == "call_function"} == {
        "aten",
        "<built-in function getitem>",
    }
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    other = sequences(5, STEPS, seed=4)
    torch.testing.assert_close(loaded(other), network(other))


@pytest.mark.parametrize("kind", KINDS)
def test_exported_networks_take_a_state_and_lengths(kind: str) -> None:
    network, x, lengths = small(kind), sequences(3, STEPS), torch.tensor([9, 1, 4])
    state = network(x, return_state=True)[1].detach()
    program = torch.export.export(network, (x, state), {"return_state": True})
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    outputs, after = torch.export.load(file).module()(x, state, return_state=True)
    wanted, last = network(x, state, return_state=True)
    torch.testing.assert_close(outputs, wanted)
    torch.testing.assert_close(after.sent, last.sent)
    padded = torch.export.export(network, (x,), {"lengths": lengths}).module()
    torch.testing.assert_close(padded(x, lengths=lengths.flip(0)), network(x, lengths=lengths.flip(0)))


def test_strict_export_is_refused_with_the_way_that_works() -> None:
    network, x = small("glifr 2"), sequences(3, STEPS)
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"torch\.export takes it with strict=False"):
        torch.export.export(network, (x,), strict=True)
    torch.testing.assert_close(torch.export.export(network, (x,), strict=False).module()(x), network(x))


# Derivatives


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_each_sample_by_torch_func(kind: str) -> None:
    network, x = small(kind), sequences(4, STEPS)

    def loss(parameters: dict[str, Tensor], own: Tensor) -> Tensor:
        found: Tensor = functional_call(network, parameters, (own,)).square().sum()
        return found

    named = {name: p.detach() for name, p in network.named_parameters() if p.numel()}
    with pytest.warns(RuntimeWarning, match="torch.func runs networks on the portable engine"):
        each = vmap(grad(loss), in_dims=(None, 0))(named, x)
    with warnings.catch_warnings():  # once
        warnings.simplefilter("error")
        vmap(grad(loss), in_dims=(None, 0))(named, x)
    for sample in range(4):
        network(x[sample]).square().sum().backward()
        assert worst([g[sample] for g in each.values()], gradients(network)) <= 2e-6


def test_a_compiled_backend_is_not_switched_silently() -> None:
    network, x = small("rnn", "cpu"), sequences(4, STEPS)
    with pytest.raises(InputError, match=r"cannot run within torch\.func"):
        grad(lambda x: network(x).sum())(x)
    with pytest.raises(InputError, match=r"cannot run within torch\.export"):
        torch.export.export(network, (x,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("goes_on", [False, True])
def test_gradients_are_differentiated_again(kind: str, backend: str, goes_on: bool) -> None:
    def twice(network: Network, x: Tensor) -> list[Tensor]:
        network.silence([2])
        state = network(x, return_state=True)[1] if goes_on else None  # whose parts depend on each other
        leaves = [x, *(p for p in network.parameters() if p.numel())]
        first = torch.autograd.grad(network(x, state).square().sum(), leaves, create_graph=True)
        second = torch.autograd.grad(torch.stack([g.square().sum() for g in first]).sum(), leaves)
        return [*(g.detach() for g in first), *second]

    x = sequences(3, STEPS)
    found = twice(small(kind, backend), x.clone().requires_grad_())
    wanted = twice(small(kind, "reference").double(), x.double().requires_grad_())
    assert worst(found, wanted) <= 3e-6


def test_double_backward_is_told_once() -> None:
    network, x = small("rnn", "cpu"), sequences(3, STEPS).requires_grad_()
    with pytest.warns(RuntimeWarning, match="gradients that are differentiated again come from the portable engine"):
        torch.autograd.grad(network(x).sum(), x, create_graph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.autograd.grad(network(x).sum(), x, create_graph=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parametrized_weights_are_what_is_computed_with(backend: str) -> None:
    class NoSelf(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight * (1 - torch.eye(len(weight)))

    network, x = small("glifr 2", backend), sequences(3, 3 * STEPS)
    parametrize.register_parametrization(network.neuron_layer, "weight_lat", NoSelf())
    by_hand = small("glifr 2", backend)
    with torch.no_grad():
        by_hand.neuron_layer.weight_lat.fill_diagonal_(0)  # type: ignore[operator, union-attr]
    assert torch.equal(network(x), by_hand(x))
    network(x).sum().backward()
    original = network.neuron_layer.parametrizations.weight_lat.original  # type: ignore[union-attr]
    assert (original.grad.diagonal() == 0).all()
    assert (original.grad != 0).any()


# Autocast and number types


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_autocast_leaves_the_recurrence_and_takes_the_readout(kind: str, backend: str) -> None:
    network, x, linear = small(kind, backend), sequences(3, STEPS), nn.Linear(3, 3)
    plain, state = network(x, return_state=True)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, after = network(x, return_state=True)
        halved = linear(x)
        network(halved).float().sum().backward()
    assert torch.equal(after.sent, state.sent)
    assert after.sent.dtype == torch.float32
    assert outputs.dtype == halved.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), plain, atol=0.03, rtol=0.03)
    assert linear.weight.grad is not None


@pytest.mark.parametrize("kind", KINDS)
def test_device_and_dtype_are_those_of_torchs_layers(kind: str) -> None:
    network, x = small(kind, dtype=torch.float64), sequences(3, STEPS, dtype=torch.float64)
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    torch.testing.assert_close(network(x), small(kind).double()(x))
    assert {p.device.type for p in small(kind, device="meta").parameters()} == {"meta"}
    with pytest.raises(InputError, match="no such device"):
        small(kind, device="tpu of mine")
    with pytest.raises(InputError, match="dtype"):
        small(kind, dtype=torch.int64)
    half = small(kind, dtype=torch.bfloat16)
    torch.testing.assert_close(half(x.bfloat16()).double(), network(x), atol=0.1, rtol=0.1)


def test_layers_alone_take_them_too() -> None:
    assert GLIFR(3, 5, dtype=torch.float64).thresh.dtype == torch.float64


# What a network shows and stores


def test_repr_tells_sizes_and_settings() -> None:
    network = BNNFC(28, 252, 10, dropout_prob=0.2, sigma_v=0.5, learnparams=["thresh"])
    network.silence([3, 17])
    text = repr(network)
    assert "28, 252, 10, delay=1 ms (20 steps), backend='auto', dropout_prob=0.2, silenced=2 of 252" in text
    assert "GLIFR(28, 252, num_ascs=2, dt=0.05 ms, sigma_v=0.5, fixed: trans_k_m trans_k_j trans_r_j a_j)" in text
    assert "delay=0.2 ms (4 steps)" in repr(small("rnn"))
    assert "delay" not in repr(small("lstm"))


@pytest.mark.parametrize("kind", KINDS)
def test_silencing_is_stored_if_asked_for(kind: str) -> None:
    network, other, x = small(kind), small(kind, seed=1), sequences(3, STEPS)
    network.silence([0, 4], persistent=True)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), network(x))
    wrapped = nn.Sequential(small(kind, seed=2))
    wrapped.load_state_dict({f"0.{name}": value for name, value in network.state_dict().items()})
    assert torch.equal(wrapped(x), network(x))
    other.silence([])
    assert "neuron_mask" not in other.state_dict()
    other.silence([1])
    assert "neuron_mask" not in other.state_dict()
    with pytest.raises(RuntimeError, match="neuron_mask"):
        small(kind).load_state_dict({**network.state_dict(), "neuron_mask": torch.ones(HIDDEN + 1)})
