"""The rules of declared factors; those of a crossing's own are in `crossing`. Each names the sections it reads."""

from __future__ import annotations

from collections.abc import Iterator

from glifr.errors import nearest
from glifr.records import Factor, cells_of
from launch.studyfile.models import StudySpec
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.tree import NOTHING, Fault
from launch.studyfile.values import listed_words

FACTOR_CHECKS: Registered = []
_reads = reads_into(FACTOR_CHECKS)


@_reads("factors")
def _scales(spec: StudySpec) -> Iterator[Fault]:
    for name, factor in (spec.factors or {}).items():
        numbers = [level.number for level in factor.of(name)]
        if factor.scale == "log" and any(number is None or number <= 0 for number in numbers):
            rule = f"the levels of {name} are not all numbers above 0, which a logarithmic scale takes"
            yield Fault(("factors", name, "scale"), rule, factor.scale, "linear", "remove it")


@_reads("factors", "crossing", "conditions")
def _known(spec: StudySpec) -> Iterator[Fault]:
    """Levels list conditions of the study, each in one level of a factor and in all factors or none."""
    factors = spec.factors or {}
    if spec.crossing is not None:
        return
    known = list(spec.conditions)
    for name, factor in factors.items():
        seen: dict[str, str] = {}
        for level in factor.of(name):
            path = ("factors", name)
            for condition in level.conditions:
                if condition not in known:
                    rule = f"the level {level.name} of {name} lists a condition that is not in the study"
                    todo = nearest(condition, known) or "remove it, or add the condition"
                    yield Fault(path, rule, condition, "one of " + ", ".join(known), todo)
                elif seen.setdefault(condition, level.name) != level.name:
                    rule = f"{condition} has two levels of {name}: {seen[condition]} and {level.name}"
                    yield Fault(path, rule, NOTHING, todo="list it at one level")


@_reads("factors", "crossing", "conditions", "task", "training")
def _complete(spec: StudySpec) -> Iterator[Fault]:
    """Conditions that are written by hand make up whole factors: one at each combination of levels."""
    if spec.crossing is not None or not spec.factors or next(_known(spec), None) is not None:
        return
    factors = spec.declared_factors()
    empty = [(f.name, level.name) for f in factors for level in f.levels if not level.conditions]
    for name, level in empty:
        rule = f"no condition has the level {level} of {name}"
        todo = "write such a condition, or let `crossing: {base: LHetA}` make them"
        yield Fault(("factors", name), rule, NOTHING, "levels that conditions of the study have", todo)
    partly = [] if empty else [*_partly(spec, factors)]
    yield from partly
    if empty or partly:
        return
    found = cells_of(factors)
    twins = [f"{listed_words(names)} ({_place(factors, at)})" for at, names in found.items() if len(names) > 1]
    if twins:
        rule = f"only one condition can be a cell, and these have the same levels: {'; '.join(twins)}"
        yield Fault(("factors",), rule, NOTHING, todo="list at each level the conditions that are meant")
    lacking = [_place(factors, at) for at, names in found.items() if not names]
    if lacking:
        rule = f"the factors are not crossed completely: no condition has {'; or '.join(lacking[:3])}"
        more = f" (and {len(lacking) - 3} more)" if len(lacking) > 3 else ""
        todo = "add the conditions, or declare the levels that are crossed completely"
        yield Fault(("factors",), rule + more, NOTHING, "a condition at every combination of levels", todo)


def _partly(spec: StudySpec, factors: tuple[Factor, ...]) -> Iterator[Fault]:
    """Conditions that a factor lists and another leaves out."""
    for factor in (f for f in factors if (spec.factors or {})[f.name].lists_conditions):
        for other in factors:
            outside = [name for name in factor.conditions if name not in other.conditions]
            if outside:
                rule = f"{listed_words(outside)} has a level of {factor.name} and none of {other.name}"
                yield Fault(("factors", other.name), rule, NOTHING, "a level of each factor, or of none")


def _place(factors: tuple[Factor, ...], at: tuple[str, ...]) -> str:
    return ", ".join(f"{factor.name} {level}" for factor, level in zip(factors, at, strict=True))
