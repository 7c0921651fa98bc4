# mypy: disable-error-code="untyped-decorator"
"""What functions that numba compiles do with the processor itself: a job's counters, and how tiny numbers are treated.

A neuron far below its threshold fires at 1e-38 of its rate, and its gradients are smaller still. Many processors take a
hundred times longer for numbers below 1.2e-38, though a float32 sum never shows it: a training step at the size of
pattern generation went from 2 to 13 ms within 3,000 steps, and takes 1 ms without them. How a thread treats these
numbers is a register of its processor, which compiled code sets when it begins and puts back when it ends. Where the
processor has no such register that is known here (x86's MXCSR), nothing is changed.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # numba has types for it that do not know of the context that it fills in
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
called: Any = numba.njit(**OPTIONS)  # compiled once in a function, however often it is used
inlined: Any = numba.njit(forceinline=True, **OPTIONS)
_KNOWN = binding.get_process_triple().startswith(("x86_64", "i686", "amd64"))
_FLUSH = 1 << 15 | 1 << 6  # MXCSR: results that small become zero, and so are operands
_REGISTER = ir.IntType(32)


@intrinsic
def field(typing_context: Any, job: Any, place: Any) -> Any:
    """The 64-bit integer at a place of a job."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, *arguments))

    return types.int64(types.int64, types.int64), build


@intrinsic
def take(typing_context: Any, job: Any, place: Any) -> Any:
    """The same, which is raised by one for whichever thread comes next."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", _place(builder, *arguments), one, "monotonic")

    return types.int64(types.int64, types.int64), build


def _place(builder: Any, job: Any, place: Any) -> Any:
    kind = ir.IntType(64)
    return builder.inttoptr(builder.add(job, builder.mul(place, kind(8))), kind.as_pointer())


@intrinsic
def put(typing_context: Any, address: Any, place: Any, value: Any) -> Any:
    """Writes a 64-bit integer to a place behind an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, *arguments[:2]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def clear(typing_context: Any, address: Any, size: Any) -> Any:
    """So many bytes of zeros."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        cgutils.memset(builder, pointer, arguments[1], 0)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), build


@intrinsic
def call(typing_context: Any, function: Any, arguments: Any) -> Any:
    """Calls the C function at an address with a tuple of integers."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * len(arguments))
        pointer = builder.inttoptr(given[0], kind.as_pointer())
        builder.call(pointer, cgutils.unpack_tuple(builder, given[1], len(arguments)))  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.void(types.int64, arguments), build


@intrinsic
def flush_denormals(typing_context: Any) -> Any:
    """Begins to treat them as zeros; returns what `restore_denormals` takes."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not _KNOWN:
            return ir.Constant(_REGISTER, 0)
        place = cgutils.alloca_once(builder, _REGISTER)  # type: ignore[no-untyped-call]
        _access(builder, "stmxcsr", place)
        before = builder.load(place)
        builder.store(builder.or_(before, ir.Constant(_REGISTER, _FLUSH)), place)
        _access(builder, "ldmxcsr", place)
        return before

    return types.int32(), build


@intrinsic
def restore_denormals(typing_context: Any, before: Any) -> Any:
    """Ends it: they are treated as before."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _KNOWN:
            place = cgutils.alloca_once(builder, _REGISTER)  # type: ignore[no-untyped-call]
            builder.store(arguments[0], place)
            _access(builder, "ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.int32), build


def _access(builder: Any, instruction: str, place: Any) -> None:
    """Between the register and memory."""
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    name = f"llvm.x86.sse.{instruction}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    builder.call(function, [builder.bitcast(place, pointer)])
