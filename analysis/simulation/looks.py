"""Many studies judged from look to look at once. A test holds that each comes out as `analysis.sequential` has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.sequential.futility import FUTILE, chance_of_verdict, last_look
from analysis.sequential.spending import Boundaries, Spending, boundaries, pocock
from analysis.simulation.families import ALPHA, differences, times, undecidable
from analysis.simulation.nulls import NAMES
from analysis.statistics.comparisons import sign_flip_ps
from glifr.records import Contrast, LookDesign

OPEN, DIFFERENT, EQUIVALENT, HOPELESS = 0, 1, 2, 3
_FAR = 5.0  # times a boundary: where the t test's p is further above it, the permutation test is not made


@dataclass(frozen=True)
class Ended:
    """How studies ended.

    Attributes:
        units: Units that each condition had [studies, conditions]; all else is [studies, contrasts].
        covers: 1 if the interval of its last look holds 0, NaN without one.
        total: p of all looks, of a difference and of equivalence [2, studies, contrasts].
    """

    state: np.ndarray
    units: np.ndarray
    covers: np.ndarray
    total: np.ndarray


@dataclass(frozen=True)
class Rules:
    """How looks are taken.

    Attributes:
        margin: Margin of equivalence.
        exact: Whether by the permutation test; otherwise by the t test.
        anytime: Whether differences are tested by a test that holds at any time, without boundaries.
    """

    design: LookDesign
    margin: float
    spending: Spending = pocock
    exact: bool = True
    anytime: bool = False

    @property
    def levels(self) -> Boundaries:
        return boundaries(self.design.sizes, self.spending)


@dataclass
class _Studies:
    """Where many studies stand, between looks. total: p of all looks so far, of a difference and of equivalence."""

    total: np.ndarray
    state: np.ndarray
    covers: np.ndarray
    units: np.ndarray


def play(values: np.ndarray, contrasts: Sequence[Contrast], rules: Rules) -> Ended:
    """values: [studies, most units, conditions], as many as there may be."""
    d = differences(values, contrasts) * np.array([times(c) for c in contrasts])[:, None]
    using = np.array([[name in c.conditions for name in NAMES] for c in contrasts])
    shape = d.shape[:2]
    found = _Studies(np.ones((2, *shape)), np.zeros(shape, int), np.zeros(shape), np.zeros((len(d), len(NAMES)), int))
    for look, n in enumerate(rules.design.sizes):
        needed = ((found.state == OPEN)[:, :, None] & using).any(axis=1)
        found.units = np.where(needed, n, found.units)
        _look(found, d[:, :, :n], undecidable(values[:, :n], contrasts), rules, look)
    return Ended(found.state, found.units, found.covers, found.total)


def _look(found: _Studies, d: np.ndarray, lost: np.ndarray, rules: Rules, look: int) -> None:
    """One look at differences [studies, contrasts, units]. lost: where failed networks decide them."""
    levels, n, open_ = rules.levels, d.shape[2], found.state == OPEN
    mean, sd = d.mean(axis=2), np.where(lost, np.nan, d.std(axis=2, ddof=1))
    sd = np.where(sd > 0, sd, np.nan)  # NaN compares as False: no verdict
    p = _ps(d, mean, sd, open_, rules, look)
    totals = np.stack([levels.total(x, look) for x in p])
    if rules.anytime:
        totals[0] = _anytime(mean, sd, n)
    found.total = np.where(open_, np.fmin(found.total, np.nan_to_num(totals, nan=1.0)), found.total)
    adjusted = _holm(found.total[0]), _holm(found.total[1])
    half = float(stats.t.isf(levels.at(ALPHA)[look] / 2, n - 1)) * sd / np.sqrt(n)
    found.covers = np.where(open_, np.where(np.isnan(half), np.nan, np.abs(mean) <= half), found.covers)
    same = open_ & (adjusted[1] <= ALPHA) & (np.abs(mean) + half < rules.margin)
    differ = open_ & ~same & (adjusted[0] <= ALPHA) & (np.abs(mean) > half)
    found.state = np.where(same, EQUIVALENT, np.where(differ, DIFFERENT, found.state))
    if look + 1 < len(rules.design.sizes):
        hopeless = ~(_chances(mean, sd, n, adjusted, rules) >= FUTILE)
        found.state = np.where((found.state == OPEN) & hopeless, HOPELESS, found.state)


def _ps(
    d: np.ndarray, mean: np.ndarray, sd: np.ndarray, open_: np.ndarray, rules: Rules, look: int
) -> tuple[np.ndarray, np.ndarray]:
    """p of a difference and of equivalence [studies, contrasts]; NaN where there is no spread."""
    n = d.shape[2]
    error = sd / np.sqrt(n)
    p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
    equivalence = stats.t.sf((rules.margin - np.abs(mean)) / error, n - 1)
    if rules.exact:
        near = open_ & (p <= _FAR * float(rules.levels.at(ALPHA)[look]))
        p[near] = sign_flip_ps(d[near])
    return p, equivalence


def _anytime(mean: np.ndarray, sd: np.ndarray, n: int) -> np.ndarray:
    """1 / e of the t statistic, with a normal effect of variance 1 for its alternative: a p that holds at any time.

    The mixture over the scale makes it one of every n at once (Lai, Ann. Stat. 4, 1976).
    """
    t2 = n * (mean / sd) ** 2 / (n - 1)
    e = ((1 + t2) / (1 + t2 / (1 + n))) ** (n / 2) / np.sqrt(1 + n)
    return np.asarray(np.minimum(1.0, 1 / e))


def _holm(p: np.ndarray) -> np.ndarray:
    """Of each study's family [studies, contrasts]."""
    order = np.argsort(p, axis=1, kind="stable")
    steps = np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=1)), axis=1)
    return adjusted


def _chances(
    mean: np.ndarray, sd: np.ndarray, n: int, adjusted: tuple[np.ndarray, np.ndarray], rules: Rules
) -> np.ndarray:
    """The chance of a verdict by the last look [studies, contrasts], at the step of Holm that each has come to."""
    levels, most = rules.levels, rules.design.most
    nominal = float(levels.at(ALPHA)[-1])
    left = [np.maximum(1, (~(x <= ALPHA)).sum(axis=1)) for x in adjusted]
    chance = np.full(mean.shape, np.nan)
    for steps in np.unique(np.stack(left), axis=1).T:
        at = (left[0] == steps[0]) & (left[1] == steps[1])
        different, equivalent = (float(levels.at(ALPHA / tests)[-1]) for tests in steps)
        last = last_look(most, different, equivalent, nominal)
        chance[at] = chance_of_verdict(mean[at], sd[at], n, rules.margin, last)
    return chance
