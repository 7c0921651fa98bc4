# mypy: disable-error-code="untyped-decorator"
"""The readout y = h W^T + b of backend "cpu", forward and backward, compiled by numba, in float32.

A task is `CHUNK` rows of a replica forward, and a group of such chunks backward, whose weight gradients are added in
the groups' order: a replica's bits are its own on any number of threads. Outputs are padded to whole vectors; of a row
of h only H numbers are read, so that it may be part of a longer one.

Shapes: R replicas, n rows (steps and samples), H neurons, W its next multiple of 16, O outputs, P its next multiple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.memory import empty
from glifr.kernels.pack_cpu import Side, pack, pack_plain
from glifr.kernels.padding import widen, width_for
from glifr.kernels.products_cpu import multiply, multiply_across
from glifr.kernels.vectors import BYTES, get, inlined, load, splat, store, take

CHUNK = 64  # rows
_GROUPS = 8  # at most: how many threads a backward pass of one replica can use
_ZERO = np.float32(0)


class Job(NamedTuple):
    """Places in a job: counts, addresses (0 where there is none), and strides in bytes."""

    next_task: int = 0
    next_thread: int = 1
    tasks: int = 2
    replicas: int = 3
    groups: int = 4  # in each replica
    chunks: int = 5  # in a group
    rows: int = 6
    hidden: int = 7  # H
    width: int = 8  # W
    outputs: int = 9  # P
    h: int = 10
    h_row: int = 11
    h_replica: int = 12
    weight: int = 13  # packed: forward [H,P], backward [P,W]
    bias: int = 14  # [R,P]
    y: int = 15  # [R,n,P], or its gradient
    g_h: int = 16  # [R,n,W]
    g_weight: int = 17  # [groups,R,H + 1,P]; the last row is the bias's
    ones: int = 18  # one number


_JOB = Job()


@inlined
def _rows_of(job: int, number: int) -> Any:
    """First row and number of rows of a chunk."""
    return number * CHUNK, min(CHUNK, get(job, _JOB.rows) - number * CHUNK)


@inlined
def _forward_rows(job: int, replica: int, first: int, count: int) -> None:
    hidden, outputs = get(job, _JOB.hidden), get(job, _JOB.outputs)
    weight = get(job, _JOB.weight) + 4 * replica * hidden * outputs
    bias = get(job, _JOB.bias) + 4 * replica * outputs
    y = get(job, _JOB.y) + 4 * outputs * (replica * get(job, _JOB.rows) + first)
    h = get(job, _JOB.h) + replica * get(job, _JOB.h_replica) + first * get(job, _JOB.h_row)
    for p in range(0, 4 * outputs, BYTES):
        for n in range(count):
            store(y + 4 * n * outputs + p, load(bias + p))
    multiply((h, get(job, _JOB.h_row), 0), weight, (y, 4 * outputs, 0), 1, count, hidden, outputs, 1)


@inlined
def _backward_rows(job: int, replica: int, first: int, count: int, g_weight: int) -> None:
    hidden, width, outputs = get(job, _JOB.hidden), get(job, _JOB.width), get(job, _JOB.outputs)
    place = replica * get(job, _JOB.rows) + first
    y = get(job, _JOB.y) + 4 * outputs * place
    if get(job, _JOB.g_h) != 0:
        weight = get(job, _JOB.weight) + 4 * replica * outputs * width
        g_h = get(job, _JOB.g_h) + 4 * width * place
        multiply((y, 4 * outputs, 0), weight, (g_h, 4 * width, 0), 1, count, outputs, width, 0)
    h = get(job, _JOB.h) + replica * get(job, _JOB.h_replica) + first * get(job, _JOB.h_row)
    multiply_across((h, get(job, _JOB.h_row), 0), (y, 4 * outputs, 0), 1, count, hidden, outputs, g_weight)
    bias = g_weight + 4 * hidden * outputs
    multiply_across((get(job, _JOB.ones), 0, 0), (y, 4 * outputs, 0), 1, count, 1, outputs, bias)


def build_forward() -> Any:
    """Outputs, a chunk of rows a task."""

    def forward(job: int) -> None:
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            per_replica = get(job, _JOB.groups) * get(job, _JOB.chunks)
            first, count = _rows_of(job, task % per_replica)
            if count > 0:
                _forward_rows(job, task // per_replica, first, count)

    return forward


def build_backward() -> Any:
    """Gradients, a group of chunks a task."""

    def backward(job: int) -> None:
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            replica, group = task // get(job, _JOB.groups), task % get(job, _JOB.groups)
            size = 4 * (get(job, _JOB.hidden) + 1) * get(job, _JOB.outputs)
            g_weight = get(job, _JOB.g_weight) + size * (group * get(job, _JOB.replicas) + replica)
            for k in range(0, size, BYTES):
                store(g_weight + k, splat(_ZERO))
            for number in range(group * get(job, _JOB.chunks), (group + 1) * get(job, _JOB.chunks)):
                first, count = _rows_of(job, number)
                if count > 0:
                    _backward_rows(job, replica, first, count, g_weight)

    return backward


def forward(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """h [R,n,H], whose rows are contiguous each, weight [R,O,H], bias [R,O]: [R,n,O]."""
    wide = width_for(weight.shape[1])
    y = empty((*h.shape[:2], wide), h)
    runner = _runner(build_forward, h, wide)
    runner.point(weight=pack_plain(weight.transpose(1, 2)), bias=widen(bias, wide).contiguous(), y=y)
    _run(runner, h, chunks=True)
    return y[..., : weight.shape[1]]


def backward(gradient: Tensor, h: Tensor, weight: Tensor, needs_h: bool) -> tuple[Tensor | None, Tensor, Tensor]:
    """gradient [R,n,O]: those of h [R,n,H], None where not needed, weight [R,O,H] and bias [R,O]."""
    replicas, outputs, hidden = weight.shape
    wide, width, (_, groups) = width_for(outputs), width_for(hidden), _groups(h.shape[1])
    runner = _runner(build_backward, h, wide)
    g_h = empty((*h.shape[:2], width), h) if needs_h else None
    g_weight = empty((groups, replicas, hidden + 1, wide), h)
    gradient = widen(gradient, wide).contiguous()
    runner.point(y=gradient, g_h=g_h, g_weight=g_weight, ones=h.new_ones(1))
    if needs_h:
        runner.point(weight=pack(weight, Side(outputs, wide), Side(hidden, width)))
    _run(runner, h, chunks=False)
    total, *others = g_weight.unbind(0)
    for other in others:
        total += other
    found = None if g_h is None else g_h[..., :hidden]
    return found, total[:, :hidden, :outputs].transpose(1, 2), total[:, hidden, :outputs]


def _groups(rows: int) -> tuple[int, int]:
    """Chunks in a group, and groups of a replica."""
    count = -(-rows // CHUNK)
    chunks = -(-count // min(count, _GROUPS))
    return chunks, -(-count // chunks)


def _runner(build: Any, h: Tensor, wide: int) -> Runner:
    replicas, rows, hidden = h.shape
    runner, (chunks, groups) = Runner(compiled(build), Job._fields), _groups(rows)
    runner.set(replicas=replicas, groups=groups, chunks=chunks, rows=rows, hidden=hidden, outputs=wide)
    runner.set(width=width_for(hidden), h=h.data_ptr(), h_row=4 * h.stride(1), h_replica=4 * h.stride(0))
    runner.keep(h)
    return runner


def _run(runner: Runner, h: Tensor, chunks: bool) -> None:
    per_group, groups = _groups(h.shape[1])
    runner.set(tasks=h.shape[0] * groups * (per_group if chunks else 1))
    runner.run(threads_for(h.shape[0] * groups))
