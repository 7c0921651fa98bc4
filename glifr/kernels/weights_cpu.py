"""What a network's parameters are to backend "cpu": which matrices they are packed into, and which totals are theirs.

Order of the parameters of one replica, each contiguous: GLIFR weight_iv, weight_lat, thresh, trans_k_m, trans_k_j,
trans_r_j, a_j; tanh weight_ih, weight_lat, bias; LSTM weight_ih, weight_hh, bias_ih, bias_hh; then weight and bias of
the readout, if there is one. Replicas follow each other.

Shapes: R replicas, I inputs, H neurons, W width (the next multiple of 16), G gates per neuron (1 but for the LSTM), J
after-spike currents, O outputs, P the next multiple of 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from glifr.engine.cpu.memory import empty
from glifr.kernels.moves import COPIED, DECAY, MOVE, MULTIPLIER, Move, Side, View, move, table_of
from glifr.kernels.padding import LANES, width_for
from glifr.kernels.sizes_cpu import Back, Packed, Sizes, Totals

if TYPE_CHECKING:
    from glifr.kernels.jobs import Runner

_NONE = -1  # the last address of a list: 0


class _Entry(NamedTuple):
    """A move, whose addresses are found when it is used: numbers of addresses, and bytes from there on."""

    move: Move
    parameter: int
    offset: int = 0
    second: int = _NONE
    second_offset: int = 0
    base: int = 0  # of its place


class _Moves:
    """A table to be filled with addresses."""

    def __init__(self, entries: Sequence[_Entry], tasks: Sequence[int]) -> None:
        moves, *numbers = zip(*entries, strict=True)
        self._table = table_of(moves, tasks)
        self._parameter, self._offset, self._second, self._second_offset, self._base = np.array(numbers)

    def at(self, parameters: Sequence[int], seconds: Sequence[int], bases: Sequence[int]) -> np.ndarray:
        """The table with its addresses."""
        table = self._table.copy()
        table[:, MOVE.parameter] = np.array(parameters)[self._parameter] + self._offset
        table[:, MOVE.second] = np.array([*seconds, 0])[self._second] + self._second_offset
        table[:, MOVE.place] += np.array(bases)[self._base]
        return table


def _views(s: Sizes) -> tuple[View, View]:
    """weight_in [I,G*H] and weight_lat [H,G*H] in the parameters of a kind."""
    if s.kind == "lstm":  # torch keeps [G*H,K]
        return tuple(View(1, rows, 0, rows * s.hidden, swapped=True) for rows in (s.inputs, s.hidden))  # type: ignore[return-value]
    return View(s.hidden, 1), View(s.hidden, 1)


class _Sides(NamedTuple):
    """Of the matrices of a network."""

    inputs: Side
    hidden: Side
    columns: Side  # G*H
    outputs: Side
    one: Side

    @staticmethod
    def of(s: Sizes) -> _Sides:
        return _Sides(
            Side(s.inputs, s.inputs),
            Side(s.hidden, s.width),
            Side(s.hidden, s.width, s.gates),
            Side(s.outputs, s.wide_outputs),
            Side(1, 1),
        )


def _packing(s: Sizes, back: Back) -> tuple[list[int], list[_Entry]]:
    """Numbers of each field of `Packed`, and what is moved there."""
    sides, (view_in, view_lat) = _Sides.of(s), _views(s)
    view_out, readout = View(1, s.hidden), s.recurrent
    wide_inputs = Side(s.inputs, width_for(s.inputs))
    hidden_rows = Side(s.hidden, s.hidden)  # of the readout's matrix: only what is filled is read
    # for each field: parameter, view, rows, columns, whether there is one
    matrices = [
        (0, view_in, sides.inputs, sides.columns, True),
        (1, view_lat, sides.hidden, sides.columns, True),
        None,
        (readout, view_out, hidden_rows, sides.outputs, s.outputs > 0),
        (readout + 1, View(0, 1), sides.one, sides.outputs, s.outputs > 0),
        (1, view_lat.transposed, sides.columns, sides.hidden, back.weight_lat),
        (0, view_in.transposed, sides.columns, wide_inputs, back.weight_in),
        (readout, view_out.transposed, sides.outputs, sides.hidden, back.readout and s.outputs > 0),
    ]
    sizes, entries, begin = [], [], 0
    for matrix in matrices:
        if matrix is None:
            size = s.replicas * s.others
            entries += _others_packed(s, begin)
        else:
            parameter, view, rows, columns, there = matrix
            each = rows.gates * rows.wide * columns.gates * columns.wide if there else 0
            size = s.replicas * each
            entries += [
                _Entry(move(view, rows, columns, 4 * (begin + r * each)), r * s.parameters + parameter)
                for r in range(s.replicas if there else 0)
            ]
        sizes.append(size)
        begin += size
    return sizes, entries


def _others_packed(s: Sizes, begin: int) -> list[_Entry]:
    sides, found = _Sides.of(s), list[_Entry]()
    for r in range(s.replicas):
        first = r * s.parameters + 2
        if s.kind == "glifr":
            for row, parameter, j, how in _neuron_rows(s):
                place = 4 * (begin + (row * s.replicas + r) * s.width)
                line = move(View(0, 1), sides.one, sides.hidden, place, how)
                found.append(_Entry(line, first + parameter, 4 * j * s.hidden))
            continue
        lstm = s.kind == "lstm"
        view = View(0, 1, 0, s.hidden, swapped=True) if lstm else View(0, 1)
        line = move(view, sides.one, sides.columns, 4 * (begin + r * s.columns))
        found.append(_Entry(line, first, second=first + 1 if lstm else _NONE))
    return found


def _neuron_rows(s: Sizes) -> list[tuple[int, int, int, int]]:
    """Of each row of neurons [2+3J,R,W]: its number, its parameter after the weights, its current, how it is read."""
    decay, multiplier = (DECAY, MULTIPLIER) if s.stored else (COPIED, COPIED)
    rows = [(0, 0, 0, COPIED), (1, 1, 0, decay)]
    for number, how in enumerate((decay, multiplier, COPIED)):
        rows += [(2 + number * s.ascs + j, 2 + number, j, how) for j in range(s.ascs)]
    return rows


@cache
def _pack_plan(s: Sizes, back: Back) -> tuple[list[int], _Moves]:
    sizes, entries = _packing(s, back)
    return sizes, _Moves(entries, [entry.move.columns // LANES for entry in entries])


def pack(s: Sizes, parameters: Sequence[Tensor], back: Back) -> tuple[Packed, Runner]:
    """The parameters, all contiguous float32, as compiled code reads them, once what is given with it has run."""
    from glifr.kernels.pack_cpu import packer

    sizes, moves = _pack_plan(s, back)
    buffer = empty((sum(sizes),), parameters[0])
    addresses = [p.data_ptr() for p in parameters]
    parts = [part if size else None for part, size in zip(torch.split(buffer, sizes), sizes, strict=True)]
    runner = packer(moves.at(addresses, addresses, (0,)), buffer)
    runner.keep(parameters=parameters)
    return Packed(*parts), runner  # type: ignore[arg-type]


def _unpacking(s: Sizes, groups: tuple[int, ...], wanted: Sequence[bool]) -> list[_Entry]:
    """What brings the totals to the wanted parameters; groups: of the recurrent layer's totals and the readout's."""
    (view_in, view_lat), sides = _views(s), _Sides.of(s)
    total, readout = s.inputs * s.columns + s.width * s.columns + s.others, (s.hidden + 1) * s.wide_outputs
    found = list[_Entry]()
    for r in range(s.replicas):
        begin, first = r * total, r * s.parameters
        lines = [_Entry(move(view_in, sides.inputs, sides.columns, begin), first)]
        begin += s.inputs * s.columns
        lines.append(_Entry(move(view_lat, sides.hidden, sides.columns, begin), first + 1))
        lines += _others_unpacked(s, r, begin + s.width * s.columns)
        found += [_grouped(line, groups[0], s.replicas * total) for line in lines]
        if s.outputs:
            begin, number = r * readout, first + s.recurrent
            weight = move(View(1, s.hidden), sides.hidden, sides.outputs, begin)
            bias = move(View(0, 1), sides.one, sides.outputs, begin + s.hidden * s.wide_outputs)
            lines = [_Entry(weight, number, base=1), _Entry(bias, number + 1, base=1)]
            found += [_grouped(line, groups[1], s.replicas * readout) for line in lines]
    return [entry for entry in found if wanted[entry.parameter]]


def _grouped(entry: _Entry, groups: int, numbers: int) -> _Entry:
    """Its place was in numbers; from here on bytes."""
    moved = entry.move._replace(place=4 * entry.move.place, groups=groups, group=4 * numbers)
    return entry._replace(move=moved)


def _others_unpacked(s: Sizes, r: int, begin: int) -> list[_Entry]:
    sides, first = _Sides.of(s), r * s.parameters + 2
    if s.kind == "lstm":
        view = View(0, 1, 0, s.hidden, swapped=True)
        return [_Entry(move(view, sides.one, sides.columns, begin), first + bias) for bias in (0, 1)]
    if s.kind == "tanh":
        return [_Entry(move(View(0, 1), sides.one, sides.columns, begin), first)]
    found = []
    for row, parameter, j, how in _neuron_rows(s):
        # totals have the three terms of a current side by side
        at = row if parameter < 2 else 2 + 3 * j + parameter - 2
        line = move(View(0, 1), sides.one, sides.hidden, begin + at * s.width, how)
        read = 4 * (row * s.replicas + r) * s.width
        found.append(_Entry(line, first + parameter, 4 * j * s.hidden, 0, read))
    return found


@cache
def _unpack_plan(s: Sizes, groups: tuple[int, ...], wanted: tuple[bool, ...]) -> _Moves | None:
    from glifr.kernels.unpack_cpu import tasks_of

    entries = _unpacking(s, groups, wanted)
    return _Moves(entries, [tasks_of(entry.move.filled_rows) for entry in entries]) if entries else None


def unpack(
    s: Sizes, totals: Totals, others: Tensor, shapes: Sequence[torch.Size], wanted: Sequence[bool]
) -> tuple[list[Tensor | None], Runner | None]:
    """The gradient of each parameter, of its shape, and what writes them; None where not wanted. others: as packed."""
    from glifr.kernels.unpack_cpu import unpacker

    found = [others.new_empty(shape) if want else None for shape, want in zip(shapes, wanted, strict=True)]
    groups = [0 if each is None else each.shape[0] for each in totals]
    moves = _unpack_plan(s, tuple(groups), tuple(wanted))
    if moves is None:
        return found, None
    addresses = [0 if gradient is None else gradient.data_ptr() for gradient in found]
    bases = [0 if each is None else each.data_ptr() for each in totals]
    runner = unpacker(moves.at(addresses, (others.data_ptr(),), bases))
    runner.keep(gradients=found, totals=totals, others=others)
    return found, runner
