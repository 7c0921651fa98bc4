"""The types of declared factors: each with its levels, which are values of a condition or lists of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from glifr.records import Scale
from launch.studyfile import values as v
from launch.studyfile.sections import Section

Scalar: TypeAlias = bool | int | float | str
KeyValues: TypeAlias = dict[tuple[str, ...], Any]  # by key path of a condition

LEVELS_RULE = (
    "a list of values, as [0.5, 1.0, 2.0]; or named levels, each a mapping of values, as {none: {num_ascs: 0}}, or "
    "each the conditions that have it, as {none: [Hom, LHet]}"
)


@dataclass(frozen=True)
class LevelOf:
    """One level of a factor as declared.

    Attributes:
        part: What it adds to the name of a condition that a crossing makes.
        values: Values that such a condition has, or by which conditions of the study are assigned to it; None where it
            lists them in `conditions`.
    """

    name: str
    part: str
    values: KeyValues | None
    conditions: tuple[str, ...] = ()
    number: float | None = field(default=None)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool) or v.is_number(value)


def _levels(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not all(map(_is_scalar, value)):
            v.refuse("the levels of a list must be numbers, texts, or true and false", LEVELS_RULE)
        if len({(type(x) is bool, x) for x in value}) < len(value):
            v.refuse("a level is given twice", LEVELS_RULE, "give each once")
        found: Any = tuple(value)
    elif isinstance(value, dict):
        found = {name: _level(name, own) for name, own in value.items()}
        kinds = {isinstance(own, tuple) for own in found.values()}
        if len(kinds) > 1:
            v.refuse("some levels are values and others list conditions", LEVELS_RULE, "write all of one kind")
    else:
        v.refuse("these are no levels", LEVELS_RULE)
    if len(found) < 2:
        v.refuse("a factor needs two levels or more", LEVELS_RULE, "add a level, or write it into the conditions")
    return found


def _level(name: Any, value: Any) -> Any:
    if not isinstance(name, str) or not 1 <= len(name) <= 80:
        v.refuse("the name of a level must be a text of 1 to 80 characters", LEVELS_RULE)
    if isinstance(value, dict):
        return value
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(n, str) for n in names):
        v.refuse(f"the level {name!r} is neither a mapping of values nor a list of conditions", LEVELS_RULE)
    if len(set(names)) < len(names):
        v.refuse(f"a condition is given twice in the level {name!r}", LEVELS_RULE, "give each once")
    return tuple(names)


class FactorSpec(Section):
    """A factor in a study file; it may be written as its levels alone.

    Attributes:
        levels: Values of the setting that the factor is named after, or named levels.
        scale: Linear or log, on which the trend over levels that are numbers is taken.
    """

    levels: Annotated[tuple[Any, ...] | dict[str, Any], BeforeValidator(_levels), Field(description=LEVELS_RULE)]
    scale: Annotated[Scale, Field(description="linear or log")] = "linear"

    @model_validator(mode="wrap")
    @classmethod
    def _short(cls, data: Any, handler: ModelWrapValidatorHandler[FactorSpec]) -> FactorSpec:
        whole = isinstance(data, FactorSpec) or (isinstance(data, dict) and "levels" in data)
        return handler(data if whole else {"levels": data})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Also its levels alone."""
        listed: dict[str, Any] = {"type": "array", "items": {"type": ["number", "string", "boolean"]}, "minItems": 2}
        own = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "string"}}, {"type": "string"}]}
        named = {"type": "object", "additionalProperties": own, "minProperties": 2}
        levels = {"anyOf": [listed, named]}
        scale = {"enum": ["linear", "log"], "description": "on which the trend over levels that are numbers is taken"}
        long = {"type": "object", "properties": {"levels": levels, "scale": scale}, "required": ["levels"]}
        whole = {**long, "additionalProperties": False}
        return {"anyOf": [whole, listed, named], "description": LEVELS_RULE, "title": cls.__name__}

    @property
    def lists_conditions(self) -> bool:
        """True if its levels say which conditions have them."""
        return isinstance(self.levels, dict) and all(isinstance(own, tuple) for own in self.levels.values())

    def of(self, name: str) -> tuple[LevelOf, ...]:
        """The levels of the factor, which is called `name`."""
        if isinstance(self.levels, dict):
            return tuple(_numbered([_named(level, own) for level, own in self.levels.items()]))
        path = tuple(name.split("."))
        return tuple(
            LevelOf(said(x), f"{path[-1]}{_part(x)}", {path: x}, number=float(x) if v.is_number(x) else None)
            for x in self.levels
        )


def _named(name: str, own: Mapping[str, Any] | tuple[str, ...]) -> LevelOf:
    if isinstance(own, tuple):
        return LevelOf(name, name, None, own)
    return LevelOf(name, name, dict(flat(own)))


def _numbered(levels: list[LevelOf]) -> Iterator[LevelOf]:
    """Levels that all set one number of one key are numbers."""
    paths = {tuple(level.values or ()) for level in levels}
    single = len(paths) == 1 and len(next(iter(paths))) == 1
    values = [next(iter(level.values.values())) if single and level.values else None for level in levels]
    numeric = single and all(v.is_number(x) for x in values)
    for level, value in zip(levels, values, strict=True):
        number = float(value) if numeric else None  # type: ignore[arg-type]
        yield LevelOf(level.name, level.part, level.values, level.conditions, number)


def flat(values: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a mapping by key path; a key may be a path itself, with dots."""
    for key, value in values.items():
        path = (*before, *str(key).split("."))
        if isinstance(value, dict) and value and path != ("start",):
            yield from flat(value, path)
        else:
            yield path, value


def said(value: Scalar) -> str:
    """A value of a list as the name of its level."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _part(value: Scalar) -> str:
    """A value within the name of a condition, which has no dots: 'p' stands for the point, 'm' for the minus."""
    if isinstance(value, str):
        return f"_{value}"
    return said(value).replace(".", "p").replace("-", "m").replace("+", "")


CELLS_RULE = "all, or a list of cells, each a list with a level of every factor, as [[0.5, none], [2.0, two]]"


def _cells(value: Any) -> Any:
    if value == "all":
        return value
    if not isinstance(value, list | tuple) or not value:
        v.refuse("this must say which cells are made", CELLS_RULE)
    if not all(isinstance(cell, list | tuple) and all(map(_is_scalar, cell)) for cell in value):
        v.refuse("each cell must be a list of levels", CELLS_RULE)
    return tuple(tuple(cell) for cell in value)


class Crossing(Section):
    """Makes a condition of each combination of levels, from `base` with the levels' values.

    Attributes:
        base: Left out where the levels of a factor name their own.
        values: Values that all of them have, as in a condition.
        cells: Which combinations; all of them by default.
    """

    base: v.BaseName | None = None
    values: Annotated[dict[str, Any], Field(description="values of a condition, as {hidden_size: 100}")] | None = None
    cells: Annotated[
        Literal["all"] | tuple[tuple[Any, ...], ...],
        BeforeValidator(_cells),
        Field(description=CELLS_RULE, json_schema_extra={"type": ["string", "array"]}),
    ] = "all"


FactorName = Annotated[str, Field(min_length=1, max_length=80, description="a name of 1 to 80 characters"), v.Keys()]


def _some(factors: dict[str, FactorSpec]) -> dict[str, FactorSpec]:
    if not factors:
        v.refuse("no factor is declared", "factors by name, each with its levels", "remove `factors`, or add one")
    return factors


Factors = Annotated[
    dict[FactorName, FactorSpec], AfterValidator(_some), Field(description="factors by name, each with its levels")
]
