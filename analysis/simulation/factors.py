"""Factors with more than two levels in studies without any effect: do their effects err as often as they say?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import stats

from analysis.simulation.families import ALPHA, holm_rows
from analysis.simulation.nulls import NAMES, NULLS, SEED, Null
from analysis.simulation.rate import Rate
from analysis.statistics.comparisons import largest_sign_flip_ps, sign_flip_ps
from analysis.statistics.contrasts import Question
from analysis.statistics.factorial import Design, Term
from analysis.statistics.factorial.design import read_design
from analysis.statistics.intervals import LEVEL
from analysis.statistics.skewness import failures_decide
from glifr.records import Factor, Level

APART = 1.1  # one of four levels, in standard deviations of a network
_ROWS = ("Hom", "LHet", "FHet", "RHet")  # four levels, each without and with after-spike currents
_CURRENTS = Factor("currents", (Level("none", _ROWS), Level("two", tuple(f"{name}A" for name in _ROWS))))


def rates(null: Null, units: int, studies: int, seed: int = SEED) -> Iterator[Rate]:
    """Errors of the three effects of four levels x currents, the levels without an order and as numbers.

    levels alone: the test of the four levels by itself, at 5 %; by F: the analysis of variance of repeated measures,
    which takes sphericity for granted, for comparison.
    """
    values = null.draw(np.random.default_rng([seed, units, NULLS.index(null), 7]), studies, units)
    for kind in ("levels", "trend"):
        p, different = judged(values, design(kind))
        yield Rate(null.name, units, f"fwer {kind}", int(different.any(axis=1).sum()), studies)
        if kind == "levels":
            yield Rate(null.name, units, "levels alone", int((p[:, 0] <= ALPHA).sum()), studies)
    yield Rate(null.name, units, "levels by F", int((_by_f(values) <= ALPHA).sum()), studies)


def power_rates(units: int, studies: int, seed: int = SEED) -> Iterator[Rate]:
    """Of independent networks: one of the four levels lies apart, or the numbers have a trend of as much in all."""
    values = NULLS[0].draw(np.random.default_rng([seed, units, 107]), studies, units)
    last, steps = values.copy(), values.copy()
    for place, name in enumerate(_ROWS):
        own = [NAMES.index(name), NAMES.index(f"{name}A")]
        last[..., own] += APART * (place == len(_ROWS) - 1)
        steps[..., own] += APART * place / (len(_ROWS) - 1)
    for kind, shifted in (("levels", last), ("trend", steps)):
        _, different = judged(shifted, design(kind))
        yield Rate("independent", units, f"finds {kind}", int(different[:, 0].sum()), studies)


@cache
def design(kind: str) -> Design:
    """Four levels x currents. kind: levels, without an order, or trend, the numbers 1, 2, 4 and 8."""
    levels = (Level(name, (name, f"{name}A"), float(2**i) if kind == "trend" else None) for i, name in enumerate(_ROWS))
    found = read_design((Factor("row", tuple(levels)), _CURRENTS), NAMES)
    assert isinstance(found, Design), found
    return found


def judged(values: np.ndarray, of: Design) -> tuple[np.ndarray, np.ndarray]:
    """p before Holm, and whether a difference is found [studies, effects]; values: [studies, units, conditions]."""
    found = [_effect(values, term) for term in of.terms]
    p = np.stack([p for p, _ in found], axis=1)
    return p, (holm_rows(p) <= ALPHA) & np.stack([excluded for _, excluded in found], axis=1)


def _effect(values: np.ndarray, term: Term) -> tuple[np.ndarray, np.ndarray]:
    """p before Holm, NaN where failed networks decide, and whether the interval excludes 0 [studies]."""
    d = _differences(values, term.questions)
    n = d.shape[2]
    t = d.mean(axis=2) / (d.std(axis=2, ddof=1) / np.sqrt(n))
    p = sign_flip_ps(d[:, 0]) if d.shape[1] == 1 else largest_sign_flip_ps(d)
    lopsided = any(question.lopsided for question in term.questions)
    own = [NAMES.index(name) for name in (term.used if len(term.questions) == 1 else term.conditions)]
    p[failures_decide(values[..., own], lopsided)] = np.nan
    widest = float(stats.t.ppf(1 - (1 - LEVEL) / d.shape[1] / 2, n - 1))
    return p, np.abs(t).max(axis=1) > widest


def _differences(values: np.ndarray, questions: tuple[Question, ...]) -> np.ndarray:
    """What each asks of each unit [studies, questions, units]."""
    weights = np.array([[question.weights.get(name, 0.0) for name in NAMES] for question in questions])
    return np.asarray(np.einsum("sun,kn->sku", values, weights))


def _by_f(values: np.ndarray) -> np.ndarray:
    """p of the analysis of variance of repeated measures over the four levels [studies]."""
    levels = np.stack(
        [values[..., [NAMES.index(name), NAMES.index(f"{name}A")]].mean(axis=2) for name in _ROWS], axis=2
    )
    n, k = levels.shape[1:]
    means = levels.mean(axis=1, keepdims=True)
    total = levels.mean(axis=(1, 2), keepdims=True)
    rest = levels - means - levels.mean(axis=2, keepdims=True) + total
    between = n * ((means - total) ** 2).sum(axis=(1, 2)) / (k - 1)
    df = (n - 1) * (k - 1)
    return np.asarray(stats.f.sf(between / ((rest**2).sum(axis=(1, 2)) / df), k - 1, df))
