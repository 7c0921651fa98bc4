"""Runs compiled code over tasks, on as many threads as torch has: what all numba kernels of backend "cpu" share.

Compiled code is one C function of one address: of a job, 64-bit integers in the order of a named tuple of places,
counts and addresses of contiguous arrays (bytes). The first three are the counters that threads draw tasks and their
own number from, and how many tasks there are. Which thread does a task has no part in the result.

Threads are those of torch's own pool, where that is GNU OpenMP's, so that no second pool competes for the cores;
elsewhere one thread does all.
"""

from __future__ import annotations

import ctypes
import hashlib
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numba import types
from torch import Tensor

from glifr.engine.cpu.code_cache import compile_cached
from glifr.kernels.vectors import OPTIONS


@cache
def _sources() -> str:
    """A digest of all that compiled code may be made from: numba's cache looks at one file, not at what it imports."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def compiled(build: Callable[..., Any], *facts: Any) -> Any:
    """The C function that `build` describes; from numba's cache on disk where it is there, of the same sources."""
    function = build(*facts)
    function.__qualname__ = f"{function.__qualname__}.{_sources()}"  # names the file in the cache
    return compile_cached(function, types.void(types.int64), OPTIONS)


@cache
def pool() -> Any:
    """GOMP_parallel of the OpenMP library that torch uses, None where that is not GNU's: no public one."""
    try:
        call = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes, call.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return call


@cache
def _numbers_of(places: tuple[str, ...]) -> dict[str, int]:
    return {place: number for number, place in enumerate(places)}


class Runner:
    """Compiled code and its job. places: the named tuple's field names, `next_task`, `next_thread`, `tasks` first."""

    def __init__(self, code: Any, places: tuple[str, ...]) -> None:
        self._code, self._used, self._threads = code, dict[str, Any](), 1
        self._numbers, self._job = _numbers_of(places), array("q", bytes(8 * len(places)))

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self._job[self._numbers[name]] = value

    def point(self, **tensors: Tensor | None) -> None:
        """Sets addresses of contiguous tensors, which stay alive as long as this does or points to another."""
        for name, tensor in tensors.items():
            if tensor is not None:
                self._used[name] = tensor
                self._job[self._numbers[name]] = tensor.data_ptr()

    def keep(self, **memory: Any) -> None:
        """Keeps alive what addresses that were set by themselves lie in."""
        self._used |= memory

    def on(self, threads: int) -> Runner:
        """Itself, to be run on so many threads."""
        self._threads = threads
        return self

    def run(self) -> None:
        """Does all tasks."""
        self._job[0] = self._job[1] = 0  # the counters that threads draw from
        address, _ = self._job.buffer_info()
        if self._threads > 1:
            pool()(self._code.address, address, self._threads, 0)
        else:
            self._code.ctypes(address)


def threads_for(tasks: int) -> int:
    """How many threads so many tasks are given to."""
    return min(torch.get_num_threads(), tasks) if pool() is not None else 1
