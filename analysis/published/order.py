"""The order of conditions, ours and the published: how alike, and where the published runs tell conditions apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from analysis.statistics.comparisons import holm
from analysis.statistics.effects import welch_p
from analysis.statistics.intervals import DRAWS, LEVEL, SHOWN_FROM

_FEWEST = 3  # conditions: a rank correlation of two is 1 or -1
_NAN = float("nan")


@dataclass(frozen=True)
class Order:
    """The order of conditions that both have, by their means, best first.

    Conditions that lie close together change places when networks are drawn again, which lowers the correlation.

    Attributes:
        correlation: Spearman's rank correlation.
        low: Lower end of 95 % of its values with networks drawn again.
        high: Upper end.
        reason: Why one of them is missing.
        best: At the upper end of the published order, the conditions that the published runs tell from every condition
            on their inner side, outermost first.
        worst: The same at the lower end.
        same: Whether our means put the same conditions there in the same order.
    """

    ours: tuple[str, ...]
    published: tuple[str, ...]
    correlation: float
    low: float
    high: float
    reason: str
    best: tuple[str, ...]
    worst: tuple[str, ...]

    @property
    def same(self) -> bool:
        mirrored = self.ours[::-1]
        return self.ours[: len(self.best)] == self.best and mirrored[: len(self.worst)] == self.worst


def order(
    ours: Mapping[str, np.ndarray], published: Mapping[str, np.ndarray], higher_is_better: bool, alpha: float
) -> Order:
    """The order of the conditions with networks on both sides, from their values [n] by condition."""
    names = [n for n in ours if len(ours[n]) and len(published[n])]
    mine, theirs = ({n: side[n] for n in names} for side in (ours, published))
    low, high, reason = _interval(mine, theirs)
    ranked = _ranked(theirs, higher_is_better)
    told = apart(theirs, alpha)
    best = _ends(ranked, told)
    worst = _ends(ranked[::-1], told)
    if len(best) == len(ranked):
        worst = ()  # the whole order is already told
    return Order(
        ours=_ranked(mine, higher_is_better),
        published=ranked,
        correlation=float(_spearman(_means(mine), _means(theirs))) if len(names) >= _FEWEST else _NAN,
        low=low,
        high=high,
        reason=reason,
        best=best,
        worst=worst,
    )


def _means(samples: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.array([np.sort(x).mean() for x in samples.values()])


def _ranked(samples: Mapping[str, np.ndarray], higher_is_better: bool) -> tuple[str, ...]:
    means = _means(samples)
    places = np.argsort(-means if higher_is_better else means, kind="stable")
    names = list(samples)
    return tuple(names[i] for i in places)


def apart(samples: Mapping[str, np.ndarray], alpha: float) -> set[frozenset[str]]:
    """The pairs of conditions that Welch's test tells apart, after Holm over all pairs."""
    pairs = list(combinations(samples, 2))
    p = holm([welch_p(samples[a], samples[b]) for a, b in pairs])
    return {frozenset(pair) for pair, adjusted in zip(pairs, p, strict=True) if adjusted <= alpha}


def _ends(ranked: Sequence[str], apart: set[frozenset[str]]) -> tuple[str, ...]:
    """From the first of `ranked` on, as long as a condition is told from every one after it."""
    found: list[str] = []
    for place, name in enumerate(ranked):
        if not all(frozenset((name, other)) in apart for other in ranked[place + 1 :]):
            break
        found.append(name)
    return tuple(found)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's correlation over the last axis, conditions; NaN where all of one side are equal."""
    x, y = (stats.rankdata(v, axis=-1) for v in (a, b))
    x, y = (r - r.mean(axis=-1, keepdims=True) for r in (x, y))
    size = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        found: np.ndarray = (x * y).sum(axis=-1) / size
    return found


def _interval(ours: Mapping[str, np.ndarray], published: Mapping[str, np.ndarray]) -> tuple[float, float, str]:
    """Percentile bootstrap of the correlation: networks are drawn again within each condition, on both sides."""
    if len(ours) < _FEWEST:
        return _NAN, _NAN, f"fewer than {_FEWEST} conditions"
    if any(len(x) < SHOWN_FROM for x in (*ours.values(), *published.values())):
        return _NAN, _NAN, f"a condition has fewer than {SHOWN_FROM} networks"
    rng = np.random.default_rng(len(ours))
    a, b = (_resampled(side, rng) for side in (ours, published))
    drawn = _spearman(a, b)
    if np.isnan(drawn).any():
        return _NAN, _NAN, "all means are equal"
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high), ""


def _resampled(samples: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Means of resampled networks [draws, conditions]."""
    columns = [np.sort(x)[rng.integers(0, len(x), size=(DRAWS, len(x)))].mean(axis=1) for x in samples.values()]
    return np.stack(columns, axis=1)
