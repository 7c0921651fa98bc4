"""The chance that what is still open gets a verdict by the last look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

FUTILE = 0.1  # below this chance of a verdict a contrast or effect stops, for good


@dataclass(frozen=True)
class LastLook:
    """What the last look would ask of a mean, in standard errors, with so many units.

    Attributes:
        different: The least size that is called a difference.
        equivalent: How far inside the margin a mean must lie.
    """

    units: int
    different: float
    equivalent: float


def last_look(units: int, boundary: float, boundary_equivalence: float, nominal: float) -> LastLook:
    """boundary, boundary_equivalence: the levels of the two tests there. nominal: that of the interval."""
    df = units - 1
    inside = float(stats.t.isf(nominal / 2, df))  # the interval must lie there too
    different, equivalent = stats.t.isf(boundary / 2, df), stats.t.isf(boundary_equivalence, df)
    return LastLook(units, max(float(different), inside), max(float(equivalent), inside))


def chance_of_verdict(mean: np.ndarray, sd: np.ndarray, n: int, margin: float, last: LastLook) -> np.ndarray:
    """The predictive chance of a difference, or of equivalence if that is likelier, of means of n < last.units pairs.

    The true mean is taken to be normal about the one that is seen, with its standard error; so the mean at the last
    look is normal about it with variance sd^2 (1 / n - 1 / units). NaN where there is no spread.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = sd * np.sqrt(1 / n - 1 / last.units)
        error = sd / np.sqrt(last.units)
        far, near = last.different * error, np.maximum(0.0, margin - last.equivalent * error)
        different = stats.norm.sf((far - mean) / ahead) + stats.norm.sf((far + mean) / ahead)
        equivalent = stats.norm.cdf((near - mean) / ahead) - stats.norm.cdf((-near - mean) / ahead)
        return np.where(sd > 0, np.maximum(different, equivalent), np.nan)
