"""Between parameters as networks keep them and matrices as compiled code reads them: geometry, without numba.

A network's parameters are tensors of their own, in the layout of their module; compiled code wants matrices of whole
vectors, filled with zeros. A `Move` is one matrix of one replica: forward it is packed (`pack_cpu.py`); backward its
gradient is brought home (`unpack_cpu.py`). All moves of a network are one table of integers, and so one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COPIED, DECAY, MULTIPLIER = 0, 1, 2  # how a number is read: as it is, `read_decay`, `read_multiplier` (parameters.py)


class Side(NamedTuple):
    """Rows or columns of a matrix: gates of `wide` numbers, of which `filled` come from the parameter."""

    filled: int
    wide: int
    gates: int = 1


class View(NamedTuple):
    """A parameter as a matrix: from a row to the next, from a column to the next, from a gate to the next, in numbers.

    swapped: its gates are in torch's order (input, forget, cell, output), where ours has the output before the cell.
    """

    row: int
    column: int
    row_gate: int = 0
    column_gate: int = 0
    swapped: bool = False

    @property
    def transposed(self) -> View:
        return View(self.column, self.row, self.column_gate, self.row_gate, self.swapped)


class Move(NamedTuple):
    """A row of a table, and at the same time where its numbers stand there; strides in bytes.

    first: its first task. parameter: address, of a gradient backward. second: address of what is added (forward), or of
    the parameter as it was read (backward); 0 for none. place: in the packed numbers, or address of the gradients of
    the first of `groups`, `group` bytes apart. rows_of_task: backward.
    """

    first: int = 0
    parameter: int = 1
    second: int = 2
    row: int = 3
    row_gate: int = 4
    column: int = 5
    column_gate: int = 6
    rows: int = 7
    rows_of_gate: int = 8
    filled_rows: int = 9
    columns: int = 10
    columns_of_gate: int = 11
    filled_columns: int = 12
    swapped: int = 13
    how: int = 14
    place: int = 15
    groups: int = 16
    group: int = 17
    rows_of_task: int = 18


MOVE = Move()
FIELDS = len(MOVE)


def move(view: View, rows: Side, columns: Side, place: int, how: int = COPIED) -> Move:
    """Without addresses, groups and tasks; place in bytes."""
    strides = (4 * view.row, 4 * view.row_gate, 4 * view.column, 4 * view.column_gate)
    row_counts = (rows.gates * rows.wide, rows.wide, rows.filled)
    column_counts = (columns.gates * columns.wide, columns.wide, columns.filled)
    return Move(0, 0, 0, *strides, *row_counts, *column_counts, int(view.swapped), how, place, 0, 0, 0)


def table_of(moves: Sequence[Move], tasks: Sequence[int]) -> np.ndarray:
    """[moves, fields], with the first task of each; tasks: how many each takes."""
    table = np.array(moves, dtype=np.int64).reshape(len(moves), FIELDS)
    table[:, MOVE.first] = np.cumsum([0, *tasks])[:-1]
    return table
