"""Python's collector of cycles: it walks all objects again and again while many are made, of records or by imports."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 1  # what was made since the last collection, not what was there before


@contextmanager
def uncollected() -> Iterator[None]:
    """Runs without the collector: what is read, computed or imported has few cycles."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def collect_young() -> None:
    """Frees what was made lately and is in cycles, as a drawn figure is."""
    gc.collect(_YOUNG)


def collect_from_here() -> None:
    """Turns the collector on where a program began without it; what is there by now stays, and is not walked again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
