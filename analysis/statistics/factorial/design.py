"""Which conditions are the cells of a factorial, what its terms compare, and at which levels of the other factors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product

import numpy as np

from analysis.statistics.contrasts import Question
from analysis.text import listed
from glifr.records import Contrast, Factor, cells_of, levels_of

MOST_FACTORS = 3  # of one interaction: of more nobody knows what to make
Place = tuple[str, ...]  # the names of the levels, one of each factor
_NAME = " × "


@dataclass(frozen=True)
class Term:
    """A factor, or several whose interaction is asked for.

    Attributes:
        blocks: The levels of the other factors at which every combination of its own has a condition, and the cells
            there.
        at: These levels in words, if they are not all; '' otherwise.
    """

    factors: tuple[Factor, ...]
    blocks: Mapping[Place, Mapping[Place, str]]
    at: str

    @property
    def name(self) -> str:
        return _NAME.join(factor.name for factor in self.factors)

    @property
    def interaction(self) -> bool:
        return len(self.factors) > 1

    @property
    def conditions(self) -> tuple[str, ...]:
        """Every condition that it rests on."""
        return tuple(name for block in self.blocks.values() for name in block.values())

    @property
    def used(self) -> tuple[str, ...]:
        """The conditions that its questions weigh: the middle level of a trend may have no weight."""
        return tuple(dict.fromkeys(name for q in self.questions for name in q.contrast.conditions))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Lists what it asks of each unit.

        Returns:
            One question; for levels that have no order every difference between two of them. For an interaction they
            are about the difference of such differences, for a trend about the change from its first level to its last.
        """
        return tuple(self._question(*parts) for parts in product(*(_differences(f) for f in self.factors)))

    def _question(self, *parts: tuple[str, Mapping[str, float]]) -> Question:
        weights = {
            name: math.prod(own[level] for (_, own), level in zip(parts, place, strict=True)) / len(self.blocks)
            for block in self.blocks.values()
            for place, name in block.items()
        }
        named = [f"{f.name} {said}" if said else f.name for f, (said, _) in zip(self.factors, parts, strict=True)]
        return weighted(_NAME.join(named), weights, interaction=self.interaction)


@dataclass(frozen=True)
class Design:
    """The cells of a factorial, and what can be asked of them.

    Attributes:
        declared: All factors, including those of which the conditions have a single level.
        cells: The condition at each combination of levels of the other factors.
        terms: What can be asked.
        untested: The names of what cannot, for want of conditions.
    """

    declared: tuple[Factor, ...]
    cells: Mapping[Place, str]
    terms: tuple[Term, ...] = field(init=False)
    untested: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        asked = [(chosen, self._term(chosen)) for chosen in _terms(self.declared)]
        object.__setattr__(self, "terms", tuple(term for _, term in asked if term is not None))
        untested = tuple(_NAME.join(f.name for f in chosen) for chosen, term in asked if term is None)
        object.__setattr__(self, "untested", untested)

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of which the conditions have several levels, as the places of `cells` have them."""
        return tuple(factor for factor in self.declared if len(factor.levels) > 1)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that are cells."""
        return tuple(self.cells.values())

    @property
    def complete(self) -> bool:
        """True if every combination of levels has a condition."""
        return len(self.cells) == math.prod(len(factor.levels) for factor in self.factors)

    def level(self, condition: str, factor: Factor) -> str:
        """The level that a condition has."""
        return (levels_of((factor,), condition) or {})[factor.name]

    def _term(self, chosen: tuple[Factor, ...]) -> Term | None:
        if not set(chosen) <= set(self.factors):
            return None
        inside = [factor in chosen for factor in self.factors]
        blocks: dict[Place, dict[Place, str]] = {}
        for place, name in self.cells.items():
            others, own = (tuple(p for p, i in zip(place, inside, strict=True) if i is side) for side in (False, True))
            blocks.setdefault(others, {})[own] = name
        size = math.prod(len(factor.levels) for factor in chosen)
        whole = {others: own for others, own in blocks.items() if len(own) == size}
        if not whole:
            return None
        return Term(chosen, whole, self._where(list(whole), [f for f in self.factors if f not in chosen]))

    def _where(self, blocks: Sequence[Place], others: Sequence[Factor]) -> str:
        """In words, at which levels of the other factors a term is taken; '' where at all."""
        always = [
            place_words((factor,), (factor.levels[0].name,)) for factor in self.declared if len(factor.levels) == 1
        ]
        ranges = [
            [level.name for level in f.levels if level.name in {b[i] for b in blocks}] for i, f in enumerate(others)
        ]
        if len(blocks) == math.prod(map(len, ranges)):
            cut = [(f, own) for f, own in zip(others, ranges, strict=True) if len(own) < len(f.levels)]
            return ", ".join([*(f"{f.name} {listed(own)}" for f, own in cut), *always])
        return "; ".join(", ".join([place_words(others, block), *always]) for block in blocks)


def read_design(factors: Sequence[Factor], names: Iterable[str]) -> Design | str:
    """The design of the conditions `names`, or why there is none."""
    known = [name for name in names if levels_of(factors, name) is not None]
    if not factors:
        return "the study declares no factors"
    if not known:
        return "no condition of the factorial has a network"
    found = {place: [name for name in own if name in known] for place, own in cells_of(factors).items()}
    twins = [f"{listed(own)} ({place_words(factors, place)})" for place, own in found.items() if len(own) > 1]
    if twins:
        return f"only one condition can be a cell, and these have the same levels: {'; '.join(twins)}"
    varying = [i for i, factor in enumerate(factors) if len({place[i] for place, own in found.items() if own}) > 1]
    one = sorted(((own[0], place) for place, own in found.items() if own), key=lambda cell: known.index(cell[0]))
    cells = {tuple(place[i] for i in varying): name for name, place in one}
    declared = (factor if i in varying else _only(factor, known) for i, factor in enumerate(factors))
    return Design(tuple(declared), cells)


def _only(factor: Factor, known: Sequence[str]) -> Factor:
    """A factor with the one level that the known conditions have."""
    levels = tuple(level for level in factor.levels if set(level.conditions) & set(known))
    return Factor(factor.name, levels, factor.scale)


def place_words(factors: Sequence[Factor], place: Sequence[str]) -> str:
    """'after-spike currents on, delay 0.5'."""
    return ", ".join(f"{factor.name} {level}" for factor, level in zip(factors, place, strict=True))


def weighted(name: str, weights: Mapping[str, float], *, interaction: bool = False) -> Question:
    """The sum of the conditions' values with these weights, which sum up to 0, as a question."""
    sides = [{c: abs(w) for c, w in weights.items() if w * sign > 0} for sign in (1, -1)]
    times = sum(sides[0].values())
    contrast = Contrast(name, tuple(sides[0]), tuple(sides[1]))
    shares = tuple(tuple(w / sum(side.values()) for w in side.values()) for side in sides)
    return Question(contrast, times, interaction, (shares[0], shares[1]))


def scores(factor: Factor) -> np.ndarray:
    """The places of an ordered factor's levels on its scale."""
    numbers = np.array(factor.numbers)
    return np.log(numbers) if factor.scale == "log" else numbers


def _differences(factor: Factor) -> Iterator[tuple[str, dict[str, float]]]:
    """The weights by which a factor's levels are compared, each with what it is; one for two levels or a trend."""
    names = [level.name for level in factor.levels]
    if factor.ordered:
        centred = scores(factor) - scores(factor).mean()
        slope = centred * np.ptp(centred) / (centred**2).sum()
        yield "", dict(zip(names, np.where(np.abs(slope) < 1e-12, 0.0, slope).tolist(), strict=True))
        return
    for first, second in combinations(names, 2):
        said = "" if len(names) == 2 else f"{second} \N{MINUS SIGN} {first}"
        yield said, {name: float(name == second) - float(name == first) for name in names}


def _terms(factors: Sequence[Factor]) -> list[tuple[Factor, ...]]:
    sizes = range(1, min(len(factors), MOST_FACTORS) + 1)
    return [term for size in sizes for term in combinations(factors, size)]
