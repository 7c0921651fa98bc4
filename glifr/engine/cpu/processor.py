"""The kind of processor that computes: what compiled code is made for. Bits are equal on one kind alone."""

from __future__ import annotations

import hashlib
from functools import cache

import torch
from numba.core.registry import cpu_target

_DIGITS = 8


@cache
def processor_kind() -> str:
    """The processor as the backend `cpu` and torch use it, as 'znver5 (torch AVX512, features 1f0c77ab)'.

    Name and features are those for which numba compiles, so NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count; torch chooses
    its own kernels, which ATEN_CPU_CAPABILITY can change.
    """
    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    digest = hashlib.sha256(str(features).encode()).hexdigest()[:_DIGITS]
    return f"{name} (torch {torch.backends.cpu.get_cpu_capability()}, features {digest})"
