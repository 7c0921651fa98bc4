"""The eight GLIFR conditions as a 2 x 2 x 2 factorial: after-spike currents, start, learned.

Least squares with sum coding (-1, +1) and the seed as a fixed effect. In that coding the type III sum of squares of a
term is b^2 / (X'X)^-1_jj. p and intervals take HC3 standard errors, which do not assume equal spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.comparisons import holm
from analysis.effects import equivalence_from
from analysis.intervals import LEVEL
from analysis.text import listed
from analysis.verdicts import Verdict, verdict
from glifr.conditions import CONDITIONS

FACTORS = ("after-spike currents", "heterogeneous start", "learned neurons")
TERMS: tuple[tuple[str, ...], ...] = tuple(t for size in (1, 2, 3) for t in combinations(FACTORS, size))
_NAN = float("nan")


def levels(condition: str) -> tuple[int, int, int] | None:
    """-1 or +1 on each of `FACTORS`; None for a condition that is not of the factorial."""
    known = CONDITIONS.get(condition)
    if known is None or known.start is None:
        return None
    on = (known.num_ascs > 0, known.start == "heterogeneous", known.learned)
    return (1 if on[0] else -1, 1 if on[1] else -1, 1 if on[2] else -1)


CELLS = tuple(name for name in CONDITIONS if levels(name) is not None)


@dataclass(frozen=True)
class Effect:
    """One of the seven effects, in the recorded unit.

    estimate: on minus off for a single factor; for an interaction the difference of differences. eta2: partial, from
    type III sums of squares. p: HC3; p_holm, p_equivalence_holm: over the seven.
    """

    factors: tuple[str, ...]
    estimate: float
    low: float
    high: float
    eta2: float
    p: float
    p_holm: float
    p_equivalence: float
    p_equivalence_holm: float
    verdict: Verdict

    @property
    def name(self) -> str:
        return " × ".join(self.factors)

    @property
    def single(self) -> bool:
        """Whether it is a main effect."""
        return len(self.factors) == 1


@dataclass(frozen=True)
class Factorial:
    """effects: seven, or none with the `reason`. networks, seeds, df: what they rest on. dropped: seeds left out."""

    effects: tuple[Effect, ...]
    networks: int
    seeds: int
    df: int
    reason: str = ""
    dropped: tuple[int, ...] = ()


def factorial(
    values: pd.DataFrame, *, smallest_effect: float, alpha: float = 0.05, higher_is_better: bool = True
) -> Factorial:
    """The seven effects.

    values: a row a seed, a column a condition; columns that are not of the factorial are left out, NaN where there is
    no network. A seed with a single network says nothing of any effect and is dropped.
    """
    lacking = [name for name in CELLS if name not in values.columns or values[name].notna().sum() == 0]
    if lacking:
        return Factorial(
            (), 0, 0, 0, f"the factorial needs all eight GLIFR conditions; without a network: {listed(lacking)}"
        )
    wide = values.sort_index()[list(CELLS)].astype("float64")
    lonely = wide.notna().sum(axis=1) < 2
    used = wide[~lonely]
    long = used.stack().dropna()
    y, x = long.to_numpy(dtype=np.float64), _design(long.index, list(used.index))
    found = Factorial((), len(y), len(used), len(y) - x.shape[1], "", tuple(int(s) for s in wide.index[lonely]))
    if found.df < 1 or np.linalg.matrix_rank(x) < x.shape[1]:
        return replace(found, reason="too few networks for seven effects and their error")
    effects = _effects(y, x, found.df, smallest_effect)
    if not effects:
        return replace(found, reason="the networks leave no error to test against")
    p, q = holm([e.p for e in effects]), holm([e.p_equivalence for e in effects])
    judged = (
        replace(
            e,
            p_holm=float(a),
            p_equivalence_holm=float(b),
            verdict=verdict(e.estimate, float(a), float(b), alpha, higher_is_better),
        )
        for e, a, b in zip(effects, p, q, strict=True)
    )
    return replace(found, effects=tuple(judged))


def _design(rows: pd.Index, seeds: list[int]) -> np.ndarray:
    """[N, 1 + 7 + seeds - 1]: intercept, terms in the order of `TERMS`, seeds in sum coding."""
    place = {seed: i for i, seed in enumerate(seeds)}
    x = np.zeros((len(rows), 8 + len(seeds) - 1))
    for i, (seed, name) in enumerate(rows):
        on = dict(zip(FACTORS, levels(name) or (), strict=True))
        x[i, :8] = [1, *(math.prod(on[factor] for factor in term) for term in TERMS)]
        if place[seed] < len(seeds) - 1:
            x[i, 8 + place[seed]] = 1
        else:
            x[i, 8:] = -1
    return x


def _effects(y: np.ndarray, x: np.ndarray, df: int, smallest_effect: float) -> list[Effect]:
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    residual = y - x @ beta
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    error_ss = float(residual @ residual)
    if error_ss <= 1e-24 * max(1.0, float(y @ y)) or leverage.max() > 1 - 1e-9:
        return []
    weighted = x * (residual / (1 - leverage))[:, None]
    errors = np.sqrt(np.diag(inverse @ (weighted.T @ weighted) @ inverse))
    quantile = float(stats.t.ppf((1 + LEVEL) / 2, df))
    found = []
    for j, term in enumerate(TERMS, 1):
        scale = 2.0 ** len(term)
        estimate, error = scale * float(beta[j]), scale * float(errors[j])
        ss = float(beta[j] ** 2 / inverse[j, j])
        found.append(
            Effect(
                factors=term,
                estimate=estimate,
                low=estimate - quantile * error,
                high=estimate + quantile * error,
                eta2=ss / (ss + error_ss),
                p=float(2 * stats.t.sf(abs(estimate) / error, df)),
                p_holm=_NAN,
                p_equivalence=equivalence_from(estimate, error, df, smallest_effect),
                p_equivalence_holm=_NAN,
                verdict="inconclusive",
            )
        )
    return found
