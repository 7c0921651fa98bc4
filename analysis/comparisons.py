"""Differences from the reference condition, paired over shared seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.intervals import MeanInterval, t_interval

EXACT_UP_TO = 16
DRAWS = 20_000
_CHUNK = 4096


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of the paired sign-flip permutation test of the mean difference [n]; NaN where all are equal.

    Exact to n = 16; above, 20,000 draws and (b + 1) / (m + 1). The draws are fixed, and rows are sorted first, so that
    equal data give equal p in any order.
    """
    d = np.sort(np.asarray(differences, dtype=np.float64))
    if len(d) < 2 or not np.isfinite(d).all() or d[0] == d[-1]:
        return float("nan")
    # rounding must not part sums that are equal by symmetry
    bound = abs(d.sum()) * (1 - 1e-12) - 1e-300
    if len(d) <= EXACT_UP_TO:
        return _at_least(d, bound, np.arange(1 << len(d))) / (1 << len(d))
    rng = np.random.default_rng(len(d))
    extreme = sum(
        int((np.abs(_signs(rng, min(_CHUNK, DRAWS - done), len(d)) @ d) >= bound).sum())
        for done in range(0, DRAWS, _CHUNK)
    )
    return (extreme + 1) / (DRAWS + 1)


def _signs(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return rng.integers(0, 2, size=(rows, n)) * 2.0 - 1.0


def _at_least(d: np.ndarray, bound: float, patterns: np.ndarray) -> int:
    found = 0
    for begin in range(0, len(patterns), _CHUNK):
        bits = (patterns[begin : begin + _CHUNK, None] >> np.arange(len(d))) & 1
        found += int((np.abs((bits * 2.0 - 1.0) @ d) >= bound).sum())
    return found


def smallest_p(n: int) -> float:
    """The smallest p that `sign_flip_p` can give with n pairs; NaN below two pairs."""
    if n < 2:
        return float("nan")
    return 2.0 ** (1 - n) if n <= EXACT_UP_TO else 1 / (DRAWS + 1)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of a family of p [m]; NaN entries are no tests and stay NaN."""
    raw = np.asarray(p, dtype=np.float64)
    adjusted = np.full(len(raw), np.nan)
    tests = np.flatnonzero(np.isfinite(raw))
    order = tests[np.argsort(raw[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    return adjusted


@dataclass(frozen=True)
class Difference:
    """One condition minus the reference, over the seeds that both have.

    interval: of the differences; its n counts pairs. p: NaN where no test is possible. p_holm: adjusted over all
    differences with a test. smallest_p: what the test could give at best. unpaired: seeds that only one of the two has.
    """

    condition: str
    pairs: pd.Series[float]
    interval: MeanInterval
    p: float
    p_holm: float
    unpaired: tuple[int, ...]

    @property
    def smallest_p(self) -> float:
        return smallest_p(self.interval.n)


def differences_from(values: pd.DataFrame, reference: str) -> list[Difference]:
    """Each other condition minus the reference, paired by seed, in the order of the columns.

    values: a row a seed, a column a condition, NaN where there is no network. Empty without the reference.
    """
    others = [str(name) for name in values.columns if name != reference] if reference in values.columns else []
    pairs = {name: (values[name] - values[reference]).dropna() for name in others}
    p = [sign_flip_p(pairs[name].to_numpy()) for name in others]
    found = []
    for name, raw, adjusted in zip(others, p, holm(p), strict=True):
        t = t_interval(pairs[name].to_numpy())
        alone = values.index[values[name].isna() ^ values[reference].isna()]
        t = replace(t, reason=_in_pairs(t.reason))
        found.append(Difference(name, pairs[name], t, raw, float(adjusted), tuple(int(s) for s in alone)))
    return found


def _in_pairs(reason: str) -> str:
    return {"no finished network": "no seed in common", "one network has no spread": "one pair has no spread"}.get(
        reason, reason
    )
