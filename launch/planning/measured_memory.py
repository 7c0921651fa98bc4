"""Bounds how many trials run at once by the memory that a worker was measured to take, before a node runs out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from launch.planning.placement import BYTES_PER_GB, Node, Resources, slots

_GRID = 1.1  # sizes are rounded up to a power of it: a worker is only used again for a trial that asks for the same
_NAMED = 3


class MeasuredMemory:
    """How many trials run at once, by what one takes and what its largest worker has taken so far.

    Without a measured worker, and where the study declares resources.memory, the declared resources alone count.

    Args:
        declared: What a trial takes.
        nodes: Gives those that are up, now.
        hear: Called with the number of slots and a sentence whenever the measured size leaves fewer of them.
    """

    def __init__(
        self, declared: Resources, nodes: Callable[[], Sequence[Node]], hear: Callable[[int, str], None]
    ) -> None:
        self._declared, self._nodes, self._hear = declared, nodes, hear
        self._peak = 0.0  # GB, of the largest worker so far
        self._told: int | None = None

    @property
    def slots(self) -> int:
        """How many trials run at once; at least 1."""
        nodes = self._nodes()
        return slots(nodes, self._bounded(nodes))

    @property
    def asked(self) -> float:
        """GB of a node that the next trial reserves, so that each node is bounded by its own memory."""
        return self._bounded(self._nodes()).memory

    def grew(self, peak: int) -> None:
        """Hears of a worker's peak, in bytes."""
        if self._declared.memory or peak / BYTES_PER_GB <= self._peak:
            return
        self._peak = peak / BYTES_PER_GB
        nodes = self._nodes()
        before, fit = slots(nodes, self._declared), slots(nodes, self._bounded(nodes))
        if fit < (before if self._told is None else self._told):
            self._told = fit
            self._hear(fit, self._words(nodes, fit, before))

    def _words(self, nodes: Sequence[Node], fit: int, before: int) -> str:
        offers = [f"{node.name} {node.memory:.3g} GB" for node in nodes[:_NAMED]]
        more = f" and {len(nodes) - _NAMED} more nodes" if len(nodes) > _NAMED else ""
        return (
            f"a worker was measured to take {self._peak:.2f} GB of memory, so {fit} of {before} run at once from now "
            f"on (trials are offered: {', '.join(offers)}{more}); resources.memory in the study decides otherwise"
        )

    def _bounded(self, nodes: Sequence[Node]) -> Resources:
        """What a trial takes; with its measured memory only where that leaves fewer slots."""
        most = max((node.memory for node in nodes), default=0.0)
        if self._declared.memory or not self._peak or not 0 < most < math.inf:
            return self._declared
        rounded = _GRID ** math.ceil(math.log(self._peak, _GRID))
        measured = replace(self._declared, memory=min(rounded, most))  # one is always started
        return measured if slots(nodes, measured) < slots(nodes, self._declared) else self._declared
