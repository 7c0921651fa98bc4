# mypy: disable-error-code="untyped-decorator"
"""Matrix products for compiled code of one thread: small enough to stay in its caches, between two scans.

A tile of the result, `TALL` rows by `WIDE` vectors, is summed in registers, one multiplication and addition a term, in
the order of the terms; `PART` terms at a time. So a number of the result is the same whatever tile it falls into and
however many rows are computed with it. The inner loop is written as instructions because numba keeps no array in
registers.

Addresses and strides are in bytes. The right operand of `multiply` is packed: column panels of one
vector, [N / 16, K, 16], so that the inner loop reads it in the order of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import binding
from numba import types

from glifr.engine.cpu.intrinsics import called, intrinsic
from glifr.engine.cpu.llvm import BYTES, LANES, Address, Arithmetic, integer, loop, number

PART = 512  # terms summed in registers at once
# What the sums leave of the registers must hold a row of the right operand: 32 registers of a vector, or 16 of half one
TALL, WIDE = (8, 2) if binding.get_host_cpu_features().get("avx512f") else (4, 1)


class _Tile:
    """The product of a tile: c (+)= sum_k a[r,k] b[k,v] for `rows` rows and `vectors` vectors of columns."""

    def __init__(self, rows: int, vectors: int) -> None:
        self._rows, self._vectors = range(rows), range(vectors)
        self._places = [(r, v) for r in self._rows for v in self._vectors]

    def along(self, builder: Any, a: Any, a_stride: Any, b: Any, b_panel: Any, terms: Any) -> list[Any]:
        """The sums, in the order of rows, then vectors. The terms of `a` lie side by side, a_stride is between rows.

        b: packed; b_panel: the distance of its panels.
        """
        to_row = [builder.mul(a_stride, integer(r)) for r in self._rows]
        to_vector = [builder.mul(b_panel, integer(v)) for v in self._vectors]

        def term(_: Any, left: Address, right: Address, *sums: Any) -> list[Any]:
            return [left + 4, right + BYTES, *self._plus(sums, left, to_row, right, to_vector)]

        return loop(builder, terms, [Address(builder, a), Address(builder, b), *self._zeros(builder)], term)[2:]

    def across(self, builder: Any, a: Any, b: Any, strides: Sequence[Any], terms: Any, samples: Any) -> list[Any]:
        """As `along`, where the rows of `a` lie side by side, and those of `b`; summed over the terms of all samples.

        strides: from a term to the next in a and b, from a sample to the next in a and b.
        """
        to_row, to_vector = [integer(4 * r) for r in self._rows], [integer(BYTES * v) for v in self._vectors]
        a_stride, b_stride, a_sample, b_sample = strides

        def term(_: Any, left: Address, right: Address, *sums: Any) -> list[Any]:
            return [left + a_stride, right + b_stride, *self._plus(sums, left, to_row, right, to_vector)]

        def sample(_: Any, left: Address, right: Address, *sums: Any) -> list[Any]:
            return [left + a_sample, right + b_sample, *loop(builder, terms, [left, right, *sums], term)[2:]]

        return loop(builder, samples, [Address(builder, a), Address(builder, b), *self._zeros(builder)], sample)[2:]

    def prefetch(self, builder: Any, c: Any, c_stride: Any) -> None:
        """Asks for the memory of the result, which is there once the sums are."""
        for place in self._result(builder, c, c_stride):
            place.prefetch()

    def _result(self, builder: Any, c: Any, c_stride: Any) -> list[Address]:
        rows = [Address(builder, c) + builder.mul(c_stride, integer(r)) for r in self._rows]
        return [rows[r] + BYTES * v for r, v in self._places]

    def _zeros(self, builder: Any) -> list[Any]:
        return [number(0.0)] * len(self._places)

    def _plus(
        self, sums: Sequence[Any], left: Address, to_row: Sequence[Any], right: Address, to_vector: Sequence[Any]
    ) -> list[Any]:
        of_right = [(right + offset).load() for offset in to_vector]
        of_left = [(left + offset).load_everywhere() for offset in to_row]
        do = Arithmetic(left.builder)
        terms = [do.mul(of_left[r], of_right[v]) for r, v in self._places]
        return [do.add(total, term) for total, term in zip(sums, terms, strict=True)]

    def write(self, builder: Any, sums: Sequence[Any], c: Any, c_stride: Any, add: Any) -> None:
        """To the result; add: whether to what is there."""
        result = self._result(builder, c, c_stride)
        with builder.if_else(builder.icmp_signed("!=", add, integer(0))) as (adding, writing):
            with adding:
                for total, place in zip(sums, result, strict=True):
                    place.store(Arithmetic(builder).add(place.load(), total))
            with writing:
                for total, place in zip(sums, result, strict=True):
                    place.store(total)


def _along(rows: int, vectors: int) -> Any:
    """A function for compiled code: (a, b, strides, terms, c, add), strides of rows of a, panels of b and rows of c."""
    tile = _Tile(rows, vectors)

    @intrinsic
    def product(context: Any, a: Any, b: Any, strides: Any, terms: Any, c: Any, add: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, strides, terms, c, add = arguments
            a_stride, b_panel, c_stride = (builder.extract_value(strides, n) for n in range(3))
            tile.prefetch(builder, c, c_stride)
            tile.write(builder, tile.along(builder, a, a_stride, b, b_panel, terms), c, c_stride, add)
            return context.get_dummy_value()

        return types.void(a, b, strides, terms, c, add), build

    return product


def _across(rows: int, vectors: int) -> Any:
    """A function for compiled code: (a, b, strides, terms, samples, c, c_stride), which adds."""
    tile = _Tile(rows, vectors)

    @intrinsic
    def product(context: Any, a: Any, b: Any, strides: Any, terms: Any, samples: Any, c: Any, c_stride: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, strides, terms, samples, c, c_stride = arguments
            each = [builder.extract_value(strides, n) for n in range(4)]
            tile.prefetch(builder, c, c_stride)
            sums = tile.across(builder, a, b, each, terms, samples)
            tile.write(builder, sums, c, c_stride, integer(1))
            return context.get_dummy_value()

        return types.void(a, b, strides, terms, samples, c, c_stride), build

    return product


_wide, _wide4, _wide2, _wide1 = (_along(rows, WIDE) for rows in (TALL, 4, 2, 1))
_thin, _thin4, _thin2, _thin1 = (_along(rows, 1) for rows in (TALL, 4, 2, 1))
_wide_across, _wide4_across, _wide1_across = (_across(rows, WIDE) for rows in (TALL, 4, 1))
_thin_across, _thin4_across, _thin1_across = (_across(rows, 1) for rows in (TALL, 4, 1))


@called
def _wide_panel(a: int, b: int, strides: Any, rows: int, terms: int, c: int, add: int) -> None:
    (a_stride, _, c_stride), i = strides, 0
    while rows - i >= TALL:
        _wide(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += TALL
    if rows - i >= 4:
        _wide4(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += 4
    if rows - i >= 2:
        _wide2(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += 2
    if rows - i >= 1:
        _wide1(a + i * a_stride, b, strides, terms, c + i * c_stride, add)


@called
def _thin_panel(a: int, b: int, strides: Any, rows: int, terms: int, c: int, add: int) -> None:
    (a_stride, _, c_stride), i = strides, 0
    while rows - i >= TALL:
        _thin(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += TALL
    if rows - i >= 4:
        _thin4(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += 4
    if rows - i >= 2:
        _thin2(a + i * a_stride, b, strides, terms, c + i * c_stride, add)
        i += 2
    if rows - i >= 1:
        _thin1(a + i * a_stride, b, strides, terms, c + i * c_stride, add)


@called
def _wide_panel_across(a: int, b: int, strides: Any, terms: int, samples: int, rows: int, c: int, to: int) -> None:
    i = 0
    while rows - i >= TALL:
        _wide_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += TALL
    if rows - i >= 4:
        _wide4_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += 4
    while i < rows:
        _wide1_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += 1


@called
def _thin_panel_across(a: int, b: int, strides: Any, terms: int, samples: int, rows: int, c: int, to: int) -> None:
    i = 0
    while rows - i >= TALL:
        _thin_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += TALL
    if rows - i >= 4:
        _thin4_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += 4
    while i < rows:
        _thin1_across(a + 4 * i, b, strides, terms, samples, c + i * to, to)
        i += 1


@called
def multiply(left: Any, b: int, result: Any, samples: int, rows: int, terms: int, columns: int, add: int) -> None:
    """c [samples,rows,columns] = a [samples,rows,terms] times b, packed; add: c += that. columns: a multiple of 16.

    left, result: the addresses of a and c, and from a row to the next and from a sample to the next.
    """
    (a, a_row, a_sample), (c, c_row, c_sample), panel = left, result, terms * BYTES
    if rows == 1:  # then samples are as good as rows
        samples, rows, a_row, c_row = 1, samples, a_sample, c_sample
    strides = a_row, panel, c_row
    for first in range(0, terms, PART):
        part, more = min(PART, terms - first), add if first == 0 else 1
        for j in range(0, columns // LANES, WIDE):
            right, place = b + j * panel + first * BYTES, 4 * first
            for n in range(samples):
                from_a, to_c = a + n * a_sample + place, c + n * c_sample + j * BYTES
                if columns // LANES - j >= WIDE:
                    _wide_panel(from_a, right, strides, rows, part, to_c, more)
                else:
                    _thin_panel(from_a, right, strides, rows, part, to_c, more)


@called
def multiply_across(left: Any, right: Any, samples: int, terms: int, rows: int, columns: int, c: int) -> None:
    """c [rows,columns] += the sum over samples of a [terms,rows], transposed, times b [terms,columns].

    columns: a multiple of 16. left, right: the addresses of a and b, and from a term to the next and from a sample to
    the next. All terms are summed in registers at once.
    """
    (a, a_term, a_sample), (b, b_term, b_sample), to = left, right, 4 * columns
    strides = a_term, b_term, a_sample, b_sample
    for j in range(0, columns // LANES, WIDE):
        from_b, to_c = b + j * BYTES, c + j * BYTES
        if columns // LANES - j >= WIDE:
            _wide_panel_across(a, from_b, strides, terms, samples, rows, to_c, to)
        else:
            _thin_panel_across(a, from_b, strides, terms, samples, rows, to_c, to)
