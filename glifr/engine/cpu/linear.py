"""A linear readout of R replicas by the products of engine "cpu": a replica's bits are its own, whatever the threads.

The library's products are not so: they round by where operands begin and by the number of threads.

Shapes: R replicas, n rows, H neurons, O outputs, P and W the next multiples of 16 of O and H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from glifr.engine.cpu.blocks import Copies, PanelWeights
from glifr.engine.cpu.jobs import Runner, threads_for
from glifr.engine.cpu.llvm import width_for

_ROWS = 64  # a task


def linear(rows: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
    """[R,n,O] of rows [R,n,H], weights [O,H] and biases [O] of each replica, float32."""
    found: Tensor = _Linear.apply(rows, *weights, *biases)
    return found


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, *tensors: Tensor) -> Tensor:
        rows = rows if rows.stride(2) == 1 else rows.contiguous()
        weights, biases = tensors[: len(rows)], tensors[len(rows) :]
        reading = LinearProducts(rows, weights, biases)
        reading.run()
        ctx.save_for_backward(rows, *weights)
        return reading.outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, *weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates the gradient
            each = [g.t() @ own for g, own in zip(gradient, rows, strict=True)]
            return (torch.bmm(gradient, torch.stack(weights)), *each, *gradient.sum(1))
        replicas, count, hidden = rows.shape
        of_x, *of_others = ctx.needs_input_grad
        of_rows = rows.new_empty(replicas, count, width_for(hidden)) if of_x else None
        of_weights, of_biases = any(of_others[:replicas]), any(of_others[replicas:])
        returning = LinearGradients(rows, weights, of_rows, of_weights, of_biases)
        returning.gradient.copy_(gradient)
        returning.run()
        nothing = [None] * replicas
        return (
            None if of_rows is None else of_rows[..., :hidden],
            *([each.contiguous() for each in returning.weights] if of_weights else nothing),
            *(returning.biases if of_biases else nothing),
        )


class LinearProducts:
    """Memory and jobs of outputs [R,n,O], of tensors as `linear` takes them, read where they are.

    The numbers of a row lie side by side.
    """

    def __init__(self, rows: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        outputs = biases[0].shape[0]
        found = rows.new_zeros(*rows.shape[:2], width_for(outputs))
        self.outputs = found[..., :outputs]
        product, packing = _product(rows, [weight.t() for weight in weights], found, adds=True)
        self._product, self._copied = product, Copies([*packing, *zip(self.outputs, biases, strict=True)])

    def run(self) -> None:
        self._copied.copy()
        self._product.run()


class LinearGradients:
    """The same of gradients. gradient: where that of the outputs is to be written [R,n,O].

    of_rows: where that of the rows is wanted [R,n,W], None where nowhere. weights, biases: views of theirs, [O,H] and
    [O] of each replica; none where they are not wanted.
    """

    def __init__(
        self, rows: Tensor, weights: Sequence[Tensor], of_rows: Tensor | None, of_weights: bool, of_biases: bool
    ) -> None:
        (replicas, count, hidden), outputs = rows.shape, weights[0].shape[0]
        wide = rows.new_zeros(replicas, count, width_for(outputs))
        self.gradient, self._jobs = wide[..., :outputs], list[_Job]()
        packing: list[tuple[Tensor, Tensor]] = []
        if of_rows is not None:
            product, packing = _product(self.gradient, weights, of_rows, adds=False)
            self._jobs.append(product)
        self._copied, self._totals = Copies(packing), list[Tensor]()
        self.weights, self.biases = list[Tensor](), list[Tensor]()
        if of_weights:
            self.weights = [each.t()[:outputs] for each in self._across(rows, wide, hidden)]
        if of_biases:
            ones = rows.new_ones(1).expand(replicas, count, 1)
            self.biases = [each[0, :outputs] for each in self._across(ones, wide, 1)]

    def _across(self, rows: Tensor, right: Tensor, terms: int) -> Tensor:
        """Where [R,K,N] of rows [R,n,K], transposed, times [R,n,N] will be."""
        found, runner = right.new_empty(len(rows), terms, right.shape[2]), _runner("product_across", rows)
        runner.point(values=right, totals=found)
        runner.set(tasks=len(rows), columns=right.shape[2])
        self._jobs.append(_Job(runner, threads_for(len(rows))))
        self._totals.append(found)
        return found

    def run(self) -> None:
        self._copied.copy()
        for total in self._totals:
            total.zero_()
        for job in self._jobs:
            job.run()


class _Job(NamedTuple):
    runner: Runner
    threads: int

    def run(self) -> None:
        self.runner.run(self.threads)


def _runner(kind: Literal["product", "product_across"], rows: Tensor) -> Runner:
    runner, (_, count, terms) = Runner(kind), rows.shape
    runner.point(x=rows)
    runner.set(x_replica=4 * rows.stride(0), row=4 * rows.stride(1), steps=count, inputs=terms)
    return runner


def _product(
    rows: Tensor, matrices: Sequence[Tensor], found: Tensor, adds: bool
) -> tuple[_Job, list[tuple[Tensor, Tensor]]]:
    """Of found [R,n,N] = or += rows [R,n,K] times each [K,N or fewer]: its job, and what is to be copied before."""
    replicas, count, terms = rows.shape
    packed = PanelWeights(replicas, terms, 1, found.shape[2])
    groups, runner = -(-count // _ROWS), _runner("product", rows)
    runner.point(weight_in=packed.buffer, values=found)
    runner.set(groups=groups, tasks=replicas * groups, chunk=_ROWS, columns=found.shape[2], adds=int(adds))
    packing = [pair for r, matrix in enumerate(matrices) for pair in packed.pairs(r, matrix.unsqueeze(1))]
    return _Job(runner, threads_for(replicas * groups)), packing
