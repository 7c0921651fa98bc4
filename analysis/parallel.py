"""Shares out work that takes seconds among processes, on a machine with cores to spare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

MOST = 4  # processes: each imports what it needs first, which takes as long as several figures
FEWEST_CORES = 4
EACH = 4  # the fewest items that are worth a process

T = TypeVar("T")
R = TypeVar("R")


def processes(items: int) -> int:
    """How many processes share `items`; 1 for none but this."""
    if (os.cpu_count() or 1) < FEWEST_CORES or items < 2 * EACH:
        return 1
    from joblib import cpu_count  # knows what a container or a batch job was given

    return 1 if cpu_count() < FEWEST_CORES else min(MOST, items // EACH)


def shared_out(function: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
    """Results of `function`, one an item and in their order, wherever each was computed."""
    n = processes(len(items))
    if n == 1:
        return function(items)
    from joblib import Parallel, delayed

    parts = Parallel(n_jobs=n)(delayed(function)(items[first::n]) for first in range(n))
    return [parts[place % n][place // n] for place in range(len(items))]


@contextmanager
def processes_ended() -> Iterator[None]:
    """Ends the processes that `shared_out` began: they would else wait minutes for more."""
    try:
        yield
    finally:
        if processes(2 * EACH * FEWEST_CORES) > 1:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True)
