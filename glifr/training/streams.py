"""Named random streams of a seed.

Each seed has its own stream for initialisation, a learned start, data order, dropout and silencing, derived from the
seed, the name and an index (an epoch, a mask). Nothing random is carried from epoch to epoch, so a resumed run draws
what the uninterrupted one would have drawn, and no seed's draws depend on which seeds are trained beside it.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

StreamName = Literal["initialisation", "learned start", "order", "dropout", "silencing"]


def stream(seed: int, name: StreamName, index: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose of one seed."""
    raw = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(raw[:8], "big") >> 1)
