"""Whole sequences of the tanh network and the LSTM, R replicas at once, by autograd.

Shapes: R replicas, B batch, T steps, I inputs, H units, D delay in steps. The state is zero at the start.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from glifr.equations import LSTMParameters, LSTMState, RNNParameters, lstm_step, rnn_step
from glifr.kernels.sequence import mask_at


def run_rnn(x: Tensor, p: RNNParameters, delay: int, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Hidden states and pre-activations [R,B,T,H] of x [R or 1,B,T,I]; mask broadcastable to [R,B,T,H].

    The D steps of a block do not depend on each other, so they are one matrix product and one tanh.
    """
    projected = _project(x, p.weight_in, p.bias)
    steps = projected.shape[1]
    hidden: list[Tensor] = []
    preactivations = []
    for block, block_mask in zip(torch.split(projected, delay, 1), _masks(mask, steps, delay), strict=True):
        if hidden:
            delayed = hidden[-1][:, : block.shape[1]]
            block = torch.baddbmm(block.flatten(1, 2), delayed.flatten(1, 2), p.weight_lat).view_as(block)
        preactivations.append(block)
        hidden.append(rnn_step(block, block_mask))
    return torch.cat(hidden, 1).transpose(1, 2), torch.cat(preactivations, 1).transpose(1, 2)


def run_lstm(x: Tensor, p: LSTMParameters, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Hidden and cell states [R,B,T,H] of x [R or 1,B,T,I]; mask broadcastable to [R,B,T,H], on h alone."""
    projected = _project(x, p.weight_ih.transpose(1, 2), (p.bias_ih + p.bias_hh).unsqueeze(1))
    weight = p.weight_hh.transpose(1, 2)
    zeros = projected.new_zeros(projected.shape[0], projected.shape[2], weight.shape[1])
    states = [LSTMState(zeros, zeros)]
    for t, (gates, step_mask) in enumerate(zip(projected.unbind(1), mask_at(mask, x.shape[2]), strict=True)):
        if t:
            gates = torch.baddbmm(gates, states[-1].hidden, weight)
        states.append(lstm_step(gates, states[-1].cell, step_mask))
    hidden, cell = (torch.stack(part, 1).transpose(1, 2) for part in zip(*states[1:], strict=True))
    return hidden, cell


def _project(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x_t W + b of all steps in one product: [R,T,B,K] of x [R or 1,B,T,I], weight [R,I,K], bias [R,1,K]."""
    inputs = x.transpose(1, 2).expand(len(weight), -1, -1, -1)
    return torch.baddbmm(bias, inputs.flatten(1, 2), weight).view(*inputs.shape[:3], -1)


def _masks(mask: Tensor | None, steps: int, delay: int) -> Sequence[Tensor | None]:
    """The mask of each block, broadcastable to [R,t,B,H]."""
    blocks = len(range(0, steps, delay))
    if mask is None or mask.shape[2] == 1:
        return [None if mask is None else mask.transpose(1, 2)] * blocks
    return torch.split(mask.transpose(1, 2), delay, 1)
