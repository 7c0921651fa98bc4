"""State in and out: a sequence in parts gives what the whole gives, on every backend and for every kind of network."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from small_networks import BACKENDS, DELAY, HIDDEN, INPUTS, KINDS, gradients, sequences, small, worst
from torch import Tensor

from glifr.errors import InputError
from glifr.networks import BNNFC, Network
from glifr.networks.state import NetworkState

STEPS = 3 * DELAY + 2
EXACT = {torch.float32: 1e-6, torch.float64: 1e-12}  # relative
SPLITS = [(DELAY, 2 * DELAY), (1,), (DELAY + 1, DELAY + 2, 3 * DELAY), (STEPS - 1,)]
CASES = [(kind, backend, torch.float32) for kind in KINDS for backend in BACKENDS]
CASES += [(kind, backend, torch.float64) for kind in KINDS for backend in ("reference", "torch")]


def in_parts(network: Network, x: Tensor, cuts: tuple[int, ...], **each: Any) -> tuple[Tensor, NetworkState]:
    """Outputs and last state of x cut before these steps."""
    outputs, state = [], None
    for part in x.tensor_split(cuts, -2):
        out, state = network(part, state, return_state=True, **each)
        outputs.append(out)
    assert state is not None
    return torch.cat(outputs, -2), state


def tensors(outputs: Tensor, state: NetworkState) -> list[Tensor]:
    return [t for t in (outputs, state.sent, *state.neurons.values()) if t.numel()]


def loss(found: list[Tensor]) -> Tensor:
    return torch.stack([t.sin().square().sum() for t in found]).sum()


@pytest.mark.parametrize(("kind", "backend", "dtype"), CASES)
@pytest.mark.parametrize("cuts", SPLITS)
def test_parts_give_what_the_whole_gives(kind: str, backend: str, dtype: torch.dtype, cuts: tuple[int, ...]) -> None:
    network, x = small(kind, backend).to(dtype), sequences(5, STEPS, dtype=dtype).requires_grad_()
    whole = tensors(*network(x, return_state=True))
    loss(whole).backward()
    wanted = [*gradients(network), x.grad]
    x.grad = None
    parts = tensors(*in_parts(network, x, cuts))
    loss(parts).backward()
    assert worst([t.detach() for t in parts], [t.detach() for t in whole]) <= EXACT[dtype]
    assert worst([*gradients(network), x.grad], wanted) <= EXACT[dtype]  # type: ignore[list-item]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "delay", "steps"), [(5, DELAY, 14), (37, 20, 70), (1, 1, 9), (33, 300, 620)])
def test_parts_cut_at_multiples_of_the_delay_have_the_bits_of_the_whole(
    kind: str, batch: int, delay: int, steps: int
) -> None:
    network = small(kind, "cpu")
    if hasattr(network, "delay"):
        network.delay = 0.05 * delay
    x = sequences(batch, steps)
    with torch.no_grad():
        whole = tensors(*network(x, return_state=True))
        for cuts in [(delay,), tuple(range(delay, steps, delay)), (delay * ((steps - 1) // delay),)]:
            parts = tensors(*in_parts(network, x, cuts))
            assert all(torch.equal(p, w) for p, w in zip(parts, whole, strict=True))
    assert whole[0].isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_streaming_step_by_step(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(2, STEPS)
    with torch.no_grad():
        streamed, state = in_parts(network, x, tuple(range(1, STEPS)))
        whole, last = network(x, return_state=True)
    assert worst(tensors(streamed, state), tensors(whole, last)) <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_detached_state_cuts_the_gradient(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(2, 2 * DELAY).requires_grad_()
    _, state = network(x[:, :DELAY], return_state=True)
    network(x[:, DELAY:], state.detach()).sum().backward()
    assert x.grad is not None
    assert (x.grad[:, :DELAY] == 0).all()
    assert (x.grad[:, DELAY:] != 0).any()


def test_the_state_is_that_of_the_neurons() -> None:
    network, x = small("glifr 2"), sequences(2, STEPS)
    assert isinstance(network, BNNFC)
    outputs, voltages, currents, _, state = network(x, track=True, return_state=True)
    torch.testing.assert_close(state.neurons["voltage"], voltages[:, -1])
    torch.testing.assert_close(state.neurons["ascurrents"], currents[:, :, -1])
    layer = network.neuron_layer
    fired = torch.sigmoid((voltages[:, -DELAY:] - layer.thresh) / layer.sigma_v)
    torch.testing.assert_close(state.sent, fired)
    assert torch.equal(outputs, network(x))


@pytest.mark.parametrize("kind", KINDS)
def test_tracked_states_go_on_too(kind: str) -> None:
    network, x = small(kind).double(), sequences(2, STEPS, dtype=torch.float64)
    whole = network(x, track=True)
    _, state = network(x[:, :5], return_state=True)
    for part, tensor in zip(network(x[:, 5:], state, track=True), whole, strict=True):
        torch.testing.assert_close(part, tensor[..., 5:, :], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_are_where_a_sequence_begins(kind: str) -> None:
    network, x = small(kind), sequences(2, STEPS)
    assert torch.equal(network(x, network.zero_state(2)), network(x))
    assert torch.equal(network(x[0], network.zero_state()), network(x[0]))
    other = network.zero_state(2)
    other.sent.fill_(1.0)
    assert not torch.equal(network(x, other), network(x))


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_and_silencing_go_on_in_the_next_part(kind: str) -> None:
    network, x = small(kind, dropout_prob=0.5), sequences(2, STEPS)
    network.silence([0])
    with torch.no_grad():
        network.dropout_generator = torch.Generator().manual_seed(3)
        whole = network(x)
        network.dropout_generator = torch.Generator().manual_seed(3)
        parts, state = in_parts(network, x, (DELAY,))
    torch.testing.assert_close(parts, whole)  # masks are drawn step by step
    assert (state.sent[..., 0] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_saved_and_read(kind: str) -> None:
    network, x = small(kind), sequences(2, STEPS)
    _, state = network(x, return_state=True)
    file = io.BytesIO()
    torch.save(state.detach(), file)
    file.seek(0)
    back = torch.load(file)
    assert torch.equal(network(x, back), network(x, state))
    assert state.to(torch.float64).sent.dtype == torch.float64


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda s: True, "track=True"),
        (lambda s: tuple(s), "return_state=True"),
        (lambda s: s._replace(sent=s.sent[:, 1:]), "sent [2, 3, 7]"),
        (lambda s: s._replace(neurons={}), "voltage [2, 7]"),
        (lambda s: s.unbatched() if len(s.sent) == 1 else s.of_rows(torch.tensor([0])), "sent [1, 4, 7]"),
        (lambda s: s.to(torch.float64), "torch.float64"),
    ],
)
def test_what_is_no_state_of_the_network_is_refused(wrong: Any, said: str) -> None:
    network, x = small("glifr 2"), sequences(2, STEPS)
    with pytest.raises(InputError) as caught:
        network(x, wrong(network.zero_state(2)))
    assert said in str(caught.value)


def test_a_state_without_batch_is_for_a_sequence_without() -> None:
    network = small("rnn")
    with pytest.raises(InputError, match="not one of this network and these inputs"):
        network(sequences(2, 5), network.zero_state())
    with pytest.raises(InputError, match="batch"):
        network.zero_state(-1)
    assert network.zero_state(0).sent.shape == (0, DELAY, HIDDEN)
    assert network.in_size == INPUTS
