"""Two groups of networks compared: effect sizes and tests, each guarded against what has no answer.

All functions take values of independent networks in any order and give NaN where nothing can be computed; `obstacle`
says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from scipy import stats

from analysis.statistics.intervals import constant

Values: TypeAlias = Sequence[float] | np.ndarray
_NAN = float("nan")


def clean(values: Values) -> np.ndarray:
    """The values as sorted float64 [n]: sums then do not depend on the order they came in."""
    return np.sort(np.asarray(values, dtype=np.float64))


def obstacle(*groups: Values) -> str:
    """Why no test of these groups can be computed: too few, not finite or without variance; '' where one can."""
    arrays = [clean(g) for g in groups]
    if any(len(x) < 2 for x in arrays):
        return "fewer than two networks"
    if not all(np.isfinite(x).all() for x in arrays):
        return "a value is missing or not finite"
    if any(constant(x) for x in arrays):
        return "all values are equal"
    return ""


def welch(a: Values, b: Values) -> tuple[float, float, float]:
    """Difference of the means of two independent groups, its standard error and Welch's degrees of freedom."""
    if obstacle(a, b):
        return _NAN, _NAN, _NAN
    x, y = clean(a), clean(b)
    u, v = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    df = (u + v) ** 2 / (u**2 / (len(x) - 1) + v**2 / (len(y) - 1))
    return float(x.mean() - y.mean()), float(np.sqrt(u + v)), float(df)


def welch_p(a: Values, b: Values) -> float:
    """Two-sided p of Welch's t test of two independent groups."""
    estimate, error, df = welch(a, b)
    return float(2 * stats.t.sf(abs(estimate) / error, df))


def hedges_g(a: Values, b: Values) -> float:
    """Difference of means over the pooled standard deviation, with the small-sample factor 1 - 3 / (4 N - 9)."""
    if obstacle(a, b):
        return _NAN
    x, y = clean(a), clean(b)
    n = len(x) + len(y)
    pooled = np.sqrt(((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / (n - 2))
    return float((x.mean() - y.mean()) / pooled * (1 - 3 / (4 * n - 9)))


def superiority(a: Values, b: Values) -> float:
    """P(A > B): the share of all pairs in which a network of `a` is above one of `b`, ties counting half."""
    x, y = clean(a), clean(b)
    if not len(x) or not len(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return _NAN
    below = np.searchsorted(y, x, side="left").sum()
    not_above = np.searchsorted(y, x, side="right").sum()
    return float((below + not_above) / 2 / (len(x) * len(y)))


def equivalence_p(differences: Values, margin: float) -> float:
    """p of the two one-sided paired t tests (TOST): small where the mean difference lies within +- `margin`."""
    if obstacle(differences) or not margin > 0:
        return _NAN
    d = clean(differences)
    error = d.std(ddof=1) / np.sqrt(len(d))
    return equivalence_from(float(d.mean()), float(error), len(d) - 1, margin)


def equivalence_from(estimate: float, error: float, df: float, margin: float) -> float:
    """As `equivalence_p`, from an estimate, its standard error and degrees of freedom."""
    above = stats.t.sf((estimate + margin) / error, df)
    below = stats.t.cdf((estimate - margin) / error, df)
    return float(max(above, below))


def sd_ratio(a: Values, b: Values) -> float:
    """The larger over the smaller standard deviation; NaN where either is 0 or unknown."""
    if obstacle(a, b):
        return _NAN
    low, high = sorted((clean(a).std(ddof=1), clean(b).std(ddof=1)))
    return float(high / low)
