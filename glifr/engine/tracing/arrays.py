"""Arrays of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def array_of(nodes: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An array of nodes in a shape."""
    found = np.empty(len(nodes), dtype=object)
    found[:] = nodes
    return found.reshape(shape)


def kept_array(found: Any) -> np.ndarray:
    """What indexing an array of nodes gives, as an array."""
    return found if isinstance(found, np.ndarray) else array_of([found], ())
