"""The study's conditions as a factorial of the neuron's parts: one contrast per unit for each effect.

For an effect every unit that has all its cells gives one number, the signed mean over them; these numbers are judged as
a planned contrast is. No regression over all networks: those of one seed share weights, thresholds or a source network
in some conditions only, so they are neither independent nor shifted by one common amount.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.statistics.contrasts import ContrastResult, Question, judge
from analysis.statistics.verdicts import Verdict
from analysis.text import listed
from glifr.conditions import CONDITIONS
from glifr.records import Contrast

Levels = Mapping[str, Mapping[str, int]]
Cells = dict[tuple[int, ...], str]
_NAN = float("nan")


@dataclass(frozen=True)
class Effect:
    """One effect, in the recorded unit.

    judged: over all its cells; its estimate is on minus off for a single factor, for an interaction the difference of
    differences. eta2: partial, a description and no test; NaN in an incomplete factorial. at: the levels of the other
    factors that it is averaged over, where those are not all that there are; '' else.
    """

    factors: tuple[str, ...]
    judged: ContrastResult
    eta2: float
    at: str = ""

    @property
    def name(self) -> str:
        return " × ".join(self.factors)

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
    """effects: those that the cells can test, or none with the `reason`. cells: the conditions that they rest on.

    untested: effects whose cells the study lacks. incomplete: units that lack a cell of some effect.
    """

    effects: tuple[Effect, ...]
    cells: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    incomplete: tuple[int, ...] = ()
    reason: str = ""


def published_levels(names: Sequence[str]) -> Levels:
    """The levels of those of `names` that are published conditions of the factorial."""
    found = {name: CONDITIONS[name].levels for name in names if name in CONDITIONS}
    return {name: levels for name, levels in found.items() if levels is not None}


def factorial(
    values: pd.DataFrame,
    *,
    smallest_effect: float,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    levels: Levels | None = None,
    evidence: bool = True,
) -> Factorial:
    """The effects that the conditions can test, in one family.

    values: a row a unit, a column a condition, NaN where there is no network. levels: -1 or 1 on each factor, by
    condition; None: those of the published conditions. Columns without levels are left out, and conditions without any
    value count as missing. evidence: False withholds every verdict.
    """
    known = published_levels(list(values.columns)) if levels is None else levels
    known = {name: own for name, own in known.items() if name in values.columns and values[name].notna().any()}
    if not known:
        return Factorial((), reason="no condition of the factorial has a network")
    factors = tuple(dict.fromkeys(factor for own in known.values() for factor in own))
    cells, reason = _cells(known, factors)
    if reason:
        return Factorial((), reason=reason)
    asked, untested = _questions(cells, factors)
    if not any(question.interaction for question, _, _ in asked):
        reason = f"no two parts of the neuron are crossed by {listed(list(known))}: that takes four conditions"
        return Factorial((), tuple(cells.values()), untested, reason=reason)
    judged = judge(
        values,
        [question for question, _, _ in asked],
        smallest_effect=smallest_effect,
        alpha=alpha,
        higher_is_better=higher_is_better,
        evidence=evidence,
    )
    sizes = _eta2(values, cells, factors)
    effects = tuple(
        Effect(term, found, sizes.get(term, _NAN), at) for found, (_, term, at) in zip(judged, asked, strict=True)
    )
    lacking = {unit for found in judged for unit in found.unpaired}
    return Factorial(effects, tuple(cells.values()), untested, tuple(sorted(lacking)))


def _cells(known: Levels, factors: tuple[str, ...]) -> tuple[Cells, str]:
    """The condition at each combination of levels; or why there is no telling which."""
    partial = [name for name, own in known.items() if set(own) != set(factors)]
    if partial:
        return {}, f"without a level on some of {listed(factors)}: {listed(partial)}"
    found: dict[tuple[int, ...], list[str]] = {}
    for name, own in known.items():
        found.setdefault(tuple(own[factor] for factor in factors), []).append(name)
    twins = [f"{listed(names)} ({_place(factors, at)})" for at, names in found.items() if len(names) > 1]
    if twins:
        return {}, f"only one condition can be a cell, and these have the same levels: {'; '.join(twins)}"
    return {at: names[0] for at, names in found.items()}, ""


def _place(factors: Sequence[str], at: Sequence[int]) -> str:
    """'after-spike currents on, learned neurons off'."""
    return ", ".join(f"{factor} {'on' if level > 0 else 'off'}" for factor, level in zip(factors, at, strict=True))


def _terms(factors: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [term for size in range(1, len(factors) + 1) for term in combinations(factors, size)]


def _questions(
    cells: Cells, factors: tuple[str, ...]
) -> tuple[list[tuple[Question, tuple[str, ...], str]], tuple[str, ...]]:
    """What the cells can ask: (question, term, at what levels of the other factors); and names of what they cannot.

    A block is the cells that agree on all factors but those of the term. An effect is averaged over the blocks that
    have all their cells, so that nothing else differs between its two sides.
    """
    asked, untested = [], []
    for term in _terms(factors):
        inside = [factor in term for factor in factors]
        blocks: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for at in cells:
            blocks.setdefault(tuple(v for v, own in zip(at, inside, strict=True) if not own), []).append(at)
        whole = {others: own for others, own in blocks.items() if len(own) == 2 ** len(term)}
        name = " × ".join(term)
        if not whole:
            untested.append(name)
            continue
        sides: dict[int, list[str]] = {1: [], -1: []}
        for at in (at for own in whole.values() for at in own):
            sides[math.prod(v for v, own in zip(at, inside, strict=True) if own)].append(cells[at])
        contrast = Contrast(name, tuple(sides[1]), tuple(sides[-1]))
        others = [factor for factor in factors if factor not in term]
        question = Question(contrast, 2.0 ** (len(term) - 1), interaction=len(term) > 1)
        asked.append((question, term, _where(list(whole), others)))
    return asked, tuple(untested)


def _where(blocks: Sequence[tuple[int, ...]], others: Sequence[str]) -> str:
    """In words, at which levels of the other factors an effect is taken; '' where at all."""
    if len(blocks) == 2 ** len(others):
        return ""
    ranges = [{block[i] for block in blocks} for i in range(len(others))]
    if len(blocks) == math.prod(len(found) for found in ranges):
        fixed = [(factor, found) for factor, found in zip(others, ranges, strict=True) if len(found) == 1]
        return _place([factor for factor, _ in fixed], [next(iter(found)) for _, found in fixed])
    return "; ".join(_place(others, block) for block in blocks)


def _eta2(values: pd.DataFrame, cells: Cells, factors: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    """Partial eta squared of each term with the unit as a factor of its own, over the units that have every cell.

    That layout is balanced, so type III sums of squares are plain ones. Empty where a cell is missing or nothing is
    left for the error.
    """
    varying = [i for i in range(len(factors)) if len({at[i] for at in cells}) == 2]
    if len(cells) != 2 ** len(varying):
        return {}
    signs = np.array(list(cells))
    y = values[list(cells.values())].dropna().to_numpy(dtype=np.float64)
    if len(y) < 2:
        return {}
    centred = y - y.mean(axis=1, keepdims=True)
    squares = {}
    for term in _terms(tuple(factors[i] for i in varying)):
        weights = np.prod([signs[:, factors.index(factor)] for factor in term], axis=0)
        squares[term] = float(y.size * np.mean(centred @ weights / len(cells)) ** 2)
    error = float((centred**2).sum()) - sum(squares.values())
    if error <= 1e-12 * float((y**2).sum()):
        return {}
    return {term: square / (square + error) for term, square in squares.items()}
