"""Python's collector of cycles: with the records of a study in memory it would walk all of them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 1  # what was made since the last collection, not what was there before


@contextmanager
def uncollected() -> Iterator[None]:
    """Runs without the collector: what is read and computed has few cycles."""
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
