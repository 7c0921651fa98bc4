"""Compiled code and what it works on: one C function of one address, of a job (`codegen.Job`).

The first places of a job are the counters that threads draw tasks and their own number from, and how many tasks there
are. Which thread does a task has no part in the result. Threads are those of torch's own pool, where that is GNU
OpenMP's, so that no second pool competes for the cores; elsewhere one thread does all.
"""

from __future__ import annotations

import ctypes
import hashlib
import types as python_types
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from numba import types
from torch import Tensor

from glifr.engine.cpu import codegen
from glifr.engine.cpu.code_cache import compile_cached
from glifr.engine.cpu.codegen import JOB, Layout
from glifr.engine.cpu.intrinsics import field, flush_denormals, intrinsic, restore_denormals, take
from glifr.engine.definition import NeuronModel
from glifr.engine.plan import plan

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
Kind = Literal["coefficients", "forward", "backward"]


@cache
def layout_of(model: NeuronModel, masked: bool, learned: bool) -> Layout:
    """Which memory the scans of a model need. learned: whether gradients of parameters are wanted."""
    return Layout(plan(model, masked), learned)


@cache
def compiled(kind: Kind, model: NeuronModel, masked: bool, learned: bool) -> Any:
    """One of the three C functions of a model; from numba's cache on disk where it is there, of the same graph."""
    layout = layout_of(model, masked, learned)
    emit: dict[str, Callable[..., None]] = {
        "coefficients": lambda builder, job, task, thread: codegen.emit_coefficients(builder, job, task, layout),
        "forward": lambda builder, job, task, thread: codegen.emit_forward(builder, job, task, layout),
        "backward": lambda builder, job, task, thread: codegen.emit_backward(builder, job, task, thread, layout),
    }

    def scan(typing_context: Any, job: Any, task: Any, thread: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit[kind](builder, *arguments)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), build

    names = {
        **{"scan": intrinsic(scan), "take": take, "field": field},
        **{"flush_denormals": flush_denormals, "restore_denormals": restore_denormals},
    }
    function = python_types.FunctionType(_all_tasks.__code__, {**globals(), **names}, kind)
    facts = f"{model.digest}.{masked}.{learned}.{_sources()}"  # the file's name in the cache
    function.__module__, function.__qualname__ = __name__, f"{kind}.{hashlib.sha256(facts.encode()).hexdigest()[:24]}"
    return compile_cached(function, types.void(types.int64), OPTIONS)


def _all_tasks(job: int) -> None:
    """What each thread does; `scan` is put in its place when it is compiled."""
    before = flush_denormals()
    thread = take(job, 1)
    while True:
        task = take(job, 0)
        if task >= field(job, 2):
            break
        scan(job, task, thread)  # type: ignore[name-defined] # noqa: F821
    restore_denormals(before)


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
    """A compiled function and its job, with counts and addresses of contiguous tensors by the names of `codegen.Job`."""

    def __init__(self, code: Any) -> None:
        self._code, self._job, self._used = code, array("q", bytes(8 * len(JOB))), dict[str, Tensor]()
        self._address, _ = self._job.buffer_info()

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self._job[getattr(JOB, name)] = value

    def point(self, **tensors: Tensor) -> None:
        """Sets addresses of tensors, which stay alive as long as this does or points to another."""
        for name, tensor in tensors.items():
            self._used[name] = tensor
            self._job[getattr(JOB, name)] = tensor.data_ptr()

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
