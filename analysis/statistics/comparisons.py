"""The test that contrasts are decided by, and the correction for testing many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from analysis.statistics.intervals import ROUNDING

EXACT_UP_TO = 16
DRAWS = 20_000
_CHUNK = 4096
_CELLS = 1 << 21  # sums held at once


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> float:
    """Computes the two-sided p of the paired sign-flip permutation test of the mean difference.

    Exact to n = 16; above, 20,000 draws and (b + 1) / (m + 1). The draws are fixed, and rows are sorted first, so that
    equal data give equal p in any order. It needs no spread: equal differences give the smallest p, zeros 1.

    Args:
        differences: One per pair [n].

    Returns:
        p; NaN below two pairs, or if one is not finite.
    """
    return float(sign_flip_ps(np.asarray(differences, dtype=np.float64)[None])[0])


def sign_flip_ps(differences: np.ndarray) -> np.ndarray:
    """`sign_flip_p` of each row of many samples of one size [m, n]: p [m]."""
    d = np.sort(np.asarray(differences, dtype=np.float64), axis=1)
    m, n = d.shape
    p = np.full(m, np.nan)
    tested = np.flatnonzero(np.isfinite(d).all(axis=1)) if n >= 2 else np.array([], dtype=int)
    for begin in range(0, len(tested), _CHUNK):
        rows = tested[begin : begin + _CHUNK]
        p[rows] = _p_of(d[rows].T)
    return p


def _p_of(d: np.ndarray) -> np.ndarray:
    """p [m] of samples [n, m], each sorted and finite."""
    n = len(d)
    # rounding must not part sums that are equal by symmetry
    bound = np.abs(d.sum(axis=0)) - ROUNDING * np.abs(d).sum(axis=0)
    if n <= EXACT_UP_TO:
        # a pattern and its opposite give the same size of sum: half of them is enough
        return _at_least(d, bound, _patterns(n)) / (1 << (n - 1))
    return (_at_least(d, bound, _signs(n)) + 1) / (DRAWS + 1)


def largest_sign_flip_p(differences: np.ndarray) -> float:
    """p of the largest of several mean differences of the same pairs [k, n]; see `largest_sign_flip_ps`."""
    return float(largest_sign_flip_ps(np.asarray(differences, dtype=np.float64)[None])[0])


def largest_sign_flip_ps(differences: np.ndarray) -> np.ndarray:
    """Tests whether any of several differences of the same pairs has a mean other than 0, in many samples.

    The largest t of the k differences is compared with its distribution when all differences of a pair change sign
    together. This needs no sphericity, only that a pair's differences are as likely with all signs flipped. Exact to n
    = 16, as `sign_flip_p`.

    Args:
        differences: [m, k, n]: m samples of k differences in n pairs.

    Returns:
        p [m]; NaN below two pairs, or if a difference is not finite.
    """
    d = np.asarray(differences, dtype=np.float64)
    m, _, n = d.shape
    p = np.full(m, np.nan)
    for place in np.flatnonzero(np.isfinite(d).all(axis=(1, 2))) if n >= 2 else ():
        p[place] = _p_of_largest(d[place])
    return p


def _p_of_largest(d: np.ndarray) -> float:
    """p of differences [k, n]. t grows with the sum over the root of the sum of squares, which no sign changes."""
    d = d[:, np.lexsort(d[::-1])]  # equal data in any order take equal draws
    size = np.sqrt((d**2).sum(axis=1, keepdims=True))
    scaled = np.divide(d, size, out=np.zeros_like(d), where=size > 0)
    bound = np.abs(scaled.sum(axis=1)).max() - ROUNDING * np.abs(scaled).sum(axis=1).max()
    signs = _columns(d.shape[1])
    found = int((np.abs(scaled @ signs).max(axis=0) >= bound).sum())
    return found / signs.shape[1] if d.shape[1] <= EXACT_UP_TO else (found + 1) / (DRAWS + 1)


@lru_cache(maxsize=2)
def _columns(n: int) -> np.ndarray:
    """The signs of n pairs as numbers, a column a draw."""
    return np.ascontiguousarray((_patterns(n) if n <= EXACT_UP_TO else _signs(n)).T, dtype=np.float64)


@lru_cache(maxsize=2)
def _patterns(n: int) -> np.ndarray:
    """All signs of n pairs with the last one kept [2^(n-1), n], each -1 or 1."""
    bits = (np.arange(1 << (n - 1), 1 << n)[:, None] >> np.arange(n)) & 1
    return bits.astype(np.int8) * np.int8(2) - np.int8(1)


@lru_cache(maxsize=1)
def _signs(n: int) -> np.ndarray:
    """The draws for n pairs [DRAWS, n], each -1 or 1; all contrasts of a study take the same."""
    rng = np.random.default_rng(n)
    draws = [rng.integers(0, 2, size=(min(_CHUNK, DRAWS - done), n)) for done in range(0, DRAWS, _CHUNK)]
    return np.concatenate(draws).astype(np.int8) * np.int8(2) - np.int8(1)


def _at_least(d: np.ndarray, bound: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """How many rows of `signs` [k, n] give a sum of d [n, m] that is at least `bound` [m] in size."""
    found = np.zeros(d.shape[1], dtype=np.int64)
    step = max(1, _CELLS // d.shape[1])
    for begin in range(0, len(signs), step):
        sums = signs[begin : begin + step].astype(np.float64) @ d
        found += (np.abs(sums, out=sums) >= bound).sum(axis=0)
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
