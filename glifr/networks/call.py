"""One call of a network: checks, the recurrent layer, the readout, and what is returned.

Shapes: B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from glifr import checks
from glifr.engine.backends import backend_for, is_autocast, run_sequence
from glifr.engine.reference import trace
from glifr.errors import InputError, Problem
from glifr.networks.base import mask_of
from glifr.networks.computing import sequence_of
from glifr.networks.lengths import check_lengths, is_padding, run_padded
from glifr.networks.state import NetworkState, check_state, state_after

if TYPE_CHECKING:
    from glifr.networks.network import Network


class Call(NamedTuple):
    """The arguments of `Network.forward`."""

    inputs: Tensor
    state: NetworkState | None
    lengths: Tensor | Sequence[int] | None
    return_state: bool
    track: bool


class _Work(NamedTuple):
    """The same, checked, always with a batch. padding: where sequences have ended [B,T,1], None for nowhere."""

    backend: str
    x: Tensor
    mask: Tensor | None
    state: NetworkState | None
    lengths: Tensor | None
    padding: Tensor | None
    return_state: bool


def compute(network: Network, call: Call) -> Any:
    """What `Network.forward` returns."""
    work = _checked(network, call)
    sent, state = network.neuron_layer(work.x, engine=lambda x: _run(network, work._replace(x=x)))
    exact = work.backend == "cpu" and not is_autocast(sent.device)
    outputs = sent if network.output_linear is None else network.output_linear(sent, exact=exact)
    found = [outputs if work.padding is None else outputs.masked_fill(work.padding, 0)]
    found += _tracked(network, work) if call.track else []
    if call.inputs.ndim == 2:
        found, state = [t.squeeze(-3) for t in found], state and state.unbatched()
    returned = [*found, state] if call.return_state else found
    return returned[0] if len(returned) == 1 else tuple(returned)


def _checked(network: Network, call: Call) -> _Work:
    inputs, state, lengths = call.inputs, call.state, call.lengths
    like = next(network.neuron_layer.parameters())
    _check_inputs(inputs, network.in_size)
    if is_autocast(inputs.device) and inputs.is_floating_point():
        inputs = inputs.to(like.dtype)
    checks.alike("inputs", inputs, like)
    batch = inputs.shape[0] if inputs.ndim == 3 else None
    if state is not None:
        check_state(state, network.recurrence(), network.hidden_size, batch, like)
    if batch is None:
        inputs, state = inputs.unsqueeze(0), state and state.batched()
    padding = None
    if lengths is not None:
        if batch is None:
            rule = "lengths are of a batch; one sequence is cut by hand"
            raise InputError(Problem(rule, "lengths", lengths, "inputs of shape [B, T, I]"))
        lengths = check_lengths(lengths, batch, inputs.shape[1])
        padding = is_padding(lengths, inputs.shape[1], inputs.device)
        inputs = inputs.masked_fill(padding, 0)
    backend = backend_for(network.backend, inputs, network.neuron_layer.model)
    return _Work(backend, inputs, mask_of([network], inputs), state, lengths, padding, call.return_state)


def _check_inputs(inputs: Any, in_size: int) -> None:
    """Raises InputError unless these are sequences [B,T,I] or [T,I] of one step or more."""
    found = tuple(inputs.shape) if isinstance(inputs, Tensor) else inputs
    if (
        not isinstance(inputs, Tensor)
        or inputs.ndim not in (2, 3)
        or inputs.shape[-1] != in_size
        or not inputs.shape[-2]
    ):
        allowed = f"a tensor of shape [B, T, {in_size}] or [T, {in_size}], with T >= 1"
        raise InputError(Problem("the shape of inputs does not fit", "inputs", found, allowed))


def _run(network: Network, work: _Work) -> tuple[Tensor, NetworkState]:
    """What the neurons sent [B,T,H], and the state after it: with lengths where it is asked for alone."""
    recurrence = network.recurrence()

    def run(x: Tensor, mask: Tensor | None, state: NetworkState | None) -> tuple[Tensor, NetworkState]:
        result = run_sequence(work.backend, sequence_of([network], x.unsqueeze(0), mask, state))
        return result.sent[0], state_after(recurrence, state, result)

    if work.lengths is not None and work.return_state:
        start = work.state or network.zero_state(work.x.shape[0])
        return run_padded(run, work.x, work.mask, start, work.lengths)
    sent, state = run(work.x, work.mask, work.state)
    return sent if work.padding is None else sent.masked_fill(work.padding, 0), state


def _tracked(network: Network, work: _Work) -> list[Tensor]:
    """Every state, by the plain loop, each [B,T,H] or [J,B,T,H]."""
    kept = trace(sequence_of([network], work.x.unsqueeze(0), work.mask, work.state))
    found = [state.select(-4, 0) for state in network.tracked(kept)]
    return found if work.padding is None else [state.masked_fill(work.padding, 0) for state in found]
