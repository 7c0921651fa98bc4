"""Whole sequences of the tanh network and the LSTM, R replicas at once.

`trace_rnn` and `trace_lstm` are the loops: backend "reference", differentiated by autograd, every state kept. `run_rnn`
and `run_lstm` are those of backends "torch" and "triton": delay blocks with a hand-written backward, over the scans of
`kernels/tanh.py` and `kernels/lstm.py`. On CUDA one LSTM without masks is computed by cuDNN. Backend "cpu" computes
whole networks: `kernels/cpu.py`.

Shapes: R replicas, B batch, T steps, I inputs, H units, D delay in steps. The state is zero at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from glifr.equations import LSTMParameters, LSTMState, RNNParameters, lstm_step, rnn_step
from glifr.kernels import blocked, lstm, tanh
from glifr.kernels.passes import Engine, Layer
from glifr.kernels.sequence import mask_at

_TILE = 64  # samples of the tanh network computed together on the CPU


class Units(NamedTuple):
    """h in consecutive parts of the batch [R,b,T,H], and its last step [R,B,H]."""

    tiles: tuple[Tensor, ...]
    last: Tensor


class _Weights(NamedTuple):
    """As the scans take them: the bias is the last row of weight_in."""

    weight_in: Tensor
    weight_lat: Tensor


class _ZeroStart(NamedTuple):
    """No tensors: both networks start at zero."""


def run_rnn(x: Tensor, p: RNNParameters, delay: int, mask: Tensor | None) -> Units:
    """x [R or 1,B,T,I]; mask broadcastable to [R,B,T,H]."""
    engine = blocked.PLAIN._replace(forward_scan=tanh.ForwardScan, backward_scan=tanh.BackwardScan)
    return _run(Layer(_Weights, _ZeroStart, None, delay, overwrites=True), engine, x, p, mask)


def run_lstm(x: Tensor, p: LSTMParameters, mask: Tensor | None) -> Units:
    """x [R or 1,B,T,I]; mask broadcastable to [R,B,T,H]."""
    if len(p.weight_ih) == 1 and mask is None and _cudnn_takes(x):
        return lstm_of_torch(x, p)
    engine = blocked.PLAIN._replace(forward_scan=lstm.ForwardScan, backward_scan=lstm.BackwardScan)
    return _run(Layer(_Weights, _ZeroStart, None, 1), engine, x, lstm.pack(p), mask)


def _run(layer: Layer, engine: Engine, x: Tensor, p: RNNParameters, mask: Tensor | None) -> Units:
    weights = _Weights(torch.cat([p.weight_in, p.bias], 1), p.weight_lat)
    tiles, (last,) = blocked.run_layer(layer, engine, _TILE, (None, _with_ones(x), *weights), mask)
    return Units(tiles, last)


def _with_ones(x: Tensor) -> Tensor:
    """[R,B,T,I+1] in memory [R,T,B,I+1]: what the bias multiplies."""
    along_time = x.transpose(1, 2)
    ones = x.new_ones(()).expand(*along_time.shape[:3], 1)
    return torch.cat([along_time, ones], 3).transpose(1, 2)


def _cudnn_takes(x: Tensor) -> bool:
    return x.is_cuda and torch.backends.cudnn.is_acceptable(x)  # type: ignore[no-untyped-call]


def lstm_of_torch(x: Tensor, p: LSTMParameters) -> Units:
    """One LSTM (R = 1) by torch's own kernels, which on CUDA are cuDNN's."""
    zeros = x.new_zeros(1, x.shape[1], p.weight_hh.shape[2])
    weights = [weight[0] for weight in p]
    along_time = x[0].transpose(0, 1)
    # has_biases, layers, dropout, training (as backward may follow), bidirectional, batch_first
    hidden, last, _ = torch._VF.lstm(along_time, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return Units((hidden.transpose(0, 1).unsqueeze(0),), last)


def trace_rnn(x: Tensor, p: RNNParameters, delay: int, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
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


def trace_lstm(x: Tensor, p: LSTMParameters, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
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
