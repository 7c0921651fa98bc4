"""The Triton kernels, imported anew: whether they are compiled or interpreted is settled when they are imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from glifr import kernels
from glifr.kernels import cuda

_MODULES = ("scan_triton", "scan_triton_launch")


def _forget() -> None:
    for name in _MODULES:
        sys.modules.pop(f"glifr.kernels.{name}", None)
        vars(kernels).pop(name, None)
    cuda._engine.cache_clear()


@contextmanager
def kernels_interpreted(interpreted: bool) -> Iterator[None]:
    """Within, backend "triton" is Triton's interpreter on the CPU, or compiled; after, as the environment says."""
    importlib.import_module("triton")  # its own library, once for all tests, as the environment says
    patch = pytest.MonkeyPatch()
    patch.setenv("TRITON_INTERPRET", str(int(interpreted)))
    _forget()
    try:
        yield
    finally:
        patch.undo()
        _forget()
