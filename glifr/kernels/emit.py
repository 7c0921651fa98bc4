"""Instructions written one by one, for what numba would not keep in registers: sums and carries over a loop.

A function of values is executed once, while it is compiled; the operations on its values become the instructions. So
loops over what is known then, as how many after-spike currents there are, are unrolled, and `loop` alone makes a loop.
Products and sums may be fused, as in `vectors.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from glifr.kernels.padding import LANES
from glifr.kernels.vectors import FLOATS, everywhere

INTEGER = ir.IntType(64)
_FUSED = ("contract",)
_ANY = 4  # bytes: rows may begin anywhere


class Value:
    """Sixteen float32 numbers in a register."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: Value) -> Value:
        return Value(self.builder, self.builder.fadd(self.value, other.value, flags=_FUSED))

    def __sub__(self, other: Value) -> Value:
        return Value(self.builder, self.builder.fsub(self.value, other.value, flags=_FUSED))

    def __mul__(self, other: Value) -> Value:
        return Value(self.builder, self.builder.fmul(self.value, other.value, flags=_FUSED))


class Address:
    """A place in memory, in bytes."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, offset: int | Any) -> Address:
        """offset: a number, or an integer of the compiled code."""
        return Address(
            self.builder, self.builder.add(self.value, integer(offset) if isinstance(offset, int) else offset)
        )

    def __sub__(self, offset: Any) -> Address:
        return Address(self.builder, self.builder.sub(self.value, offset))

    def load(self) -> Value:
        return Value(self.builder, self.builder.load(self._pointer(FLOATS), align=_ANY))

    def load_everywhere(self) -> Value:
        """The one number there, in all places."""
        return Value(self.builder, everywhere(self.builder, self.builder.load(self._pointer(ir.FloatType()))))

    def store(self, value: Value) -> None:
        self.builder.store(value.value, self._pointer(FLOATS), align=_ANY)

    def prefetch(self, to_write: bool = False) -> None:
        """Asks for the line of memory there, which will be needed soon; anywhere, also where there is none."""
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        stays, data = number(3), number(1)
        self.builder.call(function, [self._pointer(ir.IntType(8)), number(int(to_write)), stays, data])

    def _pointer(self, kind: Any) -> Any:
        return self.builder.inttoptr(self.value, kind.as_pointer())


def integer(value: int) -> Any:
    return ir.Constant(INTEGER, value)


def zeros(builder: Any) -> Value:
    return Value(builder, ir.Constant(FLOATS, [0.0] * LANES))


def loop(builder: Any, count: Any, carried: Sequence[Any], body: Callable[..., Sequence[Any]]) -> list[Any]:
    """Runs `body(left, *carried)` `count` >= 1 times, which gives what the next time carries; what is left at the end.

    left: an integer of the compiled code, from count down to 1. carried: values and addresses.
    """
    before, inside = builder.basic_block, builder.append_basic_block("loop")
    after = builder.append_basic_block("after")
    builder.branch(inside)
    builder.position_at_end(inside)
    left = builder.phi(INTEGER)
    phis = [builder.phi(each.value.type) for each in carried]
    ends = body(left, *(type(each)(builder, phi) for each, phi in zip(carried, phis, strict=True)))
    rest = builder.sub(left, integer(1))
    last = builder.basic_block  # the body may have made others
    for phi, start, end in zip((left, *phis), (count, *_raw(carried)), (rest, *_raw(ends)), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, last)
    builder.cbranch(builder.icmp_signed(">", rest, integer(0)), inside, after)
    builder.position_at_end(after)
    return list(ends)


def _raw(each: Sequence[Any]) -> list[Any]:
    return [one.value for one in each]
