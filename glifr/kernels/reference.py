"""The plain loop over time steps: slow, readable, and what every other backend is tested against."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from glifr.equations import GLIFRState, glifr_step, synaptic_input
from glifr.kernels.sequence import SequenceInput, SequenceResult, mask_at, start_of


class Trace(NamedTuple):
    """Every state of a run: firing, voltage and synaptic input [R,B,T,H], after-spike currents [J,R,B,T,H]."""

    firing: Tensor
    voltage: Tensor
    ascurrents: Tensor
    synaptic: Tensor


def trace(sequence: SequenceInput) -> Trace:
    """Runs the sequence and keeps every state; differentiable in all of them."""
    states, synaptic = _run(sequence)
    return Trace(
        _over_time([s.firing for s in states]),
        _over_time([s.voltage for s in states]),
        _over_time([s.ascurrents for s in states]),
        _over_time(synaptic),
    )


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence; differentiable by autograd through every step."""
    states, _ = _run(sequence)
    return SequenceResult((_over_time([s.firing for s in states]),), states[-1])


def _run(sequence: SequenceInput) -> tuple[list[GLIFRState], list[Tensor]]:
    x, p = sequence.x, sequence.parameters
    state = start_of(sequence)
    before = [torch.zeros_like(state.firing)] * sequence.delay
    if sequence.history is not None:
        before = list(sequence.history.unbind(2))
    fired = before  # fired[t] is the firing of step t - D
    states, synaptic = [], []
    for t, mask in enumerate(mask_at(sequence.mask, x.shape[2])):
        s = synaptic_input(x[:, :, t], fired[t], p.weight_in, p.weight_lat)
        state = glifr_step(s, state, p, sequence.constants, mask)
        fired.append(state.firing)
        states.append(state)
        synaptic.append(s)
    return states, synaptic


def _over_time(steps: list[Tensor]) -> Tensor:
    """[..., B,H] of each step -> [..., B,T,H], laid out in memory as [..., T,B,H]."""
    return torch.stack(steps, -3).transpose(-3, -2)
