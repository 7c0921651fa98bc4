"""What a search may try: named dimensions, each a typed range or a list of choices.

A dimension is a hyperparameter of the start and the step size, or the key path of a setting within a condition, as
`num_ascs` or `training.dropout`: its value takes that setting's place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from glifr.conditions import CONDITIONS, HYPERPARAMETERS
from glifr.records import Value
from launch.studyfile import values as v
from launch.studyfile.conditions import ConditionSpec
from launch.studyfile.sections import Section
from launch.studyfile.training import RECIPE, Training

_NOT_SEARCHED = ("epochs", "sigma_v")  # every trial has the same epochs; an annealing is two numbers


def _of_training() -> Iterator[str]:
    for name in (name for name in RECIPE if name not in _NOT_SEARCHED):
        kind = Training.model_fields[name].annotation
        below = kind.model_fields if isinstance(kind, type) and issubclass(kind, Section) else ()
        yield from (f"training.{name}.{leaf}" for leaf in below)
        if not below:
            yield f"training.{name}"


OF_TRAINING = tuple(_of_training())
OF_NETWORKS = tuple(dict.fromkeys(name for c in CONDITIONS.values() for name in c.searchable))
SEARCHABLE = (*HYPERPARAMETERS, *OF_NETWORKS, *OF_TRAINING)


class Dimension(Section):
    """One searched dimension: from `low` to `high`, evenly on a `log` or `linear` scale; or one of `choices`.

    Attributes:
        low: The lower end of the range.
        high: The upper end.
        scale: On which values are spread evenly.
        choices: The values, instead of a range.
        description: Shown beside the range.
        type: float, or int for whole numbers.
        points: For a grid, how many values of the range, including both ends.
    """

    later = frozenset({"low", "high", "scale", "type", "choices", "points"})

    low: v.Number | None = None
    high: v.Number | None = None
    scale: Annotated[Literal["log", "linear"], Field(description="log or linear")] | None = None
    type: Annotated[Literal["float", "int"], Field(description="float or int")] = "float"
    choices: v.Choices | None = None
    points: Annotated[int, Field(ge=2, le=1000, description="a whole number from 2 to 1000")] | None = None
    description: v.Text = ""

    @property
    def log(self) -> bool:
        return self.scale == "log"

    @property
    def range(self) -> tuple[float, float]:
        """Its lower and upper end; ValueError for choices."""
        if self.low is None or self.high is None:
            raise ValueError("choices have no ends")
        return self.low, self.high

    def place(self, where: Literal["low", "middle", "high"]) -> Value:
        """The value at the lower end, in the middle or at the upper end, on its own scale; choices in their order."""
        if self.choices is not None:
            chosen: Value = self.choices[{"low": 0, "middle": len(self.choices) // 2, "high": -1}[where]]
            return chosen
        low, high = self.range
        middle = math.sqrt(low * high) if self.log else (low + high) / 2
        found = {"low": low, "middle": middle, "high": high}[where]
        return round(found) if self.type == "int" else found

    @property
    def complete(self) -> bool:
        """True if it has choices, or both ends."""
        return self.choices is not None or not (self.low is None or self.high is None)

    @property
    def finite(self) -> bool:
        """True if a grid can have all its values."""
        return self.choices is not None or self.points is not None or self.type == "int"

    def grid(self) -> tuple[Value, ...]:
        """Its values on a grid, in their order; () where there is no end of them, or its range is not right."""
        if self.choices is not None:
            return self.choices
        if not self.complete or (self.log and self.range[0] <= 0):
            return ()
        low, high = self.range
        if self.points is None:
            return tuple(range(int(low), int(high) + 1)) if self.type == "int" else ()
        to, back = (math.log, math.exp) if self.log else (float, float)
        steps = [to(low) + (to(high) - to(low)) * i / (self.points - 1) for i in range(self.points)]
        inner = [float(f"{back(step):.12g}") for step in steps[1:-1]]  # 1e-3, not its neighbour
        return tuple(round(x) if self.type == "int" else x for x in (low, *inner, high))

    def holds(self, value: Value) -> bool:
        """True if a trial could have this value."""
        if self.choices is not None:
            return self._choice(value) is not None
        low, high = self.range
        return v.is_number(value) and low <= float(value) <= high and (self.type != "int" or float(value).is_integer())

    def typed(self, value: Value) -> Value:
        """A value that it holds, of the type that proposals have: 1 for 1.0 where whole numbers are searched."""
        if self.choices is not None:
            found = self._choice(value)
            return value if found is None else found
        return int(value) if self.type == "int" else float(value)

    def _choice(self, value: Value) -> Value | None:
        """The choice that a value is: 1 and 1.0 are one, 1 and true are not."""
        alike = (c for c in self.choices or () if v.is_number(c) == v.is_number(value) and c == value)
        return next(alike, None)

    def common(self, other: Dimension) -> Dimension | None:
        """What two conditions both search; None where that is nothing."""
        if self.choices is not None or other.choices is not None:
            both = tuple(c for c in self.choices or () if c in (other.choices or ()))
            return self.model_copy(update={"choices": both}) if both else None
        (low, high), (others_low, others_high) = self.range, other.range
        low, high = max(low, others_low), min(high, others_high)
        return self.model_copy(update={"low": low, "high": high}) if low <= high else None

    def at(self, u: float) -> Value:
        """The value at the place `u` of the range, 0 to 1, on its own scale: each whole number and choice as likely."""
        if self.choices is not None:
            chosen: Value = self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
            return chosen
        first, last = self.range
        edge = 0.5 if self.type == "int" else 0.0
        to, back = (math.log, math.exp) if self.log else (float, float)
        low, high = to(first - edge if first - edge > 0 or not self.log else first), to(last + edge)
        found = back(low + u * (high - low))
        found = min(max(round(found) if edge else found, first), last)  # rounding may lead out
        return int(found) if edge else found

    def to_record(self) -> dict[str, Any]:
        """As study.json tells it."""
        if self.choices is not None:
            return {"choices": list(self.choices)}
        low, high = self.range
        whole = {"type": "int"} if self.type == "int" else {}
        return {"low": low, "high": high, "log": self.log, **whole}


def is_own(name: str) -> bool:
    """True if this is one of a network's own settings, as `settings.layers`."""
    section, _, setting = name.partition(".")
    return section == "settings" and setting.isidentifier()


def _check_name(name: str) -> str:
    return name if is_own(name) else v.one_of("hyperparameter", SEARCHABLE)(name)


Searchable = Annotated[str, AfterValidator(_check_name), v.Keys(SEARCHABLE, is_own)]
Space = Annotated[dict[Searchable, Dimension], Field(description="dimensions with their ranges or choices")]


def settings_in(values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of a trial's values that take the place of a condition's settings."""
    return {name: value for name, value in values.items() if name not in HYPERPARAMETERS}


def hyperparameters_in(values: Mapping[str, Value]) -> dict[str, float]:
    """Those of a trial's values that are of the start and the step size."""
    return {name: float(value) for name, value in values.items() if name in HYPERPARAMETERS}


def changes_of_trial(settings: Mapping[str, Value]) -> ConditionSpec:
    """Settings by key path as changes to a condition; ValidationError where one cannot be."""
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        *parents, leaf = name.split(".")
        at = nested
        for parent in parents:
            at = at.setdefault(parent, {})
        at[leaf] = value
    return ConditionSpec.model_validate(nested)


def cannot_be(name: str, value: Value) -> bool:
    """True if a setting refuses a value."""
    try:
        changes_of_trial({name: value})
    except ValidationError:
        return True
    return False
