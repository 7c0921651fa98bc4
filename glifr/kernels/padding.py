"""Widening to the vectors of the compiled scans: H neurons become W, the next multiple; where W = H, no copy.

A padded neuron reads nothing and nothing reads it: all its parameters are zero. A tanh or LSTM unit then stays at zero,
and a GLIFR neuron's voltage settles where it does not fire, however steep its resets are.

Shapes: H neurons, W width, G gates per neuron (1 but for the LSTM), `*` what may stand before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

LANES = 16  # float32 numbers in a vector of compiled code (`vectors.py`)


def width_for(numbers: int) -> int:
    """The next multiple of a vector's numbers."""
    return -(-numbers // LANES) * LANES


def widen(tensor: Tensor, width: int) -> Tensor:
    """[*,H] -> [*,W]; the tensor itself where it has that width."""
    more = width - tensor.shape[-1]
    return pad(tensor, (0, more)) if more else tensor


def narrow(tensor: Tensor | None, hidden: int, width: int) -> Any:
    """[*,W] -> [*,H], a view; None where nothing was computed."""
    return tensor if tensor is None or hidden == width else tensor.narrow(-1, 0, hidden)


def widen_neurons(tensors: Sequence[Tensor], width: int) -> Tensor:
    """thresh, dt k_m [R,1,H], dt k_j, r and a [J,R,1,H] as one [2+3J,R,W], padded with zeros."""
    thresh, decay_m, *currents = tensors
    (replicas, _, hidden), count = thresh.shape, 2 + 3 * len(currents[0])
    found = thresh.new_empty(count, replicas, 1, width)
    torch.cat([thresh.unsqueeze(0), decay_m.unsqueeze(0), *currents], out=found[..., :hidden])
    if width > hidden:
        found[..., hidden:] = 0.0
    return found.squeeze(2)


def widen_mask(mask: Tensor | None, hidden: int, width: int) -> Tensor | None:
    """A mask broadcastable to [R,B,T,H], now to [R,B,T,W]; its memory stays [R,T,B,W], as the scans read it."""
    if mask is None or mask.shape[-1] != hidden or hidden == width:
        return mask
    return widen(mask.transpose(1, 2), width).transpose(1, 2)


def widen_gates(tensor: Tensor, hidden: int, width: int) -> Tensor:
    """[R,K,G*H] -> [R,K,G*W], each gate by itself."""
    return widen(tensor.reshape(*tensor.shape[:2], -1, hidden), width).flatten(2)


def narrow_gates(tensor: Tensor | None, hidden: int, width: int) -> Any:
    """[R,K,G*W] -> [R,K,G*H], each gate by itself; None where nothing was computed."""
    if tensor is None or hidden == width:
        return tensor
    return tensor.view(*tensor.shape[:2], -1, width).narrow(3, 0, hidden).flatten(2)
