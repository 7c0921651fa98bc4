"""What a network carries from one part of a sequence to the next.

Shapes: B batch, T steps, H neurons, J after-spike currents, D delay in steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import _register_namedtuple

from glifr.engine.definition import NeuronModel, State
from glifr.engine.sequence import Recurrence, SequenceResult
from glifr.errors import InputError, Problem


class NetworkState(NamedTuple):
    """The state of a network after a step; plain tensors, so it can be kept, moved and changed like any others.

    Attributes:
        sent: What the neurons sent in the last D steps, oldest first [B,D,H]; `sent[:, -1]` is their firing (GLIFR) or
            hidden state (RNN, LSTM). Without B where the sequence had none.
        neurons: The other states by name: voltage [B,H] and ascurrents [J,B,H] of GLIFR, cell [B,H] of the LSTM, empty
            for the RNN.
    """

    sent: Tensor
    neurons: dict[str, Tensor]

    def detach(self) -> NetworkState:
        """The same numbers without their past: where truncated back-propagation through time cuts."""
        return NetworkState(self.sent.detach(), {name: t.detach() for name, t in self.neurons.items()})

    def to(self, *args: Any, **kwargs: Any) -> NetworkState:
        """Every tensor's `to`."""
        moved = {name: t.to(*args, **kwargs) for name, t in self.neurons.items()}
        return NetworkState(self.sent.to(*args, **kwargs), moved)

    def batched(self) -> NetworkState:
        """With a batch of 1, of a state without."""
        return NetworkState(self.sent.unsqueeze(0), {name: t.unsqueeze(-2) for name, t in self.neurons.items()})

    def unbatched(self) -> NetworkState:
        """What `batched` was made of."""
        return NetworkState(self.sent.squeeze(0), {name: t.squeeze(-2) for name, t in self.neurons.items()})

    def of_rows(self, rows: Tensor) -> NetworkState:
        """Of some samples of the batch."""
        return NetworkState(self.sent[rows], {name: t[..., rows, :] for name, t in self.neurons.items()})

    def with_rows(self, rows: Tensor, new: NetworkState) -> NetworkState:
        """With another state of these samples."""
        neurons = {name: t.index_copy(-2, rows, new.neurons[name]) for name, t in self.neurons.items()}
        return NetworkState(self.sent.index_copy(0, rows, new.sent), neurons)


torch.serialization.add_safe_globals([NetworkState])  # so that torch.load reads a state that torch.save wrote
_register_namedtuple(NetworkState, serialized_type_name="glifr.NetworkState")  # and torch.export, programs with one


def zero_state(recurrence: Recurrence, hidden: int, batch: int | None, like: Tensor) -> NetworkState:
    """Where sequences begin; batch None: of one sequence without a batch."""
    lead = () if batch is None else (batch,)
    shapes = _shapes(recurrence, lead, hidden)
    sent, *neurons = (like.new_zeros(shape) for shape in shapes.values())
    return NetworkState(sent, dict(zip(list(shapes)[1:], neurons, strict=True)))


def _shapes(recurrence: Recurrence, lead: tuple[int, ...], hidden: int) -> dict[str, tuple[int, ...]]:
    """Of `sent`, then of each state of the neurons."""
    each = {s.name: (*_count(s), *lead, hidden) for s in recurrence.model.states[1:]}
    return {"sent": (*lead, recurrence.delay, hidden), **each}


def _count(state: State) -> tuple[int, ...]:
    return () if state.count is None else (state.count,)


def check_state(state: Any, recurrence: Recurrence, hidden: int, batch: int | None, like: Tensor) -> None:
    """Raises InputError unless it is a state of such a network, of its number type, on its device."""
    shapes = _shapes(recurrence, () if batch is None else (batch,), hidden)
    allowed = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    if not isinstance(state, NetworkState):
        rule = "state is what a network returned with return_state=True"
        hint = "track is given by name: track=True" if isinstance(state, bool) else ""
        raise InputError(Problem(rule, "state", type(state).__name__, f"a NetworkState: {allowed}", hint))
    found = {"sent": state.sent, **state.neurons}
    if {name: tuple(t.shape) for name, t in found.items()} != shapes:
        has = ", ".join(f"{name} {list(t.shape)}" for name, t in found.items())
        rule = "state is not one of this network and these inputs"
        raise InputError(Problem(rule, "state", has, allowed))
    for name, t in found.items():
        if t.dtype != like.dtype or t.device != like.device:
            place, hint = f"state: {name}", f"state.to({str(like.device)!r}, {like.dtype})"
            rule = "the state must have the number type and device of the network"
            raise InputError(Problem(rule, place, f"{t.dtype} on {t.device}", f"{like.dtype} on {like.device}", hint))


def start_tensors(model: NeuronModel, state: NetworkState) -> tuple[Any, Tensor]:
    """`initial` and `history` of an engine's sequence, of one replica."""
    neurons = (state.neurons[s.name].unsqueeze(-3) for s in model.states[1:])
    return model.State(state.sent[None, :, -1], *neurons), state.sent.unsqueeze(0)


def state_after(recurrence: Recurrence, before: NetworkState | None, result: SequenceResult) -> NetworkState:
    """The state after a sequence of one replica that began at `before`, None for zeros."""
    model, delay = recurrence.model, recurrence.delay
    sent = result.sent[0]
    if sent.shape[-2] < delay:
        zeros = sent.new_zeros(*sent.shape[:-2], delay, sent.shape[-1])
        sent = torch.cat([zeros if before is None else before.sent, sent], -2)
    neurons = {s.name: t.squeeze(-3) for s, t in zip(model.states[1:], result.final[1:], strict=True)}
    return NetworkState(sent[..., -delay:, :].contiguous(), neurons)  # holds no longer sequence in memory
