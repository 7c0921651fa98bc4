"""The test that contrasts are decided by, and the correction for testing many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from analysis.intervals import ROUNDING

EXACT_UP_TO = 16
DRAWS = 20_000
_CHUNK = 4096


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of the paired sign-flip permutation test of the mean difference [n]; NaN below two, or not finite.

    Exact to n = 16; above, 20,000 draws and (b + 1) / (m + 1). The draws are fixed, and rows are sorted first, so that
    equal data give equal p in any order. It needs no spread: equal differences give the smallest p, zeros 1.
    """
    d = np.sort(np.asarray(differences, dtype=np.float64))
    if len(d) < 2 or not np.isfinite(d).all():
        return float("nan")
    # rounding must not part sums that are equal by symmetry
    bound = abs(d.sum()) - ROUNDING * np.abs(d).sum()
    if len(d) <= EXACT_UP_TO:
        return _at_least(d, bound, np.arange(1 << len(d))) / (1 << len(d))
    extreme = sum(int((np.abs(signs @ d) >= bound).sum()) for signs in _chunks(_signs(len(d))))
    return (extreme + 1) / (DRAWS + 1)


@lru_cache(maxsize=1)
def _signs(n: int) -> np.ndarray:
    """The draws for n pairs [DRAWS, n], each -1 or 1; all contrasts of a study take the same."""
    rng = np.random.default_rng(n)
    draws = [rng.integers(0, 2, size=(min(_CHUNK, DRAWS - done), n)) for done in range(0, DRAWS, _CHUNK)]
    return np.concatenate(draws).astype(np.int8) * np.int8(2) - np.int8(1)


def _chunks(signs: np.ndarray) -> Iterator[np.ndarray]:
    return (signs[begin : begin + _CHUNK].astype(np.float64) for begin in range(0, DRAWS, _CHUNK))


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


def units_needed(tests: int, alpha: float) -> int:
    """The fewest pairs with which a p of `sign_flip_p` can stay at most `alpha` after Holm over `tests`."""
    return next(n for n in range(2, EXACT_UP_TO + 2) if smallest_p(n) * tests <= alpha or n > EXACT_UP_TO)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of a family of p [m]; NaN entries are no tests and stay NaN."""
    raw = np.asarray(p, dtype=np.float64)
    adjusted = np.full(len(raw), np.nan)
    tests = np.flatnonzero(np.isfinite(raw))
    order = tests[np.argsort(raw[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    return adjusted
