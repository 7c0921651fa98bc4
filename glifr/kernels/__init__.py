"""How a GLIFR layer's sequence is computed: one function a backend, all with the same result to rounding.

reference: the plain loop. torch: delay blocks with a hand-written backward. cpu: the same with products and scans
compiled by numba as one function, in float32. triton: the same over a scan that Triton compiles for CUDA, in float32.
`auto` chooses by device and number type and says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType

import torch

from glifr.errors import InputError, Problem, nearest
from glifr.kernels import blocked, cpu, cuda, reference
from glifr.kernels.sequence import SequenceInput, SequenceResult

BACKENDS = ("auto", "reference", "torch", "cpu", "triton")

RUN: Mapping[str, Callable[[SequenceInput], SequenceResult]] = MappingProxyType(
    {"reference": reference.run, "torch": blocked.run, "cpu": cpu.run, "triton": cuda.run}
)
_COMPILED: Mapping[str, tuple[ModuleType, str]] = MappingProxyType({"cpu": (cpu, "numba"), "triton": (cuda, "triton")})


def check_backend(name: str) -> str:
    """`name`; InputError if there is no such backend."""
    if name not in BACKENDS:
        allowed = f"one of {', '.join(BACKENDS)}"
        raise InputError(Problem("unknown backend", "backend", name, allowed, nearest(str(name), [*BACKENDS])))
    return name


def choose_backend(name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> str:
    """The concrete backend that `name` means on `device` for numbers of `dtype`.

    Raises InputError if `name` is unknown or cannot run there: an explicit choice is never switched silently.
    """
    kind = torch.device(device).type
    if check_backend(name) == "auto":
        name = _automatic(kind, dtype)
    if name in _COMPILED:
        module, library = _COMPILED[name]
        if not module.available():
            allowed = f"the backend auto, torch or reference; or install {library}"
            rule = f"the backend {name!r} needs {library}, which is not installed"
            raise InputError(Problem(rule, "backend", name, allowed))
    if kind not in _devices(name):
        able = ", ".join(other for other in RUN if kind in _usual_devices(other)) or "none"
        allowed = f"on {kind}: {able}; {name} runs on {', '.join(_devices(name))}"
        hint = "with TRITON_INTERPRET=1 set before the start it runs on cpu, slowly" if name == "triton" else ""
        raise InputError(Problem(f"the backend {name!r} cannot run on this device", "device", kind, allowed, hint))
    if name in _COMPILED and dtype != torch.float32:
        allowed = "float32; for others the backend torch or reference"
        raise InputError(Problem(f"the backend {name!r} computes in float32 only", "dtype", dtype, allowed))
    return name


def batches_exactly(backend: str, device: torch.device | str) -> bool:
    """Whether a replica computed among others has the bits that it has alone.

    Vectorised kernels round the ends of an array differently, so of the backends on the CPU only "cpu" promises it; on
    CUDA none does. Raises InputError if `backend` cannot run on `device`.
    """
    return torch.device(device).type == "cpu" and choose_backend(backend, device) == "cpu"


def _automatic(kind: str, dtype: torch.dtype) -> str:
    """The fastest that can run."""
    fastest = {"cpu": "cpu", "cuda": "triton"}.get(kind)
    if fastest is None or dtype != torch.float32 or not _COMPILED[fastest][0].available():
        return "torch"
    return fastest


def _usual_devices(name: str) -> tuple[str, ...]:
    return {"cpu": ("cpu",), "triton": ("cuda",)}.get(name, ("cpu", "cuda"))


def _devices(name: str) -> tuple[str, ...]:
    """Where a backend runs: "triton" on the CPU too, if Triton's interpreter is on."""
    usual = _usual_devices(name)
    return ("cpu", *usual) if name == "triton" and cuda.interpreted() else usual


__all__ = [
    "BACKENDS",
    "RUN",
    "SequenceInput",
    "SequenceResult",
    "batches_exactly",
    "check_backend",
    "choose_backend",
]
