# mypy: disable-error-code="untyped-decorator"
"""The readout y = h W^T + b of backend "cpu", forward and backward, compiled by numba, in float32.

A task is `CHUNK` rows of a replica forward, and a group of such chunks backward, whose weight gradients are added in
the groups' order: a replica's bits are its own on any number of threads. Outputs are padded to whole vectors; so are
neurons, of which H are read.

Shapes: R replicas, n rows (steps and samples), H neurons, W its next multiple of 16, O outputs, P its next multiple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from glifr.kernels.denormals_cpu import flush_denormals, restore_denormals
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.engine.cpu.memory import empty
from glifr.kernels.padding import LANES
from glifr.kernels.products_cpu import multiply, multiply_across
from glifr.kernels.sizes_cpu import Packed, Sizes
from glifr.kernels.vectors import BYTES, get, inlined, load, number_at, splat, store, store_number, take

CHUNK = 64  # rows
_GROUPS = 8  # at most: how many threads a backward pass of one replica can use
_ZERO = np.float32(0)


class Job(NamedTuple):
    """Places in a job: counts and addresses (0 where there is none)."""

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
    h: int = 10  # [R,n,W]
    weight: int = 11  # packed: forward [H,P], backward [P,W]
    bias: int = 12  # [R,P]
    y: int = 13  # [R,n,P]
    g_y: int = 14  # [R,n,O]
    filled_outputs: int = 15  # O
    g_h: int = 16  # [R,n,W]
    g_weight: int = 17  # [groups,R,H + 1,P]; the last row is the bias's
    ones: int = 18  # one number
    scratch: int = 19  # [threads,CHUNK,P]


_JOB = Job()


@inlined
def _rows_of(job: int, number: int) -> Any:
    """First row and number of rows of a chunk."""
    return number * CHUNK, min(CHUNK, get(job, _JOB.rows) - number * CHUNK)


@inlined
def _forward_rows(job: int, replica: int, first: int, count: int) -> None:
    hidden, outputs, width = get(job, _JOB.hidden), get(job, _JOB.outputs), get(job, _JOB.width)
    weight = get(job, _JOB.weight) + 4 * replica * hidden * outputs
    bias = get(job, _JOB.bias) + 4 * replica * outputs
    row = replica * get(job, _JOB.rows) + first
    y, h = get(job, _JOB.y) + 4 * outputs * row, get(job, _JOB.h) + 4 * width * row
    for p in range(0, 4 * outputs, BYTES):
        for n in range(count):
            store(y + 4 * n * outputs + p, load(bias + p))
    multiply((h, 4 * width, 0), weight, (y, 4 * outputs, 0), 1, count, hidden, outputs, 1)


@inlined
def _widened(job: int, own: int, row: int, count: int) -> None:
    """Writes some rows of g_y to this thread's scratch, as [count,P]."""
    filled, outputs = get(job, _JOB.filled_outputs), get(job, _JOB.outputs)
    source = get(job, _JOB.g_y) + 4 * filled * row
    for n in range(count):
        place = own + 4 * outputs * n
        store(place + 4 * (outputs - LANES), splat(_ZERO))
        for k in range(filled):
            store_number(place + 4 * k, number_at(source + 4 * k))
        source += 4 * filled


@inlined
def _backward_rows(job: int, replica: int, chunk: Any, g_weight: int, own: int) -> None:
    first, count = chunk
    hidden, width, outputs = get(job, _JOB.hidden), get(job, _JOB.width), get(job, _JOB.outputs)
    row = replica * get(job, _JOB.rows) + first
    _widened(job, own, row, count)
    g_y = own, 4 * outputs, 0
    if get(job, _JOB.g_h) != 0:
        weight = get(job, _JOB.weight) + 4 * replica * outputs * width
        multiply(g_y, weight, (get(job, _JOB.g_h) + 4 * width * row, 4 * width, 0), 1, count, outputs, width, 0)
    multiply_across((get(job, _JOB.h) + 4 * width * row, 4 * width, 0), g_y, 1, count, hidden, outputs, g_weight)
    multiply_across((get(job, _JOB.ones), 0, 0), g_y, 1, count, 1, outputs, g_weight + 4 * hidden * outputs)


def build_forward() -> Any:
    """Outputs, a chunk of rows a task."""

    def forward(job: int) -> None:
        before = flush_denormals()
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            per_replica = get(job, _JOB.groups) * get(job, _JOB.chunks)
            first, count = _rows_of(job, task % per_replica)
            if count > 0:
                _forward_rows(job, task // per_replica, first, count)
        restore_denormals(before)

    return forward


def build_backward() -> Any:
    """Gradients, a group of chunks a task."""

    def backward(job: int) -> None:
        before = flush_denormals()
        outputs = get(job, _JOB.outputs)
        own = get(job, _JOB.scratch) + 4 * CHUNK * outputs * take(job + 8 * _JOB.next_thread)
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            replica, group = task // get(job, _JOB.groups), task % get(job, _JOB.groups)
            size = 4 * (get(job, _JOB.hidden) + 1) * outputs
            g_weight = get(job, _JOB.g_weight) + size * (group * get(job, _JOB.replicas) + replica)
            for k in range(0, size, BYTES):
                store(g_weight + k, splat(_ZERO))
            for number in range(group * get(job, _JOB.chunks), (group + 1) * get(job, _JOB.chunks)):
                chunk = _rows_of(job, number)
                if chunk[1] > 0:
                    _backward_rows(job, replica, chunk, g_weight, own)
        restore_denormals(before)

    return backward


def forward(s: Sizes, packed: Packed, h: Tensor) -> tuple[Tensor, Runner]:
    """h [R,n,W] -> [R,n,O], and what computes it."""
    y = empty((*h.shape[:2], s.wide_outputs), h)
    runner = _runner(build_forward, s, h)
    runner.point(weight=packed.readout, bias=packed.readout_bias, y=y)
    return y[..., : s.outputs], _ready(runner, h, chunks=True)


def backward(
    s: Sizes, packed: Packed, h: Tensor, gradient: Tensor, needs_h: bool
) -> tuple[Tensor | None, Tensor, Runner]:
    """gradient [R,n,O], contiguous: that of h [R,n,W], None where not needed, totals [groups,R,H+1,P], and what
    computes them.
    """
    runner = _runner(build_backward, s, h)
    g_h = empty(h.shape, h) if needs_h else None
    totals = empty((_groups(h.shape[1])[1], s.replicas, s.hidden + 1, s.wide_outputs), h)
    scratch = empty((torch.get_num_threads() * CHUNK * s.wide_outputs,), h)
    runner.point(g_y=gradient, g_h=g_h, g_weight=totals, ones=h.new_ones(1), scratch=scratch)
    if needs_h:
        runner.point(weight=packed.readout_back)
    return g_h, totals, _ready(runner, h, chunks=False)


def _groups(rows: int) -> tuple[int, int]:
    """Chunks in a group, and groups of a replica."""
    count = -(-rows // CHUNK)
    chunks = -(-count // min(count, _GROUPS))
    return chunks, -(-count // chunks)


def _runner(build: Any, s: Sizes, h: Tensor) -> Runner:
    runner, (chunks, groups) = Runner(compiled(build), Job._fields), _groups(h.shape[1])
    runner.set(replicas=s.replicas, groups=groups, chunks=chunks, rows=h.shape[1], hidden=s.hidden, width=s.width)
    runner.set(outputs=s.wide_outputs, filled_outputs=s.outputs)
    runner.point(h=h)
    return runner


def _ready(runner: Runner, h: Tensor, chunks: bool) -> Runner:
    per_group, groups = _groups(h.shape[1])
    runner.set(tasks=h.shape[0] * groups * (per_group if chunks else 1))
    return runner.on(threads_for(h.shape[0] * groups))
