"""The readout on the CPU by the products of backend "cpu": a replica's bits are its own on any number of threads.

Saves its inputs; recomputes nothing. Outputs are padded to vectors, as products of few columns are slow or round by
the number of threads. The gradient of the bias is a product with ones, as torch's sums are divided among threads.

Shapes: R replicas, n rows (steps and samples), H neurons, O outputs.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from glifr.kernels.padding import widen, width_for
from glifr.kernels.products import VECTOR, looped


def affine(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """rows [R,n,H] times weight [R,O,H], transposed, plus bias [R,O]: [R,n,O]; differentiable once."""
    result: Tensor = _Affine.apply(rows, weight, bias)
    return result


class _Affine(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        outputs = weight.shape[1]
        wide = looped(rows, _filled(weight, outputs).transpose(1, 2))
        return wide[..., :outputs] + bias.unsqueeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        (outputs, hidden), needs = weight.shape[1:], ctx.needs_input_grad
        gradient = widen(gradient, width_for(outputs, VECTOR)).contiguous()
        ones = gradient.new_ones(1, gradient.shape[1], VECTOR)
        g_rows = g_weight = g_bias = None
        if needs[0]:
            g_rows = looped(gradient, _filled(widen(weight, width_for(hidden, VECTOR)), outputs))[..., :hidden]
        if needs[1]:
            g_weight = looped(rows.transpose(1, 2), gradient).transpose(1, 2)[:, :outputs]
        if needs[2]:
            g_bias = looped(ones.transpose(1, 2), gradient)[:, 0, :outputs]
        return g_rows, g_weight, g_bias


def _filled(matrix: Tensor, rows: int) -> Tensor:
    """[R,O,n] with rows of zeros up to the next multiple of vectors."""
    more = width_for(rows, VECTOR) - rows
    return pad(matrix, (0, 0, 0, more)) if more else matrix
