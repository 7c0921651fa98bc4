# mypy: disable-error-code="untyped-decorator"
"""Sixteen float32 numbers at once, for functions that numba compiles: `a * b + c` on them is one instruction each.

numba's own vectorisation of loops has to prove that arrays do not overlap, which many arrays defeat; here it is not
asked to. The compiler splits vectors into what the processor has (AVX-512 one, AVX2 two, NEON four). Products and sums
may be fused, nothing else is relaxed: NaN and infinity keep their meaning.

`load` and `store` take addresses in bytes, as Python integers in the caller's job; `LANES` numbers are `BYTES` bytes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic
from numba.extending import models, overload, register_model

from glifr.kernels.padding import LANES

BYTES = 4 * LANES
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}

intrinsic: Any = _intrinsic  # numba has types for it that do not know of the context that it fills in
inlined: Any = numba.njit(forceinline=True, **OPTIONS)
called: Any = numba.njit(**OPTIONS)  # compiled once, however often it is used

FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
_ANY = 4  # bytes: rows may begin anywhere


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)  # type: ignore[no-untyped-call]


@intrinsic
def load(typing_context: Any, address: Any) -> Any:
    """The numbers at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], FLOATS.as_pointer()), align=_ANY)

    return vector(types.int64), build


@intrinsic
def store(typing_context: Any, address: Any, value: Any) -> Any:
    """Writes the numbers to an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], FLOATS.as_pointer()), align=_ANY)
        return context.get_dummy_value()

    return types.void(types.int64, vector), build


@intrinsic
def store_number(typing_context: Any, address: Any, value: Any) -> Any:
    """Writes one number to an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], ir.FloatType().as_pointer()), align=_ANY)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), build


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """One number in all places."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return everywhere(builder, arguments[0])

    return vector(types.float32), build


@intrinsic
def number_at(typing_context: Any, address: Any) -> Any:
    """The one number at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()), align=_ANY)

    return types.float32(types.int64), build


@intrinsic
def number_in(typing_context: Any, value: Any, place: Any) -> Any:
    """The one number at a place of a vector."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(*arguments)

    return types.float32(vector, types.int64), build


@intrinsic
def integer_at(typing_context: Any, address: Any) -> Any:
    """The one 64-bit integer at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), build


@inlined
def get(job: int, field: int) -> Any:
    """A count or an address in a job (`jobs.py`)."""
    return integer_at(job + 8 * field)


@intrinsic
def take(typing_context: Any, address: Any) -> Any:
    """The 64-bit integer at an address, which is raised by one for whichever thread comes next."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, context.get_constant(types.int64, 1), "monotonic")

    return types.int64(types.int64), build


@intrinsic
def _clamped(typing_context: Any, value: Any, limit: Any) -> Any:
    """The value, within +-limit; NaN stays NaN."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit = arguments[0], arguments[1]
        above, below = everywhere(builder, limit), everywhere(builder, builder.fneg(limit))
        x = builder.select(builder.fcmp_ordered(">", x, above), above, x)
        return builder.select(builder.fcmp_ordered("<", x, below), below, x)

    return vector(vector, types.float32), build


@intrinsic
def _where_below(typing_context: Any, magnitude: Any, limit: Any, near: Any, far: Any) -> Any:
    """`near` where magnitude < limit, else (and for NaN) `far`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        magnitude, limit, near, far = arguments
        return builder.select(builder.fcmp_ordered("<", magnitude, everywhere(builder, limit)), near, far)

    return vector(vector, types.float32, vector, vector), build


@intrinsic
def _power_of_two(typing_context: Any, shifted: Any) -> Any:
    """2**n of n + _SHIFT, by its bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _INTEGERS)
        return builder.bitcast(builder.shl(bits, ir.Constant(_INTEGERS, [23] * LANES)), FLOATS)

    return vector(vector), build


def everywhere(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, ir.Constant(FLOATS, ir.Undefined), ir.Constant(_INTEGERS, [0] * LANES))


def _arithmetic(instruction: str) -> Any:
    @intrinsic
    def compute(typing_context: Any, left: Any, right: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=("contract",))

        return vector(vector, vector), build

    return compute


def _give(operation: Callable[..., Any], instruction: str) -> None:
    """Lets numba compile `operation` of two vectors, or of a vector and a number."""
    compute = _arithmetic(instruction)

    def of_vectors(left: Any, right: Any) -> Any:
        return compute(left, right)

    def of_vector_and_number(left: Any, right: Any) -> Any:
        return compute(left, splat(right))

    def of_number_and_vector(left: Any, right: Any) -> Any:
        return compute(splat(left), right)

    cases = {
        (vector, vector): of_vectors,
        (vector, types.float32): of_vector_and_number,
        (types.float32, vector): of_number_and_vector,
    }

    @overload(operation, jit_options={"forceinline": True})
    def _(left: Any, right: Any) -> Any:
        return cases.get((left, right))


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _give(_operation, _instruction)

_ONE = np.float32(1)
# exp: Cephes' expf. log 2 in two parts; _SHIFT moves an integer, and the exponent's bias, into the low bits of a float.
_LIMIT = np.float32(87)
_LOG2E, _LOG2_HIGH, _LOG2_LOW = np.float32(1.44269504088896341), np.float32(0.693359375), np.float32(-2.12194440e-4)
_SHIFT = np.float32(12582912 + 127)
_P0, _P1, _P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_P3, _P4, _P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)


@inlined
def exp(x: Any) -> Any:
    """exp to some 2 units in the last place for -87 <= x <= 87, its value there beyond; NaN of NaN."""
    x = _clamped(x, _LIMIT)
    shifted = x * _LOG2E + _SHIFT
    n = shifted - _SHIFT
    r = (x - n * _LOG2_HIGH) - n * _LOG2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    return ((p * r) * r + r + _ONE) * _power_of_two(shifted)


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return _ONE / (_ONE + exp(splat(np.float32(0)) - x))


_NEAR = np.float32(0.625)
_T0, _T1, _T2 = np.float32(-5.70498872745e-3), np.float32(2.06390887954e-2), np.float32(-5.37397155531e-2)
_T3, _T4 = np.float32(1.33314422036e-1), np.float32(-3.33332819422e-1)


@inlined
def tanh(x: Any) -> Any:
    """Cephes' tanhf: a polynomial near zero, where the exponential would lose digits."""
    z = x * x
    near = ((((_T0 * z + _T1) * z + _T2) * z + _T3) * z + _T4) * z * x + x
    far = _ONE - np.float32(2) / (exp(x + x) + _ONE)
    return _where_below(z, _NEAR * _NEAR, near, far)
