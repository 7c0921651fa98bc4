"""The study's conditions as a factorial of its declared factors: one contrast per unit for each effect.

For an effect every unit that has all its cells gives one number, a weighted sum over them; these numbers are judged as
a planned contrast is. Levels without an order give several, which are tested as one. No regression over all networks:
those of one seed share weights, thresholds or a source network in some conditions only, so they are neither independent
nor shifted by one common amount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.statistics.contrasts import ContrastResult, as_family, judge, measured
from analysis.statistics.factorial.design import Design, Term, read_design
from analysis.statistics.factorial.levels import LevelMean, level_means, level_pairs, several
from analysis.statistics.verdicts import Asked, Verdict
from analysis.text import listed
from glifr.records import Factor, is_published, published_factors

Kind = Literal["difference", "trend", "levels"]
_NAN = float("nan")


@dataclass(frozen=True)
class Effect:
    """One effect, in the recorded unit.

    Attributes:
        judged: The effect over all its cells. Its estimate is the second level minus the first for a single factor; for
            a trend, its change from the first level to the last on a straight line; for an interaction the difference
            of differences; where levels have no order, the largest of their differences.
        eta2: Partial eta squared, a description and not a test; NaN in an incomplete factorial.
    """

    term: Term
    judged: ContrastResult
    eta2: float

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of its factors."""
        return tuple(factor.name for factor in self.term.factors)

    @property
    def name(self) -> str:
        return self.term.name

    @property
    def at(self) -> str:
        """The levels of the other factors that it is averaged over, where those are not all that there are; '' else."""
        return self.term.at

    @property
    def kind(self) -> Kind:
        """What it tells."""
        return kind_of(self.term)

    @property
    def asked(self) -> Asked:
        """The kind of question, as verdicts have it."""
        return _asked(self.term)

    @property
    def largest(self) -> str:
        """Of levels, the name of their largest difference; '' for an effect of another kind."""
        if self.kind != "levels":
            return ""
        shown = (self.judged.contrast.of, self.judged.contrast.minus)
        own = (q.contrast for q in self.term.questions)
        return next(c.name for c in own if (c.of, c.minus) == shown)

    @property
    def single(self) -> bool:
        """True if it is a main effect."""
        return len(self.factors) == 1

    @property
    def estimate(self) -> float:
        return self.judged.interval.mean

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval of the estimate."""
        return self.judged.interval.low

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval of the estimate."""
        return self.judged.interval.high

    @property
    def units(self) -> int:
        """How many units have all its cells."""
        return self.judged.interval.n

    @property
    def p(self) -> float:
        return self.judged.p

    @property
    def p_holm(self) -> float:
        """p after Holm over the effects."""
        return self.judged.p_holm

    @property
    def p_equivalence(self) -> float:
        return self.judged.p_equivalence

    @property
    def p_equivalence_holm(self) -> float:
        """The p of equivalence after Holm over the effects."""
        return self.judged.p_equivalence_holm

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict


@dataclass(frozen=True)
class Factorial:
    """The effects of a factorial.

    Attributes:
        effects: Those that the cells can test, or none with the `reason`.
        design: Its cells; None where there is no factorial.
        pairs: Pairs of levels that have no order, a family of its own.
        means: The mean of each level.
        incomplete: Units that lack a cell of some effect.
    """

    effects: tuple[Effect, ...]
    design: Design | None = None
    pairs: tuple[ContrastResult, ...] = ()
    means: tuple[LevelMean, ...] = ()
    incomplete: tuple[int, ...] = ()
    reason: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The conditions that it rests on."""
        return self.design.conditions if self.design else ()

    @property
    def untested(self) -> tuple[str, ...]:
        """Effects whose cells the study lacks."""
        return self.design.untested if self.design else ()


def factorial(
    values: pd.DataFrame,
    *,
    smallest_effect: float,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    factors: Sequence[Factor] | None = None,
    evidence: bool = True,
) -> Factorial:
    """Judges the effects that the conditions can test, in one family.

    Args:
        values: One row per unit and one column per condition, NaN where there is no network. Columns outside the
            factorial are left out, and conditions without any value count as missing.
        smallest_effect: The smallest effect of interest, as recorded.
        alpha: Level of the family.
        higher_is_better: Whether a larger value is better.
        factors: What is crossed; None for what the published conditions cross.
        evidence: False withholds every verdict.

    Returns:
        The effects.
    """
    known = [name for name in values.columns if values[name].notna().any()]
    design = read_design(published_factors(values.columns) if factors is None else factors, known)
    if isinstance(design, str):
        return Factorial((), reason=design)
    if reason := _nothing_crossed(design):
        return Factorial((), design, reason=reason)
    raw = [_measured(values, term, smallest_effect) for term in design.terms]
    asked: list[Asked] = [_asked(term) for term in design.terms]
    judged = as_family(raw, asked, smallest_effect, alpha, higher_is_better, evidence)
    sizes = _eta2(values, design)
    base = {"smallest_effect": smallest_effect, "alpha": alpha}
    return Factorial(
        tuple(Effect(term, j, sizes.get(term.name, _NAN)) for term, j in zip(design.terms, judged, strict=True)),
        design,
        tuple(judge(values, level_pairs(design), **base, higher_is_better=higher_is_better, evidence=evidence)),
        tuple(level_means(values, design)),
        tuple(sorted({unit for j in judged for unit in j.unpaired})),
    )


def effects_to_test(factors: Sequence[Factor], names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The effects that conditions of these names can test, with their kinds; and those that they cannot."""
    design = read_design(factors, names)
    if isinstance(design, str) or _nothing_crossed(design):
        return (), () if isinstance(design, str) else design.untested
    words = {"difference": "", "trend": " (trend)", "levels": " (levels)"}
    return tuple(f"{term.name}{words[kind_of(term)]}" for term in design.terms), design.untested


def kind_of(term: Term) -> Kind:
    """What an effect tells: a difference, a trend over ordered levels, or whether any levels differ."""
    if len(term.questions) > 1:
        return "levels"
    return "trend" if any(factor.ordered for factor in term.factors) else "difference"


def _nothing_crossed(design: Design) -> str:
    """Why a design has no effects; '' where it has. What was never declared must be crossed to be taken for factors."""
    if any(term.interaction for term in design.terms) or (design.terms and not is_published(design.factors)):
        return ""
    return f"no two factors are crossed by {listed(design.conditions)}: that takes four conditions"


def _asked(term: Term) -> Asked:
    if len(term.questions) > 1:
        return "levels"
    return "interaction" if term.interaction else "difference"


def _measured(values: pd.DataFrame, term: Term, smallest_effect: float) -> ContrastResult:
    if len(term.questions) > 1:
        return several(values, term, term.questions, smallest_effect)
    return measured(values, term.questions[0], smallest_effect)


def _eta2(values: pd.DataFrame, design: Design) -> Mapping[str, float]:
    """Partial eta squared of each term with the unit as a factor of its own, over the units that have every cell.

    That layout is balanced, so type III sums of squares are plain ones. Empty where a cell is missing or nothing is
    left for the error, which is what neither unit nor cell explains.
    """
    y = values[list(design.conditions)].dropna().to_numpy(dtype=np.float64)
    if not design.complete or len(y) < 2:
        return {}
    means = y.mean(axis=0)
    error = float(((y - y.mean(axis=1, keepdims=True) - means + means.mean()) ** 2).sum())
    if error <= 1e-12 * float((y**2).sum()):
        return {}
    squares = {term.name: len(y) * _projected(means, term, design) for term in design.terms}
    return {name: square / (square + error) for name, square in squares.items()}


def _projected(means: np.ndarray, term: Term, design: Design) -> float:
    """The sum of squares of the cells' means [cells] in the directions that a term asks about."""
    weights = np.zeros((len(term.questions), len(means)))
    for row, question in zip(weights, term.questions, strict=True):
        for name, weight in question.weights.items():
            row[design.conditions.index(name)] = weight
    _, sizes, directions = np.linalg.svd(weights, full_matrices=False)
    return float(((directions[sizes > 1e-9 * sizes.max()] @ means) ** 2).sum())
