"""The plain loop over time steps: slow, readable, and what every other engine is tested against."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from glifr.engine.sequence import SequenceInput, SequenceResult, gates_of, mask_at, over_time, start_of


class Trace(NamedTuple):
    """Every state of a run, each [R,B,T,H] or [J,R,B,T,H], and the synaptic input [R,B,T,G*H]."""

    states: Any
    synaptic: Tensor


def trace(sequence: SequenceInput) -> Trace:
    """Runs the sequence and keeps every state; differentiable in all of them."""
    states, synaptic = _run(sequence)
    each = zip(*states, strict=True)
    return Trace(sequence.model.State(*(over_time(list(steps)) for steps in each)), over_time(synaptic))


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence; differentiable by autograd through every step, as often as the step itself."""
    states, _ = _run(sequence)
    return SequenceResult(over_time([state[0] for state in states]), states[-1])


def _run(sequence: SequenceInput) -> tuple[list[Any], list[Tensor]]:
    model, x, parameters = sequence.model, sequence.x, sequence.values
    state = start_of(sequence)
    sent = [torch.zeros_like(state[0])] * sequence.delay  # sent[t] is what was sent in step t - D
    if sequence.history is not None:
        sent = list(sequence.history.unbind(-2))
    states, synaptic = [], []
    for t, mask in enumerate(mask_at(sequence.mask, x.shape[-2])):
        s = x.select(-2, t) @ sequence.weight_in + sent[t] @ sequence.weight_lat
        state = model.State(*model.step(gates_of(model, s), state, parameters, sequence.constants, mask))
        sent.append(state[0])
        states.append(state)
        synaptic.append(s)
    return states, synaptic
