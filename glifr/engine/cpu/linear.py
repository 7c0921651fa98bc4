"""A linear readout of R replicas by the products of engine "cpu": a replica's bits are its own, whatever the threads.

The library's products are not so: they round by where operands begin and by the number of threads.

Shapes: R replicas, n rows, H neurons, O outputs, P and W the next multiples of 16 of O and H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from glifr.engine.cpu.blocks import Packed
from glifr.engine.cpu.jobs import Runner, threads_for
from glifr.engine.cpu.llvm import width_for

_ROWS = 64  # a task


def linear(rows: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
    """[R,n,O] of rows [R,n,H], weights [O,H] and biases [O] of each replica, float32; differentiable once."""
    found: Tensor = _Linear.apply(rows, *weights, *biases)
    return found


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, *tensors: Tensor) -> Tensor:
        replicas, count, _ = rows.shape
        weights, biases = tensors[:replicas], tensors[replicas:]
        outputs = biases[0].shape[0]
        rows = rows if rows.stride(2) == 1 else rows.contiguous()
        found = rows.new_zeros(replicas, count, width_for(outputs))
        for target, bias in zip(found, biases, strict=True):
            target[:, :outputs] = bias
        _add_product(rows, [weight.t() for weight in weights], found)
        ctx.save_for_backward(rows, *weights)
        return found[..., :outputs]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, *weights = ctx.saved_tensors
        replicas, count, hidden = rows.shape
        outputs, needs = weights[0].shape[0], ctx.needs_input_grad
        wide = rows.new_zeros(replicas, count, width_for(outputs))
        wide[..., :outputs] = gradient
        of_rows, of_weights, of_biases = None, [None] * replicas, [None] * replicas
        if needs[0]:
            of_rows = rows.new_zeros(replicas, count, width_for(hidden))
            _add_product(wide[..., :outputs], weights, of_rows)
            of_rows = of_rows[..., :hidden]
        if any(needs[1 : 1 + replicas]):
            of_weights = [each.t()[:outputs].contiguous() for each in _across(rows, wide)]
        if any(needs[1 + replicas :]):
            of_biases = [each[0, :outputs] for each in _across(rows.new_ones(1).expand(replicas, count, 1), wide)]
        return of_rows, *of_weights, *of_biases


def _read(runner: Runner, rows: Tensor) -> None:
    _, count, terms = rows.shape
    runner.point(x=rows)
    runner.set(x_replica=4 * rows.stride(0), row=4 * rows.stride(1), steps=count, inputs=terms)


def _add_product(rows: Tensor, matrices: Sequence[Tensor], found: Tensor) -> None:
    """found [R,n,N] += rows [R,n,K] times each [K,N or fewer]."""
    replicas, count, terms = rows.shape
    packed = Packed(replicas, terms, 1, found.shape[2])
    for r, matrix in enumerate(matrices):
        for place, tensor in packed.pairs(r, matrix.unsqueeze(1)):
            place.copy_(tensor)
    groups, runner = -(-count // _ROWS), Runner("product")
    _read(runner, rows)
    runner.point(weight_in=packed.buffer, values=found)
    runner.set(groups=groups, tasks=replicas * groups, chunk=_ROWS, columns=found.shape[2])
    runner.run(threads_for(replicas * groups))


def _across(rows: Tensor, right: Tensor) -> Tensor:
    """[R,K,N] of rows [R,n,K], transposed, times [R,n,N]."""
    found, runner = right.new_zeros(len(rows), rows.shape[2], right.shape[2]), Runner("product_across")
    _read(runner, rows)
    runner.point(values=right, totals=found)
    runner.set(tasks=len(rows), columns=right.shape[2])
    runner.run(threads_for(len(rows)))
    return found
