"""Widening to the vectors of the compiled scans: H neurons become W, the next multiple; where W = H, no copy.

A padded neuron reads nothing and nothing reads it: all its parameters are zero. A tanh or LSTM unit then stays at zero,
and a GLIFR neuron's voltage settles where it does not fire, however steep its resets are.

Shapes: H neurons, W width, G gates per neuron (1 but for the LSTM), `*` what may stand before.
"""

from __future__ import annotations

from typing import Any

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


def widen_mask(mask: Tensor | None, hidden: int, width: int) -> Tensor | None:
    """A mask broadcastable to [R,B,T,H], now to [R,B,T,W]; its memory stays [R,T,B,W], as the scans read it."""
    if mask is None or mask.shape[-1] != hidden or hidden == width:
        return mask
    return widen(mask.transpose(1, 2), width).transpose(1, 2)
