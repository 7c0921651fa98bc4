"""Instructions on sixteen float32 numbers at once, written one by one; loops; and sigmoid, tanh and exp of them.

A Python function of values runs once, while code is made; the operations on its values become instructions. So loops
over what is known then, as the parts of a state, are unrolled, and `loop` alone makes a loop. LLVM splits vectors into
what the processor has (AVX-512 one, AVX2 two, NEON four). Products and sums may be fused, nothing else is relaxed: NaN
and infinity keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
BYTES = 4 * LANES
INTEGER = ir.IntType(64)
FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
_FUSED = ("contract",)
_ANY = 4  # bytes: rows may begin anywhere


def width_for(numbers: int) -> int:
    """The next multiple of a vector's numbers."""
    return -(-numbers // LANES) * LANES


def integer(value: int) -> Any:
    """A 64-bit integer as a constant."""
    return ir.Constant(INTEGER, value)


def number(value: float) -> Any:
    """One number in all places."""
    return ir.Constant(FLOATS, [value] * LANES)


class Address:
    """A place in memory, in bytes."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, offset: int | Any) -> Address:
        """offset: a number, or an integer of the compiled code."""
        more = integer(offset) if isinstance(offset, int) else offset
        return Address(self.builder, self.builder.add(self.value, more))

    def __sub__(self, offset: Any) -> Address:
        return Address(self.builder, self.builder.sub(self.value, offset))

    def load(self) -> Any:
        return self.builder.load(self._pointer(FLOATS), align=_ANY)

    def load_everywhere(self) -> Any:
        """The one number there, in all places."""
        one = self.builder.load(self._pointer(ir.FloatType()))
        first = self.builder.insert_element(ir.Constant(FLOATS, ir.Undefined), one, ir.IntType(32)(0))
        everywhere = ir.Constant(_INTEGERS, [0] * LANES)
        return self.builder.shuffle_vector(first, ir.Constant(FLOATS, ir.Undefined), everywhere)

    def load_integer(self) -> Any:
        return self.builder.load(self._pointer(INTEGER))

    def store(self, value: Any) -> None:
        self.builder.store(value, self._pointer(FLOATS), align=_ANY)

    def prefetch(self) -> None:
        """Asks for the line of memory there, which will be needed soon; anywhere, also where there is none."""
        pointer, kind = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [pointer, kind, kind, kind])
        function = cgutils.get_or_insert_function(self.builder.module, signature, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        read, stays, data = kind(0), kind(3), kind(1)
        self.builder.call(function, [self._pointer(ir.IntType(8)), read, stays, data])

    def _pointer(self, kind: Any) -> Any:
        return self.builder.inttoptr(self.value, kind.as_pointer())


def loop(builder: Any, count: Any, carried: Sequence[Any], body: Callable[..., Sequence[Any]]) -> list[Any]:
    """Runs `body(left, *carried)` `count` >= 1 times, which gives what the next time carries; what is left at the end.

    left: an integer of the compiled code, from count down to 1. carried: addresses, and values.
    """
    before, inside = builder.basic_block, builder.append_basic_block("loop")
    after = builder.append_basic_block("after")
    builder.branch(inside)
    builder.position_at_end(inside)
    left = builder.phi(INTEGER)
    phis = [builder.phi(_raw(each).type) for each in carried]
    ends = body(
        left, *(Address(builder, p) if isinstance(c, Address) else p for c, p in zip(carried, phis, strict=True))
    )
    rest = builder.sub(left, integer(1))
    last = builder.basic_block  # the body may have made others
    starts = (count, *(_raw(each) for each in carried))
    for phi, start, end in zip((left, *phis), starts, (rest, *(_raw(each) for each in ends)), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, last)
    builder.cbranch(builder.icmp_signed(">", rest, integer(0)), inside, after)
    builder.position_at_end(after)
    return list(ends)


def _raw(each: Any) -> Any:
    return each.value if isinstance(each, Address) else each


class Arithmetic:
    """Operations on vectors. exp, and with it sigmoid and tanh, are Cephes': right to some 2 in the last place."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=_FUSED)

    def sub(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b, flags=_FUSED)

    def mul(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, flags=_FUSED)

    def div(self, a: Any, b: Any) -> Any:
        return self.builder.fdiv(a, b, flags=_FUSED)

    def less(self, a: Any, b: Any, kind: str = "<") -> Any:
        return self.builder.fcmp_ordered(kind, a, b)

    def choose(self, condition: Any, a: Any, b: Any) -> Any:
        return self.builder.select(condition, a, b)

    def exp(self, x: Any) -> Any:
        """For -87 <= x <= 87, its value there beyond; NaN of NaN."""
        limit, below = number(_LIMIT), number(-_LIMIT)
        x = self.choose(self.less(limit, x), limit, x)
        x = self.choose(self.less(x, below), below, x)
        shifted = self.add(self.mul(x, number(_LOG2E)), number(_SHIFT))
        n = self.sub(shifted, number(_SHIFT))
        r = self.sub(self.sub(x, self.mul(n, number(_LOG2_HIGH))), self.mul(n, number(_LOG2_LOW)))
        p = self.add(self.add(self.mul(self.mul(self._series(_EXP, r), r), r), r), number(1.0))
        bits = self.builder.shl(self.builder.bitcast(shifted, _INTEGERS), ir.Constant(_INTEGERS, [23] * LANES))
        return self.mul(p, self.builder.bitcast(bits, FLOATS))

    def sigmoid(self, x: Any) -> Any:
        one = number(1.0)
        return self.div(one, self.add(one, self.exp(self.builder.fneg(x))))

    def tanh(self, x: Any) -> Any:
        """A polynomial near zero, where the exponential would lose digits."""
        z, one = self.mul(x, x), number(1.0)
        near = self.add(self.mul(self.mul(self._series(_TANH, z), z), x), x)
        far = self.sub(one, self.div(number(2.0), self.add(self.exp(self.add(x, x)), one)))
        return self.choose(self.less(z, number(_NEAR * _NEAR)), near, far)

    def _series(self, coefficients: Sequence[float], x: Any) -> Any:
        total = number(coefficients[0])
        for each in coefficients[1:]:
            total = self.add(self.mul(total, x), number(each))
        return total

    @property
    def table(self) -> Mapping[str, Callable[..., Any]]:
        """What each operation of `graph.py` is here."""
        return {
            "add": self.add,
            "sub": self.sub,
            "mul": self.mul,
            "div": self.div,
            "neg": self.builder.fneg,
            "exp": self.exp,
            "sigmoid": self.sigmoid,
            "tanh": self.tanh,
            "lt": self.less,
            "le": lambda a, b: self.less(a, b, "<="),
            "eq": lambda a, b: self.less(a, b, "=="),
            "and": self.builder.and_,
            "or": self.builder.or_,
            "not": self.builder.not_,
            "where": self.choose,
        }


_LIMIT, _NEAR = 87.0, 0.625
# log 2 in two parts; _SHIFT moves an integer, and the exponent's bias, into the low bits of a float
_LOG2E, _LOG2_HIGH, _LOG2_LOW, _SHIFT = 1.44269504088896341, 0.693359375, -2.12194440e-4, 12582912.0 + 127
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
