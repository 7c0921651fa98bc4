"""The factors of a study as they are recorded: each level with the conditions that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from glifr.conditions import Condition
from glifr.records import Factor, Level
from launch.studyfile.factors.crossing import cell_name, cells
from launch.studyfile.factors.models import LevelOf

if TYPE_CHECKING:
    from launch.studyfile.models import StudySpec

_OF_A_CONDITION = frozenset(f.name for f in fields(Condition))


def declared_factors(spec: StudySpec) -> tuple[Factor, ...]:
    """The declared factors with the conditions at each of their levels; () where none are declared."""
    has = _made(spec) if spec.crossing is not None else _as_written(spec)
    return tuple(
        Factor(name, tuple(Level(o.name, has(name, o), o.number) for o in factor.of(name)), factor.scale)
        for name, factor in (spec.factors or {}).items()
    )


def hues(spec: StudySpec) -> dict[str, int]:
    """For each condition that a crossing makes, the place of its level of the first factor, which is its colour."""
    if spec.crossing is None or not spec.factors:
        return {}
    levels = {name: factor.of(name) for name, factor in spec.factors.items()}
    first = next(iter(levels.values()))
    return {cell_name(cell): first.index(cell[0]) for cell in cells(levels, spec.crossing)}


def _made(spec: StudySpec) -> Callable[[str, LevelOf], tuple[str, ...]]:
    levels = {name: factor.of(name) for name, factor in (spec.factors or {}).items()}
    every = cells(levels, spec.crossing) if spec.crossing else []
    places = {name: place for place, name in enumerate(levels)}
    return lambda name, own: tuple(cell_name(cell) for cell in every if cell[places[name]].name == own.name)


def _as_written(spec: StudySpec) -> Callable[[str, LevelOf], tuple[str, ...]]:
    def has(name: str, own: LevelOf) -> tuple[str, ...]:
        if own.values is None:
            return tuple(condition for condition in spec.conditions if condition in own.conditions)
        return tuple(c for c in spec.conditions if all(_equals(spec, c, *value) for value in own.values.items()))

    return has


def _equals(spec: StudySpec, condition: str, path: tuple[str, ...], wanted: Any) -> bool:
    """True if a condition has the value at a key path, its own or its base's."""
    found, value = next(_found(spec, condition, path), None), spec.condition(condition)
    if path == ("learned",) and value.start is not None:
        wanted = replace(value, learned=wanted if isinstance(wanted, bool) else tuple(wanted)).learned
    return bool(found == wanted and isinstance(found, bool) == isinstance(wanted, bool))


def _found(spec: StudySpec, condition: str, path: tuple[str, ...]) -> Iterator[Any]:
    own, (first, *rest) = spec.conditions[condition], path
    if first == "training":
        at: Any = spec.training_of(condition)
        for key in rest:
            at = getattr(at, key, None)
        yield at
    elif first == "fixed":
        yield (own.fixed or {}).get(".".join(rest))
    elif first == "base":
        yield own.base or condition
    elif first == "start" and own.start != "prior":
        yield own.start
    elif first in _OF_A_CONDITION:
        yield getattr(spec.condition(condition), first)
    else:
        yield getattr(own, first, None)
