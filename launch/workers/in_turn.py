"""Units whose seeds are trained one after another: what is told of them while they go on, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from glifr.records import EpochRecord, UnitId

EpochsByUnit = Mapping[UnitId, Sequence[EpochRecord]]
Tell = Callable[[EpochsByUnit], None]


@contextmanager
def at_the_end(tell: Tell, wait: bool) -> Iterator[Tell]:
    """`tell`, or, if it is to wait, something that calls it once with all it was told: at the end, or at an early stop.

    A row of W&B is an epoch of all seeds, and of seeds in turn it is complete when the last one has come as far.
    """
    if not wait:
        yield tell
        return
    told: dict[UnitId, list[EpochRecord]] = {}

    def keep(records: EpochsByUnit) -> None:
        for unit, own in records.items():
            told.setdefault(unit, []).extend(own)

    try:
        yield keep
    finally:
        if told:
            tell(told)
