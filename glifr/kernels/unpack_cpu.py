# mypy: disable-error-code="untyped-decorator"
"""Brings gradients home: what groups of chunks have summed becomes the gradient of each parameter, in its own layout.

The groups are added in their order, so threads have no part in the result. A parameter that is stored unconstrained
gets the gradient of what is stored, by the derivatives of `read_decay` and `read_multiplier` (glifr/parameters.py).
What is moved: `moves.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glifr.kernels.denormals_cpu import flush_denormals, restore_denormals
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.moves import DECAY, FIELDS, MOVE
from glifr.kernels.pack_cpu import gate_offset, move_of
from glifr.kernels.padding import LANES
from glifr.kernels.vectors import BYTES, get, inlined, load, number_in, store, store_number, take

ROWS = 32  # of a task
_LEAST = 2  # tasks that make another thread worth its start
_ONE, _HALF = np.float32(1), np.float32(0.5)


class Job(NamedTuple):
    """Places in a job."""

    next_task: int = 0
    next_thread: int = 1
    tasks: int = 2
    moves: int = 3
    table: int = 4


_JOB = Job()


@inlined
def _of_stored(how: int, gradient: Any, read: int) -> Any:
    """The gradient of what is stored, from that of what was read from it; read: the address of the latter."""
    if how == 0:
        return gradient
    value = load(read)
    if how == DECAY:
        return gradient * (value * (_ONE - value))
    return gradient * ((value * value - _ONE) * _HALF)


@inlined
def _unpack_row(move: int, k: int) -> None:
    """Row k of the totals, gate by gate."""
    row = get(move, MOVE.place) + 4 * k * get(move, MOVE.columns)
    wide, filled = get(move, MOVE.columns_of_gate), get(move, MOVE.filled_columns)
    column, how = get(move, MOVE.column), get(move, MOVE.how)
    for gate in range(get(move, MOVE.columns) // wide):
        home = get(move, MOVE.parameter) + k * get(move, MOVE.row) + gate_offset(move, gate, MOVE.column_gate)
        source = row + 4 * gate * wide
        for first in range(0, filled, LANES):
            total = load(source)
            for group in range(1, get(move, MOVE.groups)):
                total = total + load(source + group * get(move, MOVE.group))
            total = _of_stored(how, total, get(move, MOVE.second) + 4 * first)
            if column == 4 and first + LANES <= filled:
                store(home, total)
            else:
                for n in range(min(LANES, filled - first)):
                    store_number(home + n * column, number_in(total, n))
            home += LANES * column
            source += BYTES


def build() -> Any:
    """Some rows of a parameter a task."""

    def unpack_rows(job: int) -> None:
        before = flush_denormals()
        move = 0
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            move = move_of(job, get(job, _JOB.table), _JOB.moves, move, task)
            at = get(job, _JOB.table) + 8 * FIELDS * move
            begin = (task - get(at, MOVE.first)) * ROWS
            for k in range(begin, min(begin + ROWS, get(at, MOVE.filled_rows))):
                _unpack_row(at, k)
        restore_denormals(before)

    return unpack_rows


def tasks_of(rows: int) -> int:
    """How many tasks a parameter of so many rows is."""
    return -(-rows // ROWS)


def unpacker(table: np.ndarray) -> Runner:
    """What does the moves of a table, whose addresses are set."""
    tasks = int(table[-1, MOVE.first]) + tasks_of(int(table[-1, MOVE.filled_rows]))
    runner = Runner(compiled(build), Job._fields)
    runner.set(tasks=tasks, moves=len(table), table=table.__array_interface__["data"][0])
    runner.keep(table=table)
    return runner.on(threads_for(-(-tasks // _LEAST)))
