# mypy: disable-error-code="no-untyped-call, attr-defined"
"""Numba's cache on disk as an optimisation that never fails the work: trouble with it costs a compilation.

Numba itself raises whatever comes of a file that a crash has torn, that is unreadable, or that a full disk has no room
for, and that at every start again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from glifr.engine.notes import note_once


def compile_cached(function: Callable[..., Any], signature: Any, options: dict[str, Any]) -> Any:
    """The C function of `function`: from the cache where it is there and whole, else compiled, and kept if possible."""
    code = _Code(function, normalize_signature(signature), locals={}, options=options)
    code.enable_caching()
    code.compile()
    return code


def is_kept(function: Callable[..., Any]) -> bool:
    """True if the cache has code of a function of that qualified name."""
    with suppress(Exception):  # no folder, or one that cannot be read
        folder = Path(FunctionCache(function).cache_path)
        return any(f".{function.__qualname__.rpartition('.')[2]}-" in path.name for path in folder.glob("*.nbi"))
    return False


class _Code(CFunc):
    def enable_caching(self) -> None:
        try:
            self._cache = _Cache(self._pyfunc)
        except Exception as error:  # numba finds no folder that it may write to
            _tell("no folder", error)


class _Cache(FunctionCache):
    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # of a torn pickle nearly anything
            _tell(f"reading {self.cache_path}", error)
        with suppress(Exception):
            self.flush()  # else the index could not be added to either
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _tell(f"writing to {self.cache_path}", error)


def _tell(doing: str, error: Exception) -> None:
    note_once(
        "code cache",
        f"numba's cache of compiled code is of no use ({doing}: {type(error).__name__}: {error}): code is compiled "
        "again, and results are the same. Remove what is there, or set NUMBA_CACHE_DIR to a folder with room",
    )
