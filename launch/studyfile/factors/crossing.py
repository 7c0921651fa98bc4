"""The conditions that a crossing makes: each a base and values, as if they were written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from glifr.conditions import CONDITIONS
from glifr.errors import nearest
from launch.studyfile.factors.models import CELLS_RULE, Crossing, Factors, FactorSpec, LevelOf, flat, said
from launch.studyfile.tree import NOTHING, Fault, KeyPath, Mark, Tree
from launch.studyfile.values import CONDITION_RULE, is_condition_name

MOST = 1_000  # conditions of one crossing: more is a slip
Cell = tuple[LevelOf, ...]

_FACTORS: TypeAdapter[dict[str, FactorSpec]] = TypeAdapter(Factors)


def crossed(tree: Tree) -> tuple[Tree, list[Fault], bool]:
    """`tree` with the conditions that its crossing makes, each value marked where its level was written.

    The faults that only a crossing can have; and whether it could be made: where not, the conditions are unknown.
    """
    if not isinstance(tree.data, dict) or tree.data.get("crossing") is None:
        return tree, [], True
    try:
        factors = _FACTORS.validate_python(tree.data.get("factors") or {})
        crossing = Crossing.model_validate(tree.data["crossing"])
    except ValidationError:
        faults = [] if tree.data.get("factors") else [_no_factors()]
        return _with_conditions(tree, {}, {}), faults, False
    given = tree.data.get("conditions")
    written = list(given) if isinstance(given, dict) else []
    levels = {name: factor.of(name) for name, factor in factors.items()}
    faults = [*_faults(levels, crossing, written)]
    if faults:
        return _with_conditions(tree, {}, {}), faults, False
    made: dict[str, Any] = {}
    marks: dict[KeyPath, Mark] = {}
    for cell in cells(levels, crossing):
        name = cell_name(cell)
        made[name] = _values(cell, crossing)
        marks |= _marks(tree, name, dict(zip(levels, cell, strict=True)))
    return _with_conditions(tree, made, marks), [], True


def cells(levels: Mapping[str, Sequence[LevelOf]], crossing: Crossing) -> list[Cell]:
    """The combinations of levels that are made, in the order of the factors."""
    every = list(product(*levels.values()))
    if crossing.cells == "all":
        return every
    wanted = {tuple(map(_key, cell)) for cell in crossing.cells}
    return [cell for cell in every if tuple(level.name for level in cell) in wanted]


def cell_name(cell: Cell) -> str:
    """The name of the condition: 'delay0p5-two'."""
    return "-".join(level.part for level in cell)


def _key(value: Any) -> str:
    return said(value)


def _no_factors() -> Fault:
    rule, todo = "a crossing needs factors to cross", "add `factors:`, as {delay: [0.5, 1.0, 2.0]}"
    return Fault(("crossing",), rule, NOTHING, "factors by name, each with its levels", todo)


def _with_conditions(tree: Tree, made: Mapping[str, Any], marks: Mapping[KeyPath, Mark]) -> Tree:
    given = tree.data.get("conditions", {})
    if not isinstance(given, dict):
        return tree
    return Tree({**tree.data, "conditions": {**given, **made}}, {**tree.marks, **marks})


def _values(cell: Cell, crossing: Crossing) -> dict[str, Any]:
    """The condition as it would be written."""
    found: dict[str, Any] = {} if crossing.base is None else {"base": crossing.base}
    values = [*flat(crossing.values or {}), *(own for level in cell for own in (level.values or {}).items())]
    for path, value in values:
        at = found
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
    return found


def _marks(tree: Tree, name: str, cell: Mapping[str, LevelOf]) -> dict[KeyPath, Mark]:
    """Where each value of a made condition was written: its level, or else the crossing."""
    found: dict[KeyPath, Mark] = {}
    here = ("conditions", name)
    _copy(tree, ("crossing",), here, found)
    _copy(tree, ("crossing", "base"), (*here, "base"), found)
    for path, _ in flat(tree.data["crossing"].get("values") or {}):
        _copy(tree, ("crossing", "values", *path), (*here, *path), found)
    for factor, level in cell.items():
        place = place_of(tree, factor, level)
        for path in level.values or {}:
            below = (*place, *path)
            _copy(tree, below if below in tree.marks else place, (*here, *path), found)
    return found


def _copy(tree: Tree, source: KeyPath, to: KeyPath, found: dict[KeyPath, Mark]) -> None:
    if source in tree.marks:
        found[to] = tree.marks[source]


def place_of(tree: Tree, factor: str, level: LevelOf) -> KeyPath:
    """The key path of a level as it is written."""
    own, path = tree.data["factors"][factor], cast(KeyPath, ("factors", factor))
    if isinstance(own, dict) and "levels" in own:
        own, path = own["levels"], (*path, "levels")
    if isinstance(own, dict):
        return (*path, level.name)
    return (*path, [said(x) for x in own].index(level.name))


def as_written(tree: Tree, fault: Fault) -> Fault:
    """A fault of a factor at the place where it is written: as its levels alone, or below `levels`."""
    path = fault.path
    if path[:1] != ("factors",) or path[2:3] != ("levels",) or (*path[:2], "levels") in tree.marks:
        return fault
    return replace(fault, path=(*path[:2], *path[3:]))


def _faults(levels: Mapping[str, Sequence[LevelOf]], crossing: Crossing, written: list[str]) -> Iterator[Fault]:
    for name, own in levels.items():
        if any(level.values is None for level in own):
            rule = "a crossing makes conditions of values, and these levels list conditions"
            yield Fault(("factors", name), rule, NOTHING, "values, as {none: {num_ascs: 0}, two: {num_ascs: 2}}")
            return
    yield from _base_faults(levels, crossing, written)
    yield from _twice_set(levels, crossing)
    count = math.prod(map(len, levels.values()))
    if crossing.cells == "all" and count > MOST:
        rule = f"the crossing makes {count:,} conditions"
        yield Fault(("crossing", "cells"), rule, crossing.cells, f"at most {MOST:,}", "list the cells")
        return
    listed = [] if crossing.cells == "all" else [*_cell_faults(levels, crossing.cells)]
    yield from listed
    if not listed:
        yield from _name_faults(cells(levels, crossing), levels, written)


def _base_faults(levels: Mapping[str, Sequence[LevelOf]], crossing: Crossing, written: list[str]) -> Iterator[Fault]:
    known = list(dict.fromkeys([*CONDITIONS, *written]))
    own = {name: [("base",) in (level.values or {}) for level in found] for name, found in levels.items()}
    whole = [name for name, has in own.items() if all(has)]
    some = [name for name, has in own.items() if any(has) and not all(has)]
    if crossing.base is not None and crossing.base not in known:
        rule = f"there is no condition {crossing.base!r} that could be a base"
        yield Fault(
            ("crossing", "base"), rule, crossing.base, f"one of {', '.join(known)}", nearest(crossing.base, known)
        )
    elif crossing.base is not None and whole:
        rule, todo = f"the base is set twice, here and by the factor {whole[0]}", "remove it here"
        yield Fault(("crossing", "base"), rule, crossing.base, "null", todo)
    elif crossing.base is None and not whole:
        allowed = f"one of {', '.join(known)}"
        lacking = f": some levels of {some[0]} have none" if some else ""
        rule = f"the conditions of the crossing have no base{lacking}"
        yield Fault(("crossing",), rule, NOTHING, allowed, "add `base: LHetA` to it, or to every level of a factor")


def _twice_set(levels: Mapping[str, Sequence[LevelOf]], crossing: Crossing) -> Iterator[Fault]:
    """Values that two factors would set, and levels of a factor that are the same."""
    owners: dict[tuple[str, ...], str] = {path: "crossing.values" for path, _ in flat(crossing.values or {})}
    for name, own in levels.items():
        for path in dict.fromkeys(path for level in own for path in level.values or {}):
            other = next((o for p, o in owners.items() if p[: len(path)] == path or path[: len(p)] == p), None)
            if other is not None:
                rule = f"{'.'.join(path)} is set twice: by {other} and by {name}"
                yield Fault(("factors", name), rule, NOTHING, todo="let one of them set it")
                return
            owners[path] = name
        seen: dict[str, str] = {}
        for level in own:
            twin = seen.setdefault(repr(sorted((level.values or {}).items())), level.name)
            if twin != level.name:
                rule = f"the levels {twin} and {level.name} are the same"
                yield Fault(("factors", name), rule, NOTHING, "levels that differ", "change or remove one")


def _cell_faults(levels: Mapping[str, Sequence[LevelOf]], given: Sequence[Sequence[Any]]) -> Iterator[Fault]:
    seen: list[tuple[str, ...]] = []
    for place, cell in enumerate(given):
        path, key = ("crossing", "cells", place), tuple(map(_key, cell))
        if len(cell) != len(levels):
            rule = f"a cell has a level of each of {len(levels)} factors, in their order: {', '.join(levels)}"
            yield Fault(path, rule, list(cell), CELLS_RULE)
            continue
        for (name, own), word, value in zip(levels.items(), key, cell, strict=True):
            names = [level.name for level in own]
            if word not in names:
                rule = f"the factor {name} has no level {word!r}"
                yield Fault(path, rule, value, "one of " + ", ".join(names), nearest(word, names))
        if key in seen:
            yield Fault(path, "a cell is listed twice", list(cell), todo="list it once")
        elif all(word in [x.name for x in own] for own, word in zip(levels.values(), key, strict=True)):
            seen.append(key)
    if len(seen) < len(given):
        return
    for i, (name, own) in enumerate(levels.items()):
        for word in (level.name for level in own if level.name not in {key[i] for key in seen}):
            rule = f"no cell has the level {word!r} of {name}"
            yield Fault(("crossing", "cells"), rule, NOTHING, todo="remove the level, or list a cell with it")


def _name_faults(made: Sequence[Cell], levels: Mapping[str, Sequence[LevelOf]], written: list[str]) -> Iterator[Fault]:
    names = [cell_name(cell) for cell in made]
    for name in dict.fromkeys(names):
        if name in written:
            rule = f"the crossing makes a condition {name!r}, and one of that name is written by hand"
            yield Fault(("conditions", name), rule, NOTHING, todo="give the one written by hand another name")
        elif not is_condition_name(name) or name in CONDITIONS:
            rule = f"the crossing would make a condition {name!r}: a name is made of those of its levels"
            todo = "give the levels other names, as {none: {num_ascs: 0}, two: {num_ascs: 2}}"
            yield Fault(("factors",), rule, list(levels), f"{CONDITION_RULE}; none that is published", todo)
            return
    if len(set(names)) < len(names):
        twin = next(name for name in names if names.count(name) > 1)
        rule = f"two cells of the crossing would have the name {twin!r}"
        yield Fault(("factors",), rule, list(levels), todo="give the levels other names")
