"""Contrasts between conditions, paired over shared seeds, judged as a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.comparisons import holm, sign_flip_p, smallest_p
from analysis.effects import equivalence_p, hedges_g, sd_ratio, superiority, welch_p
from analysis.intervals import MeanInterval, t_interval
from analysis.verdicts import Verdict, verdict
from glifr.records import Contrast, pair

_NAN = float("nan")


@dataclass(frozen=True)
class Judged:
    """One contrast with everything that is said of it, in the recorded unit.

    pairs: the difference within each seed that all its conditions have. interval: of their mean, 95 %, not adjusted.
    p: sign-flip permutation test; p_welch: as if unpaired; p_equivalence: TOST at the smallest effect of interest.
    p_holm, p_equivalence_holm: adjusted over the family. g: Hedges; superiority: P(A > B). reason: why there is no p.
    unpaired: seeds that only some of its conditions have.
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


def judge(
    values: pd.DataFrame,
    contrasts: Sequence[Contrast],
    *,
    smallest_effect: float,
    alpha: float = 0.05,
    higher_is_better: bool = True,
) -> list[Judged]:
    """Judges a family of contrasts.

    values: a row a seed, a column a condition, NaN where there is no network. Holm's correction runs over `contrasts`.
    A contrast whose conditions are not all columns stays in the result, inconclusive, with the reason.
    """
    raw = [_measured(values, contrast, smallest_effect) for contrast in contrasts]
    p, p_equivalence = holm([j.p for j in raw]), holm([j.p_equivalence for j in raw])
    return [
        replace(
            j,
            p_holm=float(a),
            p_equivalence_holm=float(b),
            verdict=verdict(j.interval.mean, float(a), float(b), alpha, higher_is_better),
        )
        for j, a, b in zip(raw, p, p_equivalence, strict=True)
    ]


def all_pairs(names: Sequence[str]) -> tuple[Contrast, ...]:
    """Every pair of conditions, the later minus the earlier."""
    return tuple(pair(later, earlier) for earlier, later in combinations(names, 2))


def _measured(values: pd.DataFrame, contrast: Contrast, smallest_effect: float) -> Judged:
    unknown = [name for name in contrast.conditions if name not in values.columns]
    if unknown:
        return _unknown(contrast, f"not in the study: {', '.join(unknown)}")
    own = values.sort_index()[list(contrast.conditions)]
    whole = own.dropna()
    sides = [whole[list(names)].mean(axis=1).to_numpy(dtype=np.float64) for names in (contrast.of, contrast.minus)]
    a, b = sides
    exact = a - b
    t = t_interval(exact)
    t = replace(t, reason=_in_pairs(t.reason))
    alone = own.index[own.notna().any(axis=1) & own.isna().any(axis=1)]
    return Judged(
        contrast=contrast,
        pairs=pd.Series(exact, index=whole.index, name="difference"),
        interval=t,
        p=sign_flip_p(exact),
        p_holm=_NAN,
        p_welch=welch_p(a, b),
        p_equivalence=equivalence_p(exact, smallest_effect),
        p_equivalence_holm=_NAN,
        g=hedges_g(a, b),
        superiority=superiority(a, b),
        sd_ratio=sd_ratio(a, b),
        verdict="inconclusive",
        reason=t.reason,
        unpaired=tuple(int(s) for s in alone),
    )


def _unknown(contrast: Contrast, reason: str) -> Judged:
    nothing = MeanInterval(0, _NAN, _NAN, _NAN, _NAN, reason)
    return Judged(
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
        verdict="inconclusive",
        reason=reason,
        unpaired=(),
    )


def _in_pairs(reason: str) -> str:
    return {
        "no finished network": "no seed in common",
        "one network has no spread": "one pair has no spread",
        "all values are equal": "all differences are equal",
    }.get(reason, reason)
