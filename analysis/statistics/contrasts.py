"""Contrasts between conditions, paired over shared units, judged as a family.

A unit is what is independent of all others: a seed, or in a study that repeats its search, a repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.statistics.comparisons import holm, sign_flip_p, smallest_p
from analysis.statistics.effects import equivalence_p, hedges_g, sd_ratio, superiority, welch_p
from analysis.statistics.intervals import MeanInterval, t_interval
from analysis.statistics.skewness import failures_decide, units_with_failures
from analysis.statistics.verdicts import WITHHELD, Asked, Family, Numbers, Verdict, verdict
from analysis.text import count
from glifr.records import Contrast, pair

_NAN = float("nan")
_ERROR = 64 * float(np.finfo(np.float64).eps)  # relative, of a mean of a few conditions


@dataclass(frozen=True)
class ContrastResult:
    """One contrast with all its numbers, in the recorded unit.

    Attributes:
        pairs: The difference within each unit that all its conditions have.
        interval: Unadjusted 95 % interval of their mean; without ends where failed networks decide it
            (`failures_decide`), as then no test is made.
        p: Of the sign-flip permutation test.
        p_welch: Of Welch's test, as if unpaired.
        p_equivalence: Of TOST at the smallest effect of interest.
        p_holm: p adjusted over the family.
        p_equivalence_holm: p_equivalence adjusted over the family.
        g: Hedges' g.
        superiority: P(A > B).
        reason: Why something is missing.
        unpaired: Units that only some of its conditions have.
    """

    contrast: Contrast
    pairs: pd.Series[float]
    interval: MeanInterval
    p: float
    p_holm: float
    p_welch: float
    p_equivalence: float
    p_equivalence_holm: float
    g: float
    superiority: float
    sd_ratio: float
    verdict: Verdict
    reason: str
    unpaired: tuple[int, ...]

    @property
    def smallest_p(self) -> float:
        """What the permutation test could give at best with so many pairs, before Holm."""
        return smallest_p(self.interval.n)


@dataclass(frozen=True)
class Question:
    """What is asked of each unit: a contrast, `times` its difference; whether it is an interaction of parts.

    Attributes:
        shares: Weights of the conditions in the mean of each side; None for equal ones.
    """

    contrast: Contrast
    times: float = 1.0
    interaction: bool = False
    shares: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def sides(self, values: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Both means of each unit [n]."""
        return self._side(values, 0), self._side(values, 1)

    def differences(self, values: pd.DataFrame) -> np.ndarray:
        """What it asks of each unit [n]; 0 where the sides are equal but for the rounding of their means."""
        return self.times * _differences(*self.sides(values))

    def _side(self, values: pd.DataFrame, place: int) -> np.ndarray:
        own = values[list((self.contrast.of, self.contrast.minus)[place])]
        if self.shares is None:
            return own.mean(axis=1).to_numpy(dtype=np.float64)
        return np.asarray(own.to_numpy(dtype=np.float64) @ np.array(self.shares[place]))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each condition."""
        own = self.shares or tuple((1 / len(side),) * len(side) for side in (self.contrast.of, self.contrast.minus))
        found: dict[str, float] = {}
        for sign, names, shares in zip((1, -1), (self.contrast.of, self.contrast.minus), own, strict=True):
            found |= {name: sign * self.times * share for name, share in zip(names, shares, strict=True)}
        return found

    @property
    def asked(self) -> Asked:
        return "interaction" if self.interaction else "difference"

    @property
    def lopsided(self) -> bool:
        """True if one side is another kind of mean than the other: over more conditions, or weighed otherwise."""
        if self.shares is None:
            return len(self.contrast.of) != len(self.contrast.minus)
        one, other = (sorted(side) for side in self.shares)
        return len(one) != len(other) or not np.allclose(one, other)


def judge(
    values: pd.DataFrame,
    contrasts: Sequence[Contrast | Question],
    *,
    smallest_effect: float,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    evidence: bool = True,
) -> list[ContrastResult]:
    """Judges a family of contrasts; Holm's correction runs over all of them.

    Args:
        values: One row per unit and one column per condition, NaN where there is no network.
        contrasts: The family. A contrast with a condition that has no column stays in the result, not testable, with
            the reason.
        smallest_effect: The smallest effect of interest, as recorded.
        alpha: Level of the family.
        higher_is_better: Whether a larger value is better.
        evidence: False withholds every verdict.

    Returns:
        The results, in the order of the contrasts.
    """
    asked = [c if isinstance(c, Question) else Question(c) for c in contrasts]
    raw = [measured(values, question, smallest_effect) for question in asked]
    return as_family(raw, [q.asked for q in asked], smallest_effect, alpha, higher_is_better, evidence)


def as_family(
    raw: Sequence[ContrastResult],
    asked: Sequence[Asked],
    smallest_effect: float,
    alpha: float,
    higher_is_better: bool,
    evidence: bool,
) -> list[ContrastResult]:
    """What was measured, with Holm's correction over all of it and the verdicts. asked: the kind of each."""
    p, p_equivalence = holm([j.p for j in raw]), holm([j.p_equivalence for j in raw])
    family = Family(int(np.isfinite(p).sum()), alpha, higher_is_better, evidence)
    adjusted = (
        replace(j, p_holm=float(a), p_equivalence_holm=float(b)) for j, a, b in zip(raw, p, p_equivalence, strict=True)
    )
    return [
        replace(j, verdict=_verdict(j, kind, smallest_effect, family)) for j, kind in zip(adjusted, asked, strict=True)
    ]


def all_pairs(names: Sequence[str]) -> tuple[Contrast, ...]:
    """Every pair of conditions, the later minus the earlier."""
    return tuple(pair(later, earlier) for earlier, later in combinations(names, 2))


def _verdict(j: ContrastResult, asked: Asked, margin: float, family: Family) -> Verdict:
    t = j.interval
    floor = j.smallest_p if np.isfinite(j.p) else _NAN
    found = Numbers(t.low, t.high, margin, j.p_holm, j.p_equivalence_holm, floor, j.reason, asked)
    return verdict(found, family)


def measured(values: pd.DataFrame, question: Question, smallest_effect: float) -> ContrastResult:
    """A contrast without the correction for its family, and so without a verdict."""
    contrast, unit = question.contrast, str(values.index.name or "seed")
    unknown = [name for name in contrast.conditions if name not in values.columns]
    if unknown:
        return _unknown(contrast, f"not in the study: {', '.join(unknown)}")
    own = values.sort_index()[list(contrast.conditions)]
    whole = own.dropna()
    a, b = question.sides(whole)
    exact = question.differences(whole)
    t = t_interval(exact)
    t = replace(t, reason=_in_pairs(t.reason, unit))
    p, p_welch, p_equivalence = sign_flip_p(exact), welch_p(a, b), equivalence_p(exact, smallest_effect)
    if failures_decide(whole.to_numpy(dtype=np.float64), question.lopsided):
        t = replace(t, low=_NAN, high=_NAN, reason=_failures(whole, contrast, unit))
        p = p_welch = p_equivalence = _NAN
    alone = own.index[own.notna().any(axis=1) & own.isna().any(axis=1)]
    return ContrastResult(
        contrast=contrast,
        pairs=pd.Series(exact, index=whole.index, name="difference"),
        interval=t,
        p=p,
        p_holm=_NAN,
        p_welch=p_welch,
        p_equivalence=p_equivalence,
        p_equivalence_holm=_NAN,
        g=hedges_g(a, b),
        superiority=superiority(a, b),
        sd_ratio=sd_ratio(a, b),
        verdict=WITHHELD,
        reason=t.reason,
        unpaired=tuple(int(s) for s in alone),
    )


def _failures(whole: pd.DataFrame, contrast: Contrast, unit: str) -> str:
    """Why failed networks leave a contrast untested."""
    failed, sides = int(units_with_failures(whole.to_numpy(dtype=np.float64))), (len(contrast.of), len(contrast.minus))
    means = f"a mean of {max(sides)} conditions against one of {min(sides)}"
    means = "a difference of means that weigh their conditions unequally" if sides[0] == sides[1] else means
    return f"networks failed in {failed} of {count(len(whole), unit)}: {means} then tells how often networks fail"


def _differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b [n]; 0 where they are equal but for the rounding of their means."""
    d = a - b
    return np.where(np.abs(d) <= _ERROR * np.maximum(np.abs(a), np.abs(b)), 0.0, d)


def _unknown(contrast: Contrast, reason: str) -> ContrastResult:
    nothing = MeanInterval(0, _NAN, _NAN, _NAN, _NAN, reason)
    return ContrastResult(
        contrast=contrast,
        pairs=pd.Series(np.array([], dtype=np.float64), name="difference"),
        interval=nothing,
        p=_NAN,
        p_holm=_NAN,
        p_welch=_NAN,
        p_equivalence=_NAN,
        p_equivalence_holm=_NAN,
        g=_NAN,
        superiority=_NAN,
        sd_ratio=_NAN,
        verdict=WITHHELD,
        reason=reason,
        unpaired=(),
    )


def _in_pairs(reason: str, unit: str) -> str:
    return {
        "no finished network": f"no {unit} in common",
        "one network has no spread": "one pair has no spread",
        "all values are equal": "all differences are equal",
    }.get(reason, reason)
