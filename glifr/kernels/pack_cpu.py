# mypy: disable-error-code="untyped-decorator"
"""Brings weights into the order in which compiled products read them: column panels of one vector, filled with zeros.

A matrix [K,N] becomes [N / 16, K, 16]. Its rows and its columns may each be gates of some neurons: H numbers of a gate,
which become W, the next multiple of 16.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.padding import LANES, width_for
from glifr.kernels.vectors import BYTES, get, load, number_at, splat, store, store_number, take

_ZERO = np.float32(0)
_LEAST = 2**14  # numbers that make another thread worth its start


class Job(NamedTuple):
    """Places in a job: counts, addresses, and strides in bytes."""

    next_task: int = 0
    next_thread: int = 1
    tasks: int = 2  # panels of all replicas
    panels: int = 3  # of a replica
    rows: int = 4  # K of the result
    rows_of_gate: int = 5  # W, of which so many are filled:
    filled_rows: int = 6
    columns_of_gate: int = 7
    filled_columns: int = 8
    source: int = 9
    source_replica: int = 10
    row: int = 11
    row_gate: int = 12
    column: int = 13
    column_gate: int = 14
    target: int = 15


_JOB = Job()


def build() -> Any:
    """Packs, a panel a task."""

    def pack_panels(job: int) -> None:
        rows, in_gate = get(job, _JOB.rows), get(job, _JOB.rows_of_gate)
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            replica, column = task // get(job, _JOB.panels), task % get(job, _JOB.panels) * LANES
            gate, first = column // get(job, _JOB.columns_of_gate), column % get(job, _JOB.columns_of_gate)
            count = max(min(get(job, _JOB.filled_columns) - first, LANES), 0)
            source = get(job, _JOB.source) + replica * get(job, _JOB.source_replica)
            source += gate * get(job, _JOB.column_gate) + first * get(job, _JOB.column)
            target = get(job, _JOB.target) + task * rows * BYTES
            for k in range(rows):
                at = source + k // in_gate * get(job, _JOB.row_gate) + k % in_gate * get(job, _JOB.row)
                if k % in_gate >= get(job, _JOB.filled_rows):
                    store(target, splat(_ZERO))
                elif count == LANES and get(job, _JOB.column) == 4:
                    store(target, load(at))
                else:
                    store(target, splat(_ZERO))
                    for n in range(count):
                        store_number(target + 4 * n, number_at(at + n * get(job, _JOB.column)))
                target += BYTES

    return pack_panels


class Side(NamedTuple):
    """Rows or columns of a matrix: gates of `wide` numbers, of which `filled` come from the source."""

    filled: int
    wide: int
    gates: int = 1

    def strides(self, stride: int) -> tuple[int, int]:
        """From a number to the next, and from a gate to the next, in bytes; stride: of the source."""
        return 4 * stride, 4 * stride * self.filled


def pack(source: Tensor, rows: Side, columns: Side) -> Tensor:
    """source [R, rows, columns], with any strides -> [R, columns / 16, rows, 16]."""
    panels, count = columns.gates * columns.wide // LANES, rows.gates * rows.wide
    found = source.new_empty(source.shape[0], panels, count, LANES)
    (row, row_gate), (column, column_gate) = rows.strides(source.stride(1)), columns.strides(source.stride(2))
    runner = Runner(compiled(build), Job._fields)
    runner.set(tasks=source.shape[0] * panels, panels=panels, rows=count)
    runner.set(rows_of_gate=rows.wide, filled_rows=rows.filled, row=row, row_gate=row_gate)
    runner.set(columns_of_gate=columns.wide, filled_columns=columns.filled, column=column, column_gate=column_gate)
    runner.set(source=source.data_ptr(), source_replica=4 * source.stride(0))
    runner.point(target=found)
    runner.keep(source)
    runner.run(threads_for(-(-found.numel() // _LEAST)))
    return found


def pack_plain(source: Tensor) -> Tensor:
    """[R,K,N] without gates; columns are filled up to whole vectors."""
    _, rows, columns = source.shape
    return pack(source, Side(rows, rows), Side(columns, width_for(columns)))


__all__ = ["Side", "pack", "pack_plain"]
