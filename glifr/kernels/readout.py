"""The readout of backend "cpu" as an autograd function; what it computes: `readout_cpu.py`.

Saves its inputs; recomputes nothing. Shapes: R replicas, n rows (steps and samples), H neurons, O outputs.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def affine(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """rows [R,n,H] times weight [R,O,H], transposed, plus bias [R,O]: [R,n,O], in float32; differentiable once."""
    result: Tensor = _Affine.apply(rows, weight, bias)
    return result


class _Affine(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        from glifr.kernels import readout_cpu  # numba takes a while to import, and may not be there

        rows = rows if rows.stride(2) == 1 else rows.contiguous()
        ctx.save_for_backward(rows, weight)
        return readout_cpu.forward(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from glifr.kernels import readout_cpu

        rows, weight = ctx.saved_tensors
        return readout_cpu.backward(gradient, rows, weight, ctx.needs_input_grad[0])
