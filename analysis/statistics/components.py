"""Variance components between the final networks of a condition: the search that chose their settings, and the seed.

A one-way layout with random effects: network = condition's mean + its repeat's share (search) + its own (seed).
Estimates are by the method of moments from the mean squares between and within repeats, also of unequal sizes (Searle,
Casella, McCulloch: Variance Components, 1992, section 3.6); a negative one is given as 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

_NAN = float("nan")


@dataclass(frozen=True)
class Components:
    """Standard deviations as recorded; NaN with the reason.

    Attributes:
        search: Between repeats, beyond what seeds explain.
        seed: Between networks of one repeat.
        share: The search's share of the summed variance, 0 to 1.
        truncated: Whether the search's variance came out negative and is given as 0.
    """

    condition: str
    repeats: int
    networks: int
    search: float
    seed: float
    share: float
    truncated: bool = False
    reason: str = ""


def components(condition: str, values: pd.Series[float], repeat: pd.Series[int]) -> Components:
    """Of the values of a condition's networks and the repeat of each [n networks]."""
    sizes = values.groupby(repeat).size().to_numpy(dtype=np.float64)
    groups, total = len(sizes), float(sizes.sum())
    empty = Components(condition, groups, int(total), _NAN, _NAN, _NAN)
    if groups < 2:
        return _because(empty, "fewer than two repeats")
    if total == groups:
        return _because(empty, "one network per repeat: search and seed cannot be told apart")
    means = values.groupby(repeat).mean().to_numpy(dtype=np.float64)
    inside = float(((values - values.groupby(repeat).transform("mean")) ** 2).sum()) / (total - groups)
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (groups - 1)
    size = (total - float((sizes**2).sum()) / total) / (groups - 1)
    search = (between - inside) / size
    both = max(0.0, search) + inside
    return Components(
        condition=condition,
        repeats=groups,
        networks=int(total),
        search=math.sqrt(max(0.0, search)),
        seed=math.sqrt(inside),
        share=max(0.0, search) / both if both > 0 else _NAN,
        truncated=search < 0,
    )


def _because(empty: Components, reason: str) -> Components:
    return Components(empty.condition, empty.repeats, empty.networks, _NAN, _NAN, _NAN, reason=reason)
