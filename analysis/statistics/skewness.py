"""Whether the mean of a condition's networks is one that a t interval covers as it says."""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.statistics.intervals import ROUNDING

LEVEL = 0.05  # of a study: shared out over its conditions
FAR = 10.0  # robust standard deviations from the median: a normal sample has no such value
FEWEST = 8  # values that the test of skewness needs


def are_skewed(samples: np.ndarray, conditions: int) -> np.ndarray:
    """Whether samples [m, n], each of one of so many conditions of a study, are skewed beyond chance [m].

    D'Agostino's test of skewness, at LEVEL over the number of conditions; or a value more than FAR robust standard
    deviations (1.4826 times the median absolute deviation) from the median, as that of a failed network is. False below
    FEWEST values, where one is not finite, and where all are equal.
    """
    m, n = samples.shape
    found = np.zeros(m, dtype=bool)
    if n < FEWEST:
        return found
    spread = np.ptp(samples, axis=1) > ROUNDING * np.abs(samples).max(axis=1)
    tested = np.flatnonzero(np.isfinite(samples).all(axis=1) & spread)
    own = samples[tested]
    away = np.abs(own - np.median(own, axis=1, keepdims=True))
    far = away.max(axis=1) > FAR * 1.4826 * np.median(away, axis=1)
    found[tested] = far | (stats.skewtest(own, axis=1).pvalue < LEVEL / conditions)
    return found
