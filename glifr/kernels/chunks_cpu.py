"""How backend "cpu" divides a pass, by its sizes alone.

What is chosen here depends neither on threads nor on the number of replicas, so a replica's bits are its own. What a
chunk is: `places_cpu.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

_CHUNK = 16  # samples; what two or three steps' blocks of them need fits the second cache
_BLOCK = 28  # steps whose after-spike currents are recomputed at once
_STRETCH = 256  # rows that make a product with the input, or of a weight gradient, worth its result's way to memory
_GROUPS = 8  # at most: how many threads a backward pass of one replica can use


@dataclass(frozen=True)
class Division:
    """Of `batch` samples and `steps` steps.

    chunk: samples that one thread takes through all steps. groups of so many chunks: their gradients are added in their
    order. block: steps whose synaptic input is computed at once, at most the delay. stretch: steps of some blocks.
    """

    batch: int
    steps: int
    delay: int
    chunk: int
    chunks: int
    groups: int
    block: int
    stretch: int

    @property
    def blocks(self) -> int:
        return -(-self.steps // self.block)

    @property
    def tasks(self) -> int:
        """Chunks of a replica."""
        return -(-self.batch // self.chunk)


@cache
def divide(batch: int, steps: int, delay: int) -> Division:
    """The division of B samples and T steps, where lateral input takes D."""
    chunk = _CHUNK if batch >= 2 * _CHUNK else -(-batch // 2)  # of few samples, half
    count = -(-batch // chunk)
    chunks = -(-count // min(count, _GROUPS))
    block = min(delay, _BLOCK)
    stretch = block * -(-_STRETCH // (block * chunk))
    return Division(batch, steps, delay, chunk, chunks, -(-count // chunks), block, stretch)
