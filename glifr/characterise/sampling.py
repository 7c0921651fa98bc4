"""Chooses the neurons, samples and steps that stand for all: evenly spaced, so that no result decides what is shown."""

from __future__ import annotations

import torch
from torch import Tensor


def evenly(count: int, most: int) -> Tensor:
    """Indices of min(count, most) of 0 .. count-1, evenly spaced from the first to the last, int64."""
    kept = min(count, most)
    if kept < 2:
        return torch.arange(kept)
    return torch.arange(kept) * (count - 1) // (kept - 1)
