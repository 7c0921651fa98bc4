"""Detects means whose intervals and tests would not hold their level, because of skew or failures."""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.statistics.intervals import ROUNDING

LEVEL = 0.05  # of a study: shared out over its conditions
FAR = 10.0  # robust standard deviations from the median: a normal sample has no such value
FEWEST = 8  # values that the test of skewness needs
# Units with a failed network that leave a test its level. Differences that are 0 but for k equal ones have
# t = sqrt(k (n - 1) / (n - k)), which is not significant for any n up to k = 3.
TOLERATED = 3


def are_skewed(samples: np.ndarray, conditions: int) -> np.ndarray:
    """Tells whether samples are skewed beyond chance.

    They are if D'Agostino's test of skewness rejects at LEVEL over the number of conditions; or a value lies more than
    FAR robust standard deviations (1.4826 times the median absolute deviation) from the median, as that of a failed
    network does.

    Args:
        samples: [m, n], each of one condition of a study.
        conditions: How many conditions the study has.

    Returns:
        Truths [m]; False below FEWEST values, where one is not finite, and where all are equal.
    """
    m, n = samples.shape
    found = np.zeros(m, dtype=bool)
    if n < FEWEST:
        return found
    spread = np.ptp(samples, axis=1) > ROUNDING * np.abs(samples).max(axis=1)
    tested = np.flatnonzero(np.isfinite(samples).all(axis=1) & spread)
    own = samples[tested]
    found[tested] = are_far(own, axis=1).any(axis=1) | (stats.skewtest(own, axis=1).pvalue < LEVEL / conditions)
    return found


def are_far(values: np.ndarray, axis: int) -> np.ndarray:
    """Which values lie further than FAR robust standard deviations from the median along `axis`; of values' shape."""
    away = np.abs(values - np.median(values, axis=axis, keepdims=True))
    return np.asarray(away > FAR * 1.4826 * np.median(away, axis=axis, keepdims=True))


def units_with_failures(values: np.ndarray) -> np.ndarray:
    """In how many units some condition has a value far from its others, of studies [..., units, conditions]: [...]."""
    if not values.size:
        return np.zeros(values.shape[:-2], dtype=int)
    return np.asarray(are_far(values, axis=-2).any(axis=-1).sum(axis=-1))


def failures_decide(values: np.ndarray, lopsided: bool) -> np.ndarray:
    """Tells whether a difference is only one in how often networks fail, which its test cannot judge.

    This is so where one side is lopsided and networks failed in more than TOLERATED units: the mean of eight conditions
    nearly always includes a failed network, that of one seldom does, so that differences are skewed although all
    conditions are alike. Between sides of one kind they are symmetric.

    Args:
        values: Values of its conditions [..., units, conditions].
        lopsided: Whether one side is a mean over more conditions than the other, or weighs them differently.

    Returns:
        Truths [...].
    """
    return np.asarray(lopsided & (units_with_failures(values) > TOLERATED))
