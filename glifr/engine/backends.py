"""Which engine computes a layer's sequence, all with the same result to rounding.

reference: the plain loop. torch: the portable engine, delay blocks around the model's own step. cpu: scans compiled
from the model's graph, in float32. triton: the same for CUDA. `auto` chooses by device, number type and model and says
which.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor

from glifr.engine import cuda, portable, reference
from glifr.engine.definition import NeuronModel
from glifr.engine.notes import PRICE, note_once
from glifr.engine.sequence import SequenceInput, SequenceResult
from glifr.errors import InputError, Problem, nearest

BACKENDS = ("auto", "reference", "torch", "cpu", "triton")


def _run_cpu(sequence: SequenceInput) -> SequenceResult:
    from glifr.engine.cpu import layer  # numba takes a while to import, and may not be there

    return layer.run(sequence)


RUN: Mapping[str, Callable[[SequenceInput], SequenceResult]] = MappingProxyType(
    {"reference": reference.run, "torch": portable.run, "cpu": _run_cpu, "triton": cuda.run}
)
_LIBRARY: Mapping[str, str] = MappingProxyType({"cpu": "numba", "triton": "triton"})  # what compiles


def check_backend(name: str) -> str:
    """`name`; InputError if there is no such backend."""
    if name not in BACKENDS:
        allowed = f"one of {', '.join(BACKENDS)}"
        raise InputError(Problem("unknown backend", "backend", name, allowed, nearest(str(name), [*BACKENDS])))
    return name


def choose_backend(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, model: NeuronModel | None = None
) -> str:
    """Chooses the concrete backend that a name means.

    An explicit choice is never switched silently. A model that cannot be compiled runs on the portable engine if `name`
    is "auto", with one warning.

    Args:
        name: One of `BACKENDS`.
        device: Where the tensors are.
        dtype: Their number type.
        model: The neurons; None for any that can be compiled.

    Returns:
        The name of the backend.

    Raises:
        InputError: `name` is unknown or cannot run there.
    """
    kind = torch.device(device).type
    if check_backend(name) == "auto":
        name = _automatic(kind, dtype, model)
    if name in _LIBRARY:
        _check_compiled(name, model)
    if kind not in _devices(name):
        able = ", ".join(other for other in RUN if kind in _usual_devices(other)) or "none"
        allowed = f"on {kind}: {able}; {name} runs on {', '.join(_devices(name))}"
        hint = "with TRITON_INTERPRET=1 set before the start it runs on cpu, slowly" if name == "triton" else ""
        raise InputError(Problem(f"the backend {name!r} cannot run on this device", "device", kind, allowed, hint))
    if name in _LIBRARY and dtype != torch.float32:
        allowed = "float32; for others the backend torch or reference"
        raise InputError(Problem(f"the backend {name!r} computes in float32 only", "dtype", dtype, allowed))
    return name


def backend_for(name: str, x: Tensor, model: NeuronModel) -> str:
    """Chooses the backend for a call, as `choose_backend`, with regard to what surrounds it.

    Only torch's own operations can be exported and transformed by `torch.func`: within these "auto" is the portable
    engine. A batch of none needs no kernel.

    Args:
        name: One of `BACKENDS`.
        x: The inputs.
        model: The neurons.

    Returns:
        The name of the backend.

    Raises:
        InputError: A compiled backend is named where only torch's own operations can be used.
    """
    backend = choose_backend(name, x.device, x.dtype, model)
    if backend not in _LIBRARY:
        return backend
    exported, transformed = torch.compiler.is_exporting(), torch._C._are_functorch_transforms_active()
    if exported or transformed:
        around = "torch.export" if exported else "torch.func"
        if name != "auto":
            rule = f"the backend {name!r} cannot run within {around}"
            raise InputError(Problem(rule, "backend", name, "the backend auto, torch or reference"))
        if transformed:
            note_once(around, f"{around} runs networks on the portable engine, {PRICE}")
        return "torch"
    return backend if x.numel() else "torch"


def run_sequence(backend: str, sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence in the number type of its tensors, whatever autocast says, which the recurrence may need."""
    device = sequence.x.device
    if not is_autocast(device):
        return RUN[backend](sequence)
    with torch.autocast(device.type, enabled=False):
        return RUN[backend](sequence)


def is_autocast(device: torch.device) -> bool:
    """True within `torch.autocast` for such a device."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def _check_compiled(name: str, model: NeuronModel | None) -> None:
    """Raises InputError if there is no compiler for a backend, or none that could take the model."""
    if not available(name):
        allowed = f"the backend auto, torch or reference; or install {_LIBRARY[name]}"
        rule = f"the backend {name!r} needs {_LIBRARY[name]}, which is not installed"
        raise InputError(Problem(rule, "backend", name, allowed))
    if model is not None:
        model.traced(masked=False)


def batches_exactly(backend: str, device: torch.device | str, model: NeuronModel | None = None) -> bool:
    """Tells whether a replica computed among others has the bits that it has alone.

    Vectorised kernels round the ends of an array differently, so of the backends on the CPU only "cpu" promises it; on
    CUDA none does.

    Args:
        backend: One of `BACKENDS`.
        device: Where the tensors are.
        model: The neurons; None for any that can be compiled.

    Returns:
        True if it does.

    Raises:
        InputError: `backend` cannot run on `device`.
    """
    return torch.device(device).type == "cpu" and choose_backend(backend, device, model=model) == "cpu"


@cache
def available(name: str) -> bool:
    """True if the library that a backend needs is installed."""
    return name not in _LIBRARY or importlib.util.find_spec(_LIBRARY[name]) is not None


def _automatic(kind: str, dtype: torch.dtype, model: NeuronModel | None) -> str:
    """The fastest that can run."""
    fastest = {"cpu": "cpu", "cuda": "triton"}.get(kind)
    if fastest is None or dtype != torch.float32 or not available(fastest):
        return "torch"
    if model is not None and model.unknown:
        note_once(f"portable {model.name} {model.unknown}", uncompiled_words(model))
        return "torch"
    return fastest


def uncompiled_words(model: NeuronModel) -> str:
    """What it means that a model's step cannot be compiled, with the price."""
    return (
        f"the neuron model {model.name!r} uses {model.unknown}, which cannot be compiled: it runs on the portable "
        f"engine, {PRICE}"
    )


def _usual_devices(name: str) -> tuple[str, ...]:
    return {"cpu": ("cpu",), "triton": ("cuda",)}.get(name, ("cpu", "cuda"))


def _devices(name: str) -> tuple[str, ...]:
    """Where a backend runs: "triton" on the CPU too, if Triton's interpreter is on."""
    usual = _usual_devices(name)
    return ("cpu", *usual) if name == "triton" and cuda.interpreted() else usual
