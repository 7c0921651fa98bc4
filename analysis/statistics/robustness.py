"""Loss of performance when neurons are silenced: one row per network, its random masks averaged first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from analysis.measure import Measure

# of the way from chance to a perfect accuracy, or from the loss of chance to zero: an intact network that is not so
# far has too little to lose, and shares of it are noise
LEAST = 0.1
_COLUMNS = ("condition", "seed", "area", "half_loss", "reason")


@dataclass(frozen=True)
class _Curve:
    """One network's curve [k]: shares silenced, rising from 0, and the measure at each."""

    shares: np.ndarray
    values: np.ndarray


def per_network(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean over masks: one row per network and share. A mask is nested in its network and never a sample."""
    return rows.groupby(["condition", "seed", "fraction"], sort=False)[column].mean().rename("value").reset_index()


def silenced_networks(rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Summarises the silencing curve of each network.

    Args:
        rows: The silencing table.
        measure: What networks are compared by.

    Returns:
        Columns condition, seed, area, half_loss, reason. area: under the curve over the silenced share, divided by the
        width of that range. An accuracy counts from chance (0) to the intact network (1), cut to this range; a loss has
        no lower end to count from, so its area is the mean loss. half_loss: the share at which half of the way from the
        intact network to chance is gone, NaN where it never is. reason: why there is no area or, for a loss, no
        half_loss.
    """
    found = []
    for key, own in per_network(rows, measure.column).groupby(["condition", "seed"], sort=False):
        condition, seed = cast("tuple[str, int]", key)
        ordered = own.sort_values("fraction")
        curve = _Curve(*(ordered[name].to_numpy(dtype=np.float64) for name in ("fraction", "value")))
        found.append((condition, int(seed), *_judged(curve, measure)))
    return pd.DataFrame(found, columns=_COLUMNS)


def _judged(curve: _Curve, measure: Measure) -> tuple[float, float, str]:
    """Area, share at half loss, and why one is missing."""
    if len(curve.shares) < 2 or curve.shares[0] != 0:
        return math.nan, math.nan, "needs the intact network and a silenced share"
    if not np.isfinite(curve.values).all():
        return math.nan, math.nan, "a value is not finite"
    plain = math.nan if measure.higher_is_better else _area(curve.shares, curve.values)
    if reason := _nothing_to_lose(float(curve.values[0]), measure):
        return plain, math.nan, reason
    chance = cast("float", measure.chance)
    kept = (curve.values - chance) / (curve.values[0] - chance)
    area = _area(curve.shares, np.clip(kept, 0, 1)) if measure.higher_is_better else plain
    return area, _half(curve.shares, kept), ""


def _nothing_to_lose(intact: float, measure: Measure) -> str:
    """Why shares of what an intact network has above chance mean nothing; '' where they do."""
    if measure.chance is None:
        return "chance is not known"
    best = 1.0 if measure.higher_is_better else 0.0
    above = (intact - measure.chance) / (best - measure.chance)
    return "" if above >= LEAST else "near chance"


def _area(shares: np.ndarray, values: np.ndarray) -> float:
    return float(np.trapezoid(values, shares) / (shares[-1] - shares[0]))


def _half(shares: np.ndarray, kept: np.ndarray) -> float:
    """The first share at which half is gone, between the measured ones along straight lines."""
    below = np.flatnonzero(kept <= 0.5)
    if not len(below):
        return math.nan
    i = int(below[0])
    return float(shares[i - 1] + (kept[i - 1] - 0.5) / (kept[i - 1] - kept[i]) * (shares[i] - shares[i - 1]))
