# mypy: disable-error-code="untyped-decorator"
"""Brings parameters into the order in which compiled products read them: column panels of one vector, zeros beyond.

A matrix [K,N] becomes [N / 16, K, 16]. Its rows and its columns may each be gates of some neurons: H numbers of a gate,
which become W, the next multiple of 16. Of one row, that is the row itself, widened. What is stored unconstrained is
read on the way. What is moved: `moves.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from glifr.kernels.denormals_cpu import flush_denormals, restore_denormals
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.moves import DECAY, FIELDS, MOVE, MULTIPLIER
from glifr.kernels.padding import LANES
from glifr.kernels.vectors import (
    BYTES,
    get,
    inlined,
    load,
    number_at,
    sigmoid,
    splat,
    store,
    store_number,
    take,
    tanh,
)

_ZERO, _HALF = np.float32(0), np.float32(0.5)
_LEAST = 2**14  # numbers that make another thread worth its start


class Job(NamedTuple):
    """Places in a job."""

    next_task: int = 0
    next_thread: int = 1
    tasks: int = 2  # panels of all moves
    moves: int = 3
    table: int = 4
    target: int = 5


_JOB = Job()


@inlined
def move_of(job: int, table: int, moves: int, move: int, task: int) -> Any:
    """The move of a task, as its number; looked for from `move` on, as a thread's tasks only rise."""
    while move + 1 < get(job, moves) and get(table + 8 * FIELDS * (move + 1), MOVE.first) <= task:
        move += 1
    return move


@inlined
def gate_offset(move: int, gate: int, stride: int) -> Any:
    """Where a gate begins in the parameter."""
    return (gate ^ (gate >> 1) if get(move, MOVE.swapped) != 0 else gate) * get(move, stride)


@inlined
def _as_read(how: int, stored: Any) -> Any:
    """glifr.parameters.read_decay or read_multiplier."""
    if how == DECAY:
        return sigmoid(stored)
    if how == MULTIPLIER:
        return splat(_ZERO) - tanh(stored * _HALF)
    return stored


@inlined
def _pack_some(target: int, at: int, second: int, column: int, count: int, how: int) -> None:
    """The first `count` of a vector, one by one; zeros beyond."""
    store(target, splat(_ZERO))
    for n in range(count):
        number = number_at(at + n * column)
        if second != 0:
            number += number_at(second + n * column)
        store_number(target + 4 * n, number)
    if how != 0:
        store(target, _as_read(how, load(target)))
        for n in range(count, LANES):
            store_number(target + 4 * n, _ZERO)


@inlined
def _pack_panel(job: int, move: int, panel: int) -> None:
    in_gate, column = get(move, MOVE.rows_of_gate), panel * LANES
    gate, first = column // get(move, MOVE.columns_of_gate), column % get(move, MOVE.columns_of_gate)
    count = max(min(get(move, MOVE.filled_columns) - first, LANES), 0)
    start = gate_offset(move, gate, MOVE.column_gate) + first * get(move, MOVE.column)
    rows, how = get(move, MOVE.rows), get(move, MOVE.how)
    target = get(job, _JOB.target) + get(move, MOVE.place) + panel * rows * BYTES
    whole = count == LANES and get(move, MOVE.column) == 4
    for k in range(rows):
        offset = start + gate_offset(move, k // in_gate, MOVE.row_gate) + k % in_gate * get(move, MOVE.row)
        second = get(move, MOVE.second)
        if second != 0:
            second += offset
        if k % in_gate >= get(move, MOVE.filled_rows):
            store(target, splat(_ZERO))
        elif whole and second == 0:
            store(target, _as_read(how, load(get(move, MOVE.parameter) + offset)))
        else:
            _pack_some(target, get(move, MOVE.parameter) + offset, second, get(move, MOVE.column), count, how)
        target += BYTES


def build() -> Any:
    """Packs, a panel a task."""

    def pack_panels(job: int) -> None:
        before = flush_denormals()
        move = 0
        while True:
            task = take(job)
            if task >= get(job, _JOB.tasks):
                break
            move = move_of(job, get(job, _JOB.table), _JOB.moves, move, task)
            at = get(job, _JOB.table) + 8 * FIELDS * move
            _pack_panel(job, at, task - get(at, MOVE.first))
        restore_denormals(before)

    return pack_panels


def packer(table: np.ndarray, target: Tensor) -> Runner:
    """What does the moves of a table, whose addresses are set, into `target`."""
    panels = table[-1, MOVE.first] + table[-1, MOVE.columns] // LANES
    runner = Runner(compiled(build), Job._fields)
    runner.set(tasks=int(panels), moves=len(table), table=table.__array_interface__["data"][0])
    runner.keep(table=table)
    runner.point(target=target)
    return runner.on(threads_for(-(-target.numel() // _LEAST)))
