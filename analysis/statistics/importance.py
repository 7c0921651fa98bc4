"""Share of a search's outcome that each hyperparameter explains, within one condition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from glifr.records import Value

EVALUATOR = "permutation importance of a random forest (scikit-learn, 50 trees, 5 permutations)"
FEWEST = 10  # whole trials; a forest on fewer says nothing
_MOST = 400  # trials of a condition; enough for a forest, and quick


Ranges = Mapping[str, Mapping[str, Any]]  # hyperparameter -> low, high and log of its range


def importances(trials: pd.DataFrame, spaces: Mapping[str, Ranges]) -> pd.DataFrame:
    """Computes how much each hyperparameter mattered in the search of each condition.

    Args:
        trials: The trials.
        spaces: What each condition searched.

    Returns:
        Columns condition, hyperparameter, importance, where the shares of a condition add up to 1. Empty where no
        condition has at least `FEWEST` whole trials and two searched hyperparameters.
    """
    whole = trials[(trials["stage"] == "search") & (trials["status"] == "complete")]
    found = []
    for condition, space in spaces.items():
        own = whole[whole["condition"] == condition]
        own = own.iloc[:: math.ceil(len(own) / _MOST) or 1]  # of every repeat, not of the first ones alone
        names = [n for n in space if own[n].notna().all()]
        if len(own) < FEWEST or len(names) < 2:
            continue
        x = np.array([[position(row[n], space[n]) for n in names] for row in own.to_dict("records")])
        shares = _shares(x, np.log(own["value"].to_numpy(dtype=np.float64)))
        found += [(condition, n, share) for n, share in zip(names, shares, strict=True)]
    return pd.DataFrame(found, columns=["condition", "hyperparameter", "importance"])


def place_of(value: Value, choices: Sequence[Value]) -> float:
    """The place of a choice, as a table shows it, counted from 0; NaN for one that is not among them."""
    shown = [as_shown(choice) for choice in choices]
    return float(shown.index(as_shown(value))) if as_shown(value) in shown else math.nan


def as_shown(value: Value) -> str:
    """A choice as text: a column with texts keeps numbers, and true and false, as texts."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # imported where it is used: loading scikit-learn costs more than most reports need
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    forest = RandomForestRegressor(n_estimators=50, random_state=0).fit(x, y)
    raw = permutation_importance(forest, x, y, n_repeats=5, random_state=0).importances_mean
    positive = np.maximum(np.asarray(raw, dtype=np.float64), 0.0)
    total = float(positive.sum())
    return positive / total if total > 0 else np.full(len(positive), np.nan)


def position(value: Value, dimension: Mapping[str, Any]) -> float:
    """Finds where a value lies in its range, on the range's own scale.

    Args:
        value: The value.
        dimension: The range, or choices.

    Returns:
        0 at the low end, 1 at the high end. Of choices, the index; NaN for one that is not among them.
    """
    if "choices" in dimension:
        return place_of(value, dimension["choices"]) / max(1, len(dimension["choices"]) - 1)
    value = float(value)
    low, high = float(dimension["low"]), float(dimension["high"])
    if dimension["log"]:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)
