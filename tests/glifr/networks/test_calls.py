"""How a network is called, as torch users expect it: batches of any size and of different lengths, hooks, cells."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import BACKENDS, DELAY, HIDDEN, KINDS, OUTPUTS, gradients, sequences, small, worst
from torch import Tensor, nn

from glifr.errors import InputError
from glifr.networks import forward_replicas
from glifr.networks.layers import GLIFR, LSTMC, RNNC
from glifr.networks.state import NetworkState

STEPS = 2 * DELAY + 3
BOTH = [(kind, backend) for kind in KINDS for backend in BACKENDS]


# One sequence, and none


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_a_sequence_without_batch(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(STEPS)
    single, *states, last = network(x, track=True, return_state=True)
    batched, *of_batch, after = network(x.unsqueeze(0), track=True, return_state=True)
    assert single.shape == (STEPS, OUTPUTS)
    for alone, one in zip([single, *states], [batched, *of_batch], strict=True):
        assert torch.equal(alone, one.squeeze(-3))
    assert torch.equal(last.sent, after.sent[0])
    assert last.sent.shape == network.zero_state().sent.shape
    assert torch.equal(network(x, last), network(x.unsqueeze(0), after)[0])


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_a_batch_of_none(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(0, STEPS).requires_grad_()
    outputs, state = network(x, return_state=True)
    assert outputs.shape == (0, STEPS, OUTPUTS)
    assert state.sent.shape == network.zero_state(0).sent.shape
    assert network(x, state, lengths=[], return_state=True)[0].shape == outputs.shape
    network(x, state).sum().backward()
    assert all((g == 0).all() for g in gradients(network))
    assert [t.shape[-3] for t in network(x, track=True)] == [0] * len(network(sequences(1, 2), track=True))


# Lengths

LENGTHS = [STEPS, 1, DELAY, 0, DELAY, DELAY + 1]


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_padded_sequences_are_computed_as_if_alone(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(len(LENGTHS), STEPS)
    before = network(sequences(len(LENGTHS), 5, seed=7), return_state=True)[1].detach()
    for row, length in enumerate(LENGTHS):
        x[row, length:] = torch.nan  # whatever stands there
    x.requires_grad_()
    outputs, state = network(x, before, lengths=torch.tensor(LENGTHS), return_state=True)
    (outputs.square().sum() + state.sent.sin().sum() + sum(t.sin().sum() for t in state.neurons.values())).backward()
    found = [*gradients(network), x.grad]
    alone, whole = [], torch.zeros(())
    inputs = [x[row : row + 1, :length].detach().requires_grad_() for row, length in enumerate(LENGTHS)]
    for row, (own, length) in enumerate(zip(inputs, LENGTHS, strict=True)):
        start = before.of_rows(torch.tensor([row]))
        out, after = network(own, start, return_state=True) if length else (own.new_zeros(1, 0, OUTPUTS), start)
        alone.append((out, after))
        whole = whole + out.square().sum() + after.sent.sin().sum() + sum(t.sin().sum() for t in after.neurons.values())
    whole.backward()
    of_x = torch.stack(
        [
            nn.functional.pad(own.grad[0], (0, 0, 0, STEPS - len(own[0])))
            if own.grad is not None
            else torch.zeros(STEPS, 3)
            for own in inputs
        ]
    )
    for row, (out, after) in enumerate(alone):
        torch.testing.assert_close(outputs[row, : LENGTHS[row]], out[0])
        assert (outputs[row, LENGTHS[row] :] == 0).all()
        torch.testing.assert_close(state.sent[row], after.sent[0])
        for name, tensor in state.neurons.items():
            torch.testing.assert_close(tensor[..., row, :], after.neurons[name][..., 0, :])
    assert worst(found, [*gradients(network), of_x]) <= 3e-6  # type: ignore[list-item]


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_lengths_without_a_state_are_one_pass_with_the_same_outputs(kind: str, backend: str) -> None:
    network, x = small(kind, backend, dropout_prob=0.3), sequences(len(LENGTHS), STEPS)
    network.silence([1])
    runs = []
    for more in ({}, {"return_state": True}, {"track": True}):
        network.dropout_generator = torch.Generator().manual_seed(5)
        found = network(x, lengths=LENGTHS, **more)
        runs.append(found if isinstance(found, Tensor) else found[0])
        if more == {"track": True}:
            ends = [t.transpose(-3, 0)[3] for t in found]  # the sequence of length 0
            assert all((t == 0).all() for t in ends)
    torch.testing.assert_close(runs[1], runs[0])
    assert torch.equal(runs[2], runs[0])


def test_sequences_that_have_ended_wait_in_later_parts() -> None:
    network, x = small("glifr 2"), sequences(3, 12)
    lengths = torch.tensor([12, 3, 7])
    whole, wanted = network(x, lengths=lengths, return_state=True)
    outputs, state = [], None
    for begin in range(0, 12, 4):
        left = (lengths - begin).clamp(0, 4)
        out, state = network(x[:, begin : begin + 4], state, lengths=left, return_state=True)
        outputs.append(out)
    assert state is not None
    torch.testing.assert_close(torch.cat(outputs, 1), whole)
    torch.testing.assert_close(state.sent, wanted.sent)


@pytest.mark.parametrize("wrong", [[1, 2], [1, 2, 12], [1, 2, -1], [1.0, 2.0, 3.0], [True, True, False], 3])
def test_lengths_that_cannot_be_meant_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="lengths") as caught:
        small("rnn")(sequences(3, STEPS), lengths=wrong)
    assert "3 whole numbers from 0 to 11" in str(caught.value)


def test_one_sequence_has_no_lengths() -> None:
    with pytest.raises(InputError, match="lengths are of a batch"):
        small("rnn")(sequences(STEPS), lengths=[3])


def test_track_is_given_by_name() -> None:
    with pytest.raises(InputError, match="track=True"):
        small("rnn")(sequences(2, STEPS), True)


# Hooks


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_hooks_of_the_layers_fire_once_for_a_sequence(kind: str, backend: str) -> None:
    network, x = small(kind, backend), sequences(2, STEPS)
    plain, seen = network(x), []
    layer, readout = network.neuron_layer, network.output_linear
    assert readout is not None
    layer.register_forward_hook(lambda module, args, result: seen.append(("layer", args[0], result)))
    readout.register_forward_hook(lambda module, args, result: seen.append(("readout", args[0], result)))
    assert torch.equal(network(x), plain)
    (_, given, (sent, state)), (_, read, outputs) = seen
    assert torch.equal(given, x)
    assert sent.shape == (2, STEPS, HIDDEN)
    assert isinstance(state, NetworkState)
    assert torch.equal(read, sent)
    assert torch.equal(outputs, plain)


@pytest.mark.parametrize(("kind", "backend"), BOTH)
def test_hooks_change_what_goes_in_and_out_and_see_gradients(kind: str, backend: str) -> None:
    network, x, seen = small(kind, backend), sequences(2, STEPS), []
    doubled = network(2 * x)
    before = network.neuron_layer.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    assert torch.equal(network(x), doubled)
    before.remove()
    network.neuron_layer.register_full_backward_hook(lambda module, given, reaching: seen.append(reaching[0]))
    after = network.neuron_layer.register_forward_hook(lambda module, args, result: (0 * result[0], result[1]))
    assert network.output_linear is not None
    torch.testing.assert_close(network(x), network.output_linear.bias.expand(2, STEPS, OUTPUTS))
    after.remove()
    network(x.requires_grad_()).sum().backward()
    wanted = network.output_linear.weight.sum(0).expand(2, STEPS, HIDDEN)
    torch.testing.assert_close(seen[-1], wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_with_hooks_has_the_bits_of_replicas(kind: str) -> None:
    network, x = small(kind), sequences(2, STEPS)
    assert torch.equal(network(x), forward_replicas([network], x)[0])


# Cells


@pytest.mark.parametrize("make", [GLIFR, RNNC, LSTMC])
def test_a_cell_makes_its_own_state(make: Any) -> None:
    cell = make(3, 5)
    x, zeros = torch.randn(4, 3), torch.zeros(4, 5)
    states = {GLIFR: (zeros, zeros, torch.zeros(2, 4, 5), zeros), RNNC: (zeros,), LSTMC: (zeros, zeros)}[make]
    for own, given in zip(cell(x), cell(x, *states), strict=True):
        assert torch.equal(own, given)
    with pytest.raises(InputError, match="x"):
        cell(torch.randn(4, 2))


def test_the_lstm_cell_is_torchs() -> None:
    cell, torchs = LSTMC(3, 5), nn.LSTMCell(3, 5)
    torchs.load_state_dict(cell.state_dict())
    x, state = torch.randn(4, 3), (torch.randn(4, 5), torch.randn(4, 5))
    for own, given in zip(cell(x, *state), torchs(x, state), strict=True):
        torch.testing.assert_close(own, given)
    with pytest.raises(InputError, match="cell"):
        cell(x, state[0], torch.zeros(4, 6))
