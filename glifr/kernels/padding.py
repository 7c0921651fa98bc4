"""Widening to the vector lanes of a scan: H neurons become W, the next multiple of the lanes; where W = H, no copy.

A padded neuron reads nothing and nothing reads it: its weights are zero. A tanh or LSTM unit then stays at zero. That a
GLIFR neuron's state stays finite whatever tau and the reset voltage are, it is padded far below threshold.

Shapes: H neurons, W width, G gates per neuron (1 but for the LSTM), `*` what may stand before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from glifr.equations import Constants

_FAR = 1000.0  # sigmas below threshold: the sigmoid is zero in float64 too


def width_for(hidden: int, lanes: int) -> int:
    """W: the next multiple of `lanes`."""
    return -(-hidden // lanes) * lanes


def fill_of_glifr(constants: Constants) -> tuple[float, ...]:
    """What thresh, decay_m, decay_j, r and a of padded neurons are."""
    return _FAR * constants.sigma_v, 0.5, 0.5, 0.0, 0.0


def widen(tensor: Tensor, width: int, value: float = 0.0) -> Tensor:
    """[*,H] -> [*,W]; the tensor itself where it has that width."""
    more = width - tensor.shape[-1]
    return pad(tensor, (0, more), value=value) if more else tensor


def narrow(tensor: Tensor | None, hidden: int, width: int) -> Any:
    """[*,W] -> [*,H], a view; None where nothing was computed."""
    return tensor if tensor is None or hidden == width else tensor.narrow(-1, 0, hidden)


def widen_parameters(tensors: Sequence[Tensor], width: int, fill: Sequence[float]) -> list[Tensor]:
    """weight_in [R,I,G*W], weight_lat [R,W,G*W], and the others [*,W], padded with the values of `fill`.

    Weights are contiguous, as products may round by how their operands lie in memory.
    """
    weight_in, weight_lat, *others = tensors
    hidden = weight_lat.shape[1]
    more = width - hidden
    if not more:
        return [weight_in.contiguous(), weight_lat.contiguous(), *others]
    by_gate = [weight.view(*weight.shape[:2], -1, hidden) for weight in (weight_in, weight_lat)]
    weights = [pad(by_gate[0], (0, more)), pad(by_gate[1], (0, more, 0, 0, 0, more))]
    weights = [weight.flatten(2).contiguous() for weight in weights]
    return [*weights, *(widen(t, width, v) for t, v in zip(others, fill, strict=True))]


def narrow_parameters(tensors: Sequence[Tensor | None], hidden: int, width: int) -> list[Tensor | None]:
    """The same parameters, or their gradients, of H neurons again."""
    weight_in, weight_lat, *others = tensors
    if hidden == width:
        return [*tensors]
    if weight_lat is not None:
        weight_lat = _narrow_gates(weight_lat[:, :hidden], hidden, width)
    return [_narrow_gates(weight_in, hidden, width), weight_lat, *(narrow(t, hidden, width) for t in others)]


def widen_mask(mask: Tensor | None, hidden: int, width: int) -> Tensor | None:
    """A mask broadcastable to [R,B,T,H], now to [R,B,T,W]; its memory stays [R,T,B,W], as the scans read it."""
    if mask is None or mask.shape[-1] != hidden or hidden == width:
        return mask
    return widen(mask.transpose(1, 2), width).transpose(1, 2)


def _narrow_gates(weight: Tensor | None, hidden: int, width: int) -> Tensor | None:
    """[R,K,G*W] -> [R,K,G*H]."""
    return None if weight is None else weight.view(*weight.shape[:2], -1, width).narrow(3, 0, hidden).flatten(2)
