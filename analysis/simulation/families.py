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
from analysis.statistics.contrasts import Question
from analysis.statistics.factorial import Effect, factorial
from analysis.statistics.intervals import LEVEL
from analysis.statistics.skewness import failures_decide
from glifr.records import Contrast, default_contrasts

ALPHA = 0.05
SELDOM = 0.02
PLANNED = default_contrasts(list(NAMES), "LHetA")


@dataclass(frozen=True)
class Judgements:
    """Judgements of many studies on a family of contrasts, each [studies, contrasts].

    NaN where there is no spread, or failed networks decide.

    Attributes:
        low: Lower end of the interval of the mean difference.
        high: Upper end.
        p: Of the sign-flip test, after Holm's correction.
        p_t: Of the paired t test, after Holm's correction.
    """

    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_t: np.ndarray

    def covers(self, truth: float = 0.0) -> np.ndarray:
        """True if the interval holds the true difference; NaN without one [studies, contrasts]."""
        holds = (self.low <= truth) & (truth <= self.high)
        return np.where(np.isnan(self.low), np.nan, holds)

    @property
    def tested(self) -> np.ndarray:
        """True if there is an interval, and so a test [studies, contrasts]."""
        return np.asarray(~np.isnan(self.low))

    def coverage(self, of: Sequence[bool] | slice = slice(None)) -> list[tuple[int, int]]:
        """How many intervals of a contrast hold the true difference, 0, and how many there are; from least to most.

        of: the contrasts that are looked at.

        Contrasts with an interval in no more than SELDOM of the studies are left out: a share of so few tells nothing.
        """
        totals, counts = self.tested[:, of].sum(axis=0), np.nansum(self.covers()[:, of], axis=0)
        known = [(int(c), int(n)) for c, n in zip(counts, totals, strict=True) if n > SELDOM * len(self.low)]
        return sorted(known, key=lambda found: found[0] / found[1])

    def different(self, by_t: bool = False) -> np.ndarray:
        """True if a difference is found: better, worse or present."""
        excluded = (self.low > 0) | (self.high < 0)
        return ((self.p_t if by_t else self.p) <= ALPHA) & excluded


@cache
def _crossed() -> tuple[Effect, ...]:
    """The seven effects of the factorial."""
    some = pd.DataFrame(np.random.default_rng(0).normal(size=(3, len(NAMES))), columns=list(NAMES))
    return factorial(some, smallest_effect=1.0).effects


def effects() -> tuple[Contrast, ...]:
    """The contrasts that are the seven effects of the factorial."""
    return tuple(effect.judged.contrast for effect in _crossed())


def times(contrast: Contrast) -> float:
    """By what the difference of its sides is multiplied: an interaction is a difference of differences."""
    found = {effect.judged.contrast: 2.0 ** (len(effect.factors) - 1) for effect in _crossed()}
    return found.get(contrast, 1.0)


def judgements(values: np.ndarray, contrasts: Sequence[Contrast]) -> Judgements:
    """values: [studies, units, conditions]."""
    d = differences(values, contrasts)
    studies, k, n = d.shape
    mean, error = d.mean(axis=2), d.std(axis=2, ddof=1) / np.sqrt(n)
    error[np.ptp(d, axis=2) == 0] = np.nan
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    p_t = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
    p = sign_flip_ps(d.reshape(studies * k, n)).reshape(studies, k)
    for found in (half, p, p_t):
        found[undecidable(values, contrasts)] = np.nan
    return Judgements(mean - half, mean + half, holm_rows(p), holm_rows(p_t))


def equivalents(values: np.ndarray, contrasts: Sequence[Contrast], margin: float) -> np.ndarray:
    """True if each contrast of each study is called equivalent [studies, contrasts]."""
    d = differences(values, contrasts)
    n = d.shape[2]
    mean, error = d.mean(axis=2), d.std(axis=2, ddof=1) / np.sqrt(n)
    p = np.maximum(stats.t.sf((mean + margin) / error, n - 1), stats.t.cdf((mean - margin) / error, n - 1))
    p[undecidable(values, contrasts)] = np.nan
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return np.asarray((holm_rows(p) <= ALPHA) & (np.abs(mean) + half < margin))


def differences(values: np.ndarray, contrasts: Sequence[Contrast]) -> np.ndarray:
    """The difference of each contrast within each unit [studies, contrasts, units]."""
    weights = np.zeros((len(contrasts), len(NAMES)))
    for row, contrast in zip(weights, contrasts, strict=True):
        row[[NAMES.index(name) for name in contrast.of]] = 1 / len(contrast.of)
        row[[NAMES.index(name) for name in contrast.minus]] -= 1 / len(contrast.minus)
    return np.asarray(np.einsum("sun,kn->sku", values, weights))


def undecidable(values: np.ndarray, contrasts: Sequence[Contrast]) -> np.ndarray:
    """Which contrasts of which studies are not tested for it [studies, contrasts]."""
    own = ([NAMES.index(name) for name in contrast.conditions] for contrast in contrasts)
    lopsided = (Question(contrast).lopsided for contrast in contrasts)
    return np.stack([failures_decide(values[..., i], odd) for i, odd in zip(own, lopsided, strict=True)], axis=1)


def holm_rows(p: np.ndarray) -> np.ndarray:
    """Holm's adjustment of each row of p [studies, tests]."""
    return np.asarray(np.apply_along_axis(holm, 1, p))
