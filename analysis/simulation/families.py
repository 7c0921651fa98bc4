"""The families of tests of a study, for many studies at once. A test holds that each comes out as `judge` has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from analysis.simulation.nulls import NAMES
from analysis.statistics.comparisons import holm, sign_flip_ps
from analysis.statistics.factorial import factorial
from analysis.statistics.intervals import LEVEL
from glifr.records import Contrast, default_contrasts

ALPHA = 0.05
PLANNED = default_contrasts(list(NAMES), "LHetA")


@dataclass(frozen=True)
class Judgements:
    """Of many studies and a family of contrasts, each [studies, contrasts]; NaN where there is no spread.

    low, high: the interval of the mean difference. p: sign-flip; p_t: paired t test; both after Holm.
    """

    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_t: np.ndarray

    def covers(self, truth: float = 0.0) -> np.ndarray:
        """Whether the interval holds the true difference; NaN without one."""
        holds = (self.low <= truth) & (truth <= self.high)
        return np.where(np.isnan(self.low), np.nan, holds)

    def different(self, by_t: bool = False) -> np.ndarray:
        """Whether a difference is found: better, worse or present."""
        excluded = (self.low > 0) | (self.high < 0)
        return ((self.p_t if by_t else self.p) <= ALPHA) & excluded


@cache
def effects() -> tuple[Contrast, ...]:
    """The contrasts that are the seven effects of the factorial."""
    some = pd.DataFrame(np.random.default_rng(0).normal(size=(3, len(NAMES))), columns=list(NAMES))
    return tuple(effect.judged.contrast for effect in factorial(some, smallest_effect=1.0).effects)


def judgements(values: np.ndarray, contrasts: Sequence[Contrast]) -> Judgements:
    """values: [studies, units, conditions]."""
    d = differences(values, contrasts)
    studies, k, n = d.shape
    mean, error = d.mean(axis=2), d.std(axis=2, ddof=1) / np.sqrt(n)
    error[np.ptp(d, axis=2) == 0] = np.nan
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    p_t = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
    p = sign_flip_ps(d.reshape(studies * k, n)).reshape(studies, k)
    return Judgements(mean - half, mean + half, _holm(p), _holm(p_t))


def equivalents(values: np.ndarray, contrasts: Sequence[Contrast], margin: float) -> np.ndarray:
    """Whether each contrast of each study is called equivalent [studies, contrasts]."""
    d = differences(values, contrasts)
    n = d.shape[2]
    mean, error = d.mean(axis=2), d.std(axis=2, ddof=1) / np.sqrt(n)
    p = np.maximum(stats.t.sf((mean + margin) / error, n - 1), stats.t.cdf((mean - margin) / error, n - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return np.asarray((_holm(p) <= ALPHA) & (np.abs(mean) + half < margin))


def differences(values: np.ndarray, contrasts: Sequence[Contrast]) -> np.ndarray:
    """The difference of each contrast within each unit [studies, contrasts, units]."""
    weights = np.zeros((len(contrasts), len(NAMES)))
    for row, contrast in zip(weights, contrasts, strict=True):
        row[[NAMES.index(name) for name in contrast.of]] = 1 / len(contrast.of)
        row[[NAMES.index(name) for name in contrast.minus]] -= 1 / len(contrast.minus)
    return np.asarray(np.einsum("sun,kn->sku", values, weights))


def _holm(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.apply_along_axis(holm, 1, p))
