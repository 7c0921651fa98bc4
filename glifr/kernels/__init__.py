"""How a GLIFR layer's sequence is computed: one function a backend, all with the same result to rounding.

reference: the plain loop. torch: delay blocks with a hand-written backward. `auto` chooses by device and says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

from glifr.errors import InputError, Problem, nearest
from glifr.kernels import blocked, reference
from glifr.kernels.sequence import SequenceInput, SequenceResult

BACKENDS = ("auto", "reference", "torch")

RUN: Mapping[str, Callable[[SequenceInput], SequenceResult]] = MappingProxyType(
    {"reference": reference.run, "torch": blocked.run}
)
_DEVICES: Mapping[str, tuple[str, ...]] = MappingProxyType({"reference": ("cpu", "cuda"), "torch": ("cpu", "cuda")})


def check_backend(name: str) -> str:
    """`name`; InputError if there is no such backend."""
    if name not in BACKENDS:
        allowed = f"one of {', '.join(BACKENDS)}"
        raise InputError(Problem("unknown backend", "backend", name, allowed, nearest(str(name), [*BACKENDS])))
    return name


def choose_backend(name: str, device: torch.device | str = "cpu") -> str:
    """The concrete backend that `name` means on `device`.

    Raises InputError if `name` is unknown or cannot run there: an explicit choice is never switched silently.
    """
    kind = torch.device(device).type
    able = [backend for backend, devices in _DEVICES.items() if kind in devices]
    chosen = "torch" if check_backend(name) == "auto" else name
    if chosen not in able:
        allowed = f"on {kind}: {', '.join(able) or 'none'}; {chosen} runs on {', '.join(_DEVICES[chosen])}"
        raise InputError(Problem(f"the backend {name!r} cannot run on this device", "device", kind, allowed))
    return chosen


__all__ = ["BACKENDS", "RUN", "SequenceInput", "SequenceResult", "check_backend", "choose_backend"]
