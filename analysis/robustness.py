"""What networks keep when neurons are silenced: one row a network, its random masks averaged first."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pandas as pd


def per_network(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean over masks: one row a network and share. A mask is nested in its network and never a sample."""
    return rows.groupby(["condition", "seed", "fraction"], sort=False)[column].mean().rename("value").reset_index()


def kept_shares(rows: pd.DataFrame, column: str, chance: float) -> pd.DataFrame:
    """condition, seed, area, half_loss of each network with a performance to lose.

    rows: the silencing table. Performance is counted from chance (0) to the intact network (1). area: under its curve
    over the silenced share, divided by the width of that range; half_loss: the share at which half of it is gone, NaN
    where it never is. A network that is no better than chance when intact has NaN for both.
    """
    found = []
    for key, own in per_network(rows, column).groupby(["condition", "seed"], sort=False):
        condition, seed = cast("tuple[str, int]", key)
        curve = own.sort_values("fraction")
        x, y = curve["fraction"].to_numpy(dtype=np.float64), curve["value"].to_numpy(dtype=np.float64)
        area, half = _area_and_half(x, y, chance)
        found.append((condition, int(seed), area, half))
    return pd.DataFrame(found, columns=["condition", "seed", "area", "half_loss"])


def _area_and_half(x: np.ndarray, y: np.ndarray, chance: float) -> tuple[float, float]:
    if len(x) < 2 or x[0] != 0 or not np.isfinite(y).all() or abs(y[0] - chance) < 0.05 * max(abs(chance), 1e-9):
        return math.nan, math.nan
    kept = (y - chance) / (y[0] - chance)
    area = float(np.trapezoid(kept, x) / (x[-1] - x[0]))
    below = np.flatnonzero(kept <= 0.5)
    if not len(below):
        return area, math.nan
    i = int(below[0])
    return area, float(x[i - 1] + (kept[i - 1] - 0.5) / (kept[i - 1] - kept[i]) * (x[i] - x[i - 1]))
