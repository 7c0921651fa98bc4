"""The tanh layer over a block of steps, forward and backward: h_t = m tanh(s_t), with s_t from the block's products.

No state but the delayed one: all D steps of a block are one addition and one tanh. Backward, with F_t the gradient that
reaches h_t from the readout and from later blocks: g_t = m F_t (1 - tanh(s_t)^2), again a block at once.

Saves tanh(s), written over s; without a mask that is h itself and the only array, with one h is kept beside, as the
weight gradients read it. Nothing is recomputed. The bias comes as a row of weight_in over inputs of one, so that its
gradient is part of a product.

Shapes: R replicas, B batch (or a tile of it), T steps, H units, D delay in steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from glifr.kernels.scan import Saved

_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class ForwardScan:
    """Turns s [R,T,B,H] into tanh(s), in place, and into h, which without a mask is the same tensor."""

    kept: tuple[Tensor, ...] = ()

    def __init__(
        self,
        parameters: Any,
        constants: Any,
        start: Any,
        mask: Tensor | None,
        sequence: Sequence[Tensor],
        delay: int,
        keep: bool,
    ) -> None:
        self._synaptic, self._hidden = sequence
        self._mask = along_steps(mask)

    def advance(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """Steps begin .. end-1. lateral: their lateral input [R,t,B,H], None for zeros."""
        block = self._synaptic[:, begin:end]
        self._squash(block, lateral)
        if self._mask is not None:
            torch.mul(block, mask_of(self._mask, begin, end), out=self._hidden[:, begin:end])

    def _squash(self, block: Tensor, lateral: Tensor | None) -> None:
        if lateral is not None:
            block.add_(lateral)
        block.tanh_()

    @property
    def final(self) -> tuple[Tensor, ...]:
        """h of the last step."""
        return (self._hidden[:, -1].clone(),)


class BackwardScan:
    """Turns gradients of h into gradients of s, which it writes to `synaptic` [R,T,B,H].

    upstream: gradient of h from outside [R,T,B,H], or None. final: gradient of the last h [R,B,H], or None.
    """

    def __init__(
        self,
        parameters: Any,
        constants: Any,
        saved: Saved,
        synaptic: Tensor,
        upstream: Tensor | None,
        final: Sequence[Tensor | None],
        learned: bool,
    ) -> None:
        self._tanh, self._mask = saved.voltage, along_steps(saved.mask)
        self._synaptic, self._upstream, self._final = synaptic, upstream, final[0]

    def retreat(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """Steps end-1 .. begin. lateral: gradient that lateral input sends to the first n, [R,n,B,H]."""
        middle = begin if lateral is None else begin + lateral.shape[1]
        if lateral is not None:
            if self._upstream is not None:
                lateral.add_(self._upstream[:, begin:middle])
            self._through(begin, middle, lateral)
        if middle == end:
            return
        rest = self._synaptic[:, middle:end]
        if self._upstream is not None:
            rest.copy_(self._upstream[:, middle:end])
        else:
            rest.zero_()
        last = self._final is not None and end == self._synaptic.shape[1]
        if last:
            rest[:, -1].add_(self._final)  # type: ignore[arg-type]
        if self._upstream is not None:
            self._through(middle, end, rest)
        elif last:
            self._through(end - 1, end, rest[:, -1:])

    def _through(self, begin: int, end: int, gradient: Tensor) -> None:
        """The gradient of h of these steps becomes that of s; `gradient` is overwritten where there is a mask."""
        if self._mask is not None:
            gradient.mul_(mask_of(self._mask, begin, end))
        self._unsquash(gradient, self._tanh[:, begin:end], self._synaptic[:, begin:end])

    def _unsquash(self, gradient: Tensor, squashed: Tensor, found: Tensor) -> None:
        _tanh_backward(gradient, squashed, grad_input=found)

    def parameter_gradients(self) -> None:
        """There are no parameters beside the weights."""


def along_steps(mask: Tensor | None) -> Tensor | None:
    """Broadcastable to [R,T,B,H] instead of [R,B,T,H]."""
    return None if mask is None else mask.transpose(1, 2)


def mask_of(mask: Tensor, begin: int, end: int) -> Tensor:
    """Steps begin .. end-1 of a mask along steps, which may be the same for all."""
    return mask if mask.shape[1] == 1 else mask[:, begin:end]
