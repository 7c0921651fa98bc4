"""The factors of a study: what it crosses, each with its levels and the conditions that have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, Self, get_args

from glifr.conditions import CONDITIONS

Scale = Literal["linear", "log"]
SCALES: tuple[Scale, ...] = get_args(Scale)


@dataclass(frozen=True)
class Level:
    """One level of a factor.

    Attributes:
        name: Its name.
        conditions: The conditions that have it.
        value: Its number, where the level is one; None otherwise.
    """

    name: str
    conditions: tuple[str, ...]
    value: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "conditions": list(self.conditions), "value": self.value}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        return cls(body["name"], tuple(body["conditions"]), body["value"])


@dataclass(frozen=True)
class Factor:
    """One factor.

    Attributes:
        name: Its name.
        levels: Its levels, in their order.
        scale: The scale on which the numbers of an ordered factor are taken.
    """

    name: str
    levels: tuple[Level, ...]
    scale: Scale = "linear"

    @property
    def conditions(self) -> tuple[str, ...]:
        """Every condition that has one of its levels."""
        return tuple(name for level in self.levels for name in level.conditions)

    @property
    def ordered(self) -> bool:
        """True if its levels are more than two numbers: then it has a trend and a curve."""
        return len(self.levels) > 2 and all(level.value is not None for level in self.levels)

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers of an ordered factor's levels."""
        return tuple(level.value for level in self.levels if level.value is not None)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "levels": [level.to_json() for level in self.levels], "scale": self.scale}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        return cls(body["name"], tuple(map(Level.from_json, body["levels"])), body["scale"])


def cells_of(factors: Sequence[Factor]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The conditions at each combination of levels, by the levels' names; those without any are empty."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for combination in product(*(factor.levels for factor in factors)):
        shared = set.intersection(*(set(level.conditions) for level in combination))
        names = tuple(name for name in combination[0].conditions if name in shared)
        found[tuple(level.name for level in combination)] = names
    return found


def levels_of(factors: Sequence[Factor], condition: str) -> dict[str, str] | None:
    """The condition's level on each factor; None for a condition outside the factorial."""
    found = {f.name: level.name for f in factors for level in f.levels if condition in level.conditions}
    return found if factors and len(found) == len(factors) else None


# what the published conditions cross, and what studies were judged by before they declared their factors
_PUBLISHED = ("after-spike currents", "heterogeneous start", "learned neurons")


def published_factors(names: Iterable[str]) -> tuple[Factor, ...]:
    """The factors that those of `names` cross which are published conditions with GLIFR neurons, each off and on."""
    return switches(published_levels(names))


def published_levels(names: Iterable[str]) -> dict[str, dict[str, bool]]:
    """What of the published factors is on, by condition; without those that are outside."""
    found = {}
    for name in names:
        condition = CONDITIONS.get(name)
        if condition is not None and condition.start is not None:
            on = (condition.num_ascs > 0, condition.start == "heterogeneous", bool(condition.learned))
            found[name] = dict(zip(_PUBLISHED, on, strict=True))
    return found


def switches(on: Mapping[str, Mapping[str, bool]]) -> tuple[Factor, ...]:
    """Factors that are off or on; on: condition -> factor -> whether it is."""
    names = dict.fromkeys(name for levels in on.values() for name in levels)
    levels = {
        name: [
            (word, tuple(c for c in on if on[c].get(name) is state)) for word, state in (("off", False), ("on", True))
        ]
        for name in names
    }
    return tuple(Factor(name, tuple(Level(word, own) for word, own in found if own)) for name, found in levels.items())


def is_published(factors: Sequence[Factor]) -> bool:
    """True if the factors are the published ones, by whatever names: what was judged before factors were declared."""
    known = published_factors(dict.fromkeys(name for factor in factors for name in factor.conditions))
    return _partitions(factors) == _partitions([factor for factor in known if len(factor.levels) > 1])


def _partitions(factors: Sequence[Factor]) -> Counter[frozenset[frozenset[str]]]:
    return Counter(frozenset(frozenset(level.conditions) for level in factor.levels) for factor in factors)
