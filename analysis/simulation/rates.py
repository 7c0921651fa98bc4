"""Rates at which intervals cover and tests err over many simulated studies, with exact binomial limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from analysis.simulation.families import PLANNED, effects, equivalents, judgements
from analysis.simulation.nulls import NAMES, NULLS, SEED, Null
from analysis.simulation.rate import Rate
from analysis.statistics.intervals import iqm_interval, t_interval
from analysis.statistics.skewness import are_skewed
from glifr.conditions import CONDITIONS
from glifr.records import Contrast

UNITS = (10, 20)
MARGIN = 2.0  # of equivalence, in standard deviations of a network
EFFECT = 1.1  # a main effect, in standard deviations of a network: what 10 units find in 80 % of studies
_ONE = NAMES.index("LHetA")  # the condition whose own intervals are looked at
_TRUTH = 50_000  # studies of 20 units, from which the true interquartile mean is taken


def null_rates(null: Null, units: int, studies: int, seed: int = SEED) -> Iterator[Rate]:
    """Of studies without any effect.

    fwer: one difference or more is found, of those planned, of the pairs of conditions among them, of the effects.
    Two of those planned are no pairs but eight conditions against one: where networks fail, such a difference is skewed
    even if all conditions are alike, and not tested. groups tested: how many of these two are. covers: the interval of
    the contrast that covers least, and most, holds 0, of those that there are; of a condition's mean and interquartile
    mean, its true one. warned: `skewed` is fired by one of the ten conditions or more.
    """
    rng = np.random.default_rng([seed, units, NULLS.index(null)])
    values = null.draw(rng, studies, units)
    yield from family_rates(null.name, values, "planned", PLANNED)
    yield from family_rates(null.name, values, "factorial", effects())
    own = values[:, :, _ONE]
    draws = null.draw(rng, _TRUTH, 20)[:, :, _ONE].ravel()
    middle = float(stats.trim_mean(draws, 0.25))
    t, iqm = [t_interval(x) for x in own], [iqm_interval(x) for x in own]
    yield Rate(null.name, units, "covers mean", sum(bool(i.low <= null.mean <= i.high) for i in t), studies)
    yield Rate(null.name, units, "covers iqm", sum(bool(i.low <= middle <= i.high) for i in iqm), studies)
    warned = are_skewed(values.swapaxes(1, 2).reshape(-1, units), len(NAMES)).reshape(studies, -1).any(axis=1)
    yield Rate(null.name, units, "warned", int(warned.sum()), studies)


def family_rates(name: str, values: np.ndarray, family: str, contrasts: Sequence[Contrast]) -> Iterator[Rate]:
    """Errors and coverage of one family where no difference is true; values: [studies, units, conditions]."""
    studies, units = values.shape[:2]
    found = judgements(values, contrasts)
    different, covered = found.different(), found.coverage()
    yield Rate(name, units, f"fwer {family}", int(different.any(axis=1).sum()), studies)
    pairs = [len(c.conditions) == 2 for c in contrasts]
    if any(pairs):
        yield Rate(name, units, "fwer pairs", int(different[:, pairs].any(axis=1).sum()), studies)
        yield Rate(name, units, "covers least pairs", *found.coverage(pairs)[0])
        tested = found.tested[:, np.logical_not(pairs)]
        yield Rate(name, units, "groups tested", int(tested.sum()), tested.size)
    yield Rate(name, units, f"covers least {family}", *covered[0])
    yield Rate(name, units, f"covers most {family}", *covered[-1])


def other_rates(studies: int, seed: int = SEED) -> Iterator[Rate]:
    """Of independent networks: small samples, false equivalence, small differences named, power."""
    for units in (3, 5):
        draws = np.random.default_rng([seed, units, 100]).normal(size=(studies, units))
        covered = sum(bool(t.low <= 0 <= t.high) for t in map(t_interval, draws))
        yield Rate("independent", units, "covers mean", covered, studies)
    for units in UNITS:
        yield from _equivalence(units, studies, seed)
        yield from _power(units, studies, seed)


def _equivalence(units: int, studies: int, seed: int) -> Iterator[Rate]:
    """Counts wrong verdicts where the reference is worse than the others by exactly the margin, or nothing differs.

    In the first case nothing is equivalent; in the second nothing is real but small.
    """
    values = NULLS[0].draw(np.random.default_rng([seed, units, 101]), studies, units)
    against = [contrast for contrast in PLANNED if contrast.minus == ("LHetA",)]
    small = equivalents(values, PLANNED, MARGIN) & judgements(values, PLANNED).different()
    yield Rate("independent", units, "real but small", int(small.any(axis=1).sum()), studies)
    values[:, :, _ONE] -= MARGIN
    called = equivalents(values, PLANNED, MARGIN)[:, [PLANNED.index(c) for c in against]]
    yield Rate("independent", units, "false equivalence", int(called.any(axis=1).sum()), studies)


def _power(units: int, studies: int, seed: int) -> Iterator[Rate]:
    """An effect of after-spike currents."""
    values = NULLS[0].draw(np.random.default_rng([seed, units, 102]), studies, units)
    has = np.array([CONDITIONS[name].num_ascs > 0 for name in NAMES])
    found = judgements(values + EFFECT * has, effects()).different()
    yield Rate("independent", units, "finds main effect", int(found[:, 0].sum()), studies)
