"""What the levels of a factor come to: their means, and for levels that have no order the differences between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.statistics.comparisons import largest_sign_flip_p
from analysis.statistics.contrasts import ContrastResult, Question, measured
from analysis.statistics.factorial.design import Design, Term, weighted
from analysis.statistics.intervals import LEVEL, MeanInterval, t_interval
from analysis.statistics.skewness import failures_decide
from glifr.records import Factor, Level

_NAN = float("nan")


@dataclass(frozen=True)
class LevelMean:
    """The mean of one level, over the cells of the other factors within each unit.

    Attributes:
        interval: Its 95 % interval.
        band_low: Lower end of a band that holds the whole curve of an ordered factor in 95 % of studies (Bonferroni
            over the levels); NaN for another factor.
        band_high: Upper end.
    """

    factor: Factor
    level: Level
    at: str
    interval: MeanInterval
    band_low: float
    band_high: float


def level_values(values: pd.DataFrame, term: Term) -> pd.DataFrame:
    """The mean of each level of a factor, one row per unit that has all its cells."""
    (factor,) = term.factors
    whole = values.sort_index()[list(term.conditions)].dropna()
    by_level = {
        level.name: whole[[block[(level.name,)] for block in term.blocks.values()]].mean(axis=1)
        for level in factor.levels
    }
    return pd.DataFrame(by_level, index=whole.index)


def level_means(values: pd.DataFrame, design: Design) -> Iterator[LevelMean]:
    """A row a level of every factor that can be looked at."""
    for term in (t for t in design.terms if not t.interaction):
        (factor,) = term.factors
        found = level_values(values, term)
        for level in factor.levels:
            own = found[level.name].to_numpy(dtype=np.float64)
            low, high = curve_band(own, len(factor.levels)) if factor.ordered else (_NAN, _NAN)
            yield LevelMean(factor, level, term.at, t_interval(own), low, high)


def curve_band(values: np.ndarray, levels: int) -> tuple[float, float]:
    """The band at one of so many levels of an ordered factor, from the values of its units [n]."""
    t = t_interval(values, 1 - (1 - LEVEL) / levels)
    return t.low, t.high


def level_pairs(design: Design) -> list[Question]:
    """Every difference between two levels of each factor with more than two that have no order."""
    asked = []
    for term in (t for t in design.terms if not t.interaction):
        (factor,) = term.factors
        if factor.ordered or len(factor.levels) == 2:
            continue
        for first, second in combinations(factor.levels, 2):
            sides = [[block[(level.name,)] for block in term.blocks.values()] for level in (second, first)]
            weights = {c: sign / len(side) for sign, side in zip((1, -1), sides, strict=True) for c in side}
            name = f"{factor.name}: {second.name} \N{MINUS SIGN} {first.name}"
            asked.append(weighted(name, weights))
    return asked


def several(values: pd.DataFrame, term: Term, questions: Sequence[Question], smallest_effect: float) -> ContrastResult:
    """Tests whether any of several differences is there, as one test, without the correction for its family.

    What is shown is the largest of them, with an interval that allows for the choice (Bonferroni over all). They are
    equivalent to 0 if each of them is.

    Args:
        values: One row per unit and one column per condition.
        term: The factor, or the interaction.
        questions: The differences.
        smallest_effect: The smallest effect of interest, as recorded.

    Returns:
        The result.
    """
    cells = values.sort_index()[list(dict.fromkeys(term.conditions))]
    whole = cells.dropna()
    every = np.array([question.differences(whole) for question in questions])
    own = [measured(whole, question, smallest_effect) for question in questions]
    place = int(np.argmax([_size(j.interval) for j in own]))
    t = t_interval(every[place], 1 - (1 - LEVEL) / len(questions))
    lopsided = any(question.lopsided for question in questions)
    decided = bool(failures_decide(whole.to_numpy(dtype=np.float64), lopsided))
    reason = next((j.reason for j in own if np.isnan(j.p)), "") if decided else own[place].reason
    alone = cells.index[cells.notna().any(axis=1) & cells.isna().any(axis=1)]
    return replace(
        own[place],
        contrast=replace(own[place].contrast, name=term.name),
        interval=replace(t, low=_NAN, high=_NAN, reason=reason) if reason else t,
        reason=reason,
        p=_NAN if decided else largest_sign_flip_p(every),
        p_equivalence=_NAN if decided else float(np.max([j.p_equivalence for j in own])),
        p_welch=_NAN,
        unpaired=tuple(int(unit) for unit in alone),
    )


def _size(t: MeanInterval) -> float:
    """By what the largest difference is chosen: its mean in standard deviations, or where it has none its size."""
    if t.n < 2 or not np.isfinite(t.mean):
        return -1.0
    return abs(t.mean) / t.sd if t.sd > 0 else (np.inf if t.mean else 0.0)
