"""Compiled code and what it works on: one C function of one address, of a job (`job.py`).

The first places of a job are the counters that threads draw tasks and their own number from, and how many tasks there
are. Which thread does a task has no part in the result. Threads are those of torch's own pool, where that is GNU
OpenMP's, so that no second pool competes for the cores; elsewhere one thread does all.
"""

from __future__ import annotations

import ctypes
import hashlib
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, get_args

import torch
from numba import types
from torch import Tensor

from glifr.engine.cpu import codegen, passes
from glifr.engine.cpu.code_cache import compile_cached, is_kept
from glifr.engine.cpu.intrinsics import OPTIONS, intrinsic
from glifr.engine.cpu.job import JOB
from glifr.engine.layout import Layout

Kind = Literal["coefficients", "forward", "backward", "product", "product_across"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SCAN = types.void(*[types.int64] * 7)
_EMIT: dict[str, Callable[..., None]] = {
    "coefficients": codegen.emit_coefficients,
    "forward": codegen.emit_forward,
    "backward": codegen.emit_backward,
}


@cache
def driver(kind: Kind) -> Any:
    """One of the C functions of `passes.py`, the same for all models."""
    return compile_cached(_driver(kind), types.void(types.int64), OPTIONS)


def drivers_kept() -> bool:
    """True if the cache has the drivers, which take nearly all the time of a compilation."""
    return all(is_kept(_driver(kind)) for kind in KINDS)


def _driver(kind: Kind) -> Callable[..., None]:
    function: Callable[..., None] = getattr(passes, kind)
    return _named(FunctionType(function.__code__, function.__globals__, kind), kind)


@cache
def scan(kind: Kind, layout: Layout) -> Any:
    """One of the C functions of a model, which the driver of that kind calls."""

    def typed(
        context: Any, job: Any, replica: Any, first: Any, count: Any, begin: Any, end: Any, own: Any
    ) -> tuple[Any, Callable[..., Any]]:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _EMIT[kind](builder, layout, *arguments)
            return context.get_dummy_value()

        return _SCAN, build

    # numba's cache cannot keep an intrinsic in a closure, so it becomes a global
    function = FunctionType(_scan.__code__, {"emitted": intrinsic(typed)}, kind)
    return compile_cached(_named(function, f"{layout.plan.model.digest}.{layout.facts}"), _SCAN, OPTIONS)


def _scan(job: int, replica: int, first: int, count: int, begin: int, end: int, own: int) -> None:
    emitted(job, replica, first, count, begin, end, own)  # type: ignore[name-defined] # noqa: F821


def _named(function: FunctionType, facts: str) -> FunctionType:
    """The function under a name that its code has in numba's cache on disk, of the same facts and sources."""
    name = hashlib.sha256(f"{facts}.{_sources()}".encode()).hexdigest()[:24]
    function.__module__, function.__qualname__ = __name__, f"{function.__name__}.{name}"
    return function


@cache
def _sources() -> str:
    """A digest of all that compiled code may be made from: numba's cache looks at one file, not at what it imports."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def pool() -> Any:
    """GOMP_parallel of the OpenMP library that torch uses, None where that is not GNU's: no public one."""
    try:
        call = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes, call.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return call


class Runner:
    """A driver and its job, with counts and addresses of contiguous tensors by the names of `job.Job`."""

    def __init__(self, kind: Kind, layout: Layout | None = None) -> None:
        self._code, self._job, self._used = driver(kind), array("q", bytes(8 * len(JOB))), dict[str, Any]()
        self._address, _ = self._job.buffer_info()
        if layout is not None:
            self._scan = scan(kind, layout)
            self._job[JOB.scan] = self._scan.address

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self._job[getattr(JOB, name)] = value

    def point(self, **tensors: Tensor | None) -> None:
        """Sets addresses of tensors, which stay alive as long as this does or points to another; none is 0."""
        for name, tensor in tensors.items():
            self._used[name] = tensor
            self._job[getattr(JOB, name)] = 0 if tensor is None else tensor.data_ptr()

    def run(self, threads: int) -> None:
        """Does all tasks."""
        self._job[JOB.next_task] = self._job[JOB.next_thread] = 0
        if threads > 1:
            pool()(self._code.address, self._address, threads, 0)
        else:
            self._code.ctypes(self._address)


def threads_for(tasks: int) -> int:
    """How many threads so many tasks are given to."""
    return min(torch.get_num_threads(), tasks) if pool() is not None else 1
