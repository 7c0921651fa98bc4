"""What a search may begin with: points that are known to be good, and trials of another study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from glifr.conditions import HYPERPARAMETERS
from glifr.errors import nearest
from glifr.records import Value
from launch.studyfile import values as v

PUBLISHED = "published"
# of the published networks, by task; their spreads are 1
LEARNING_RATES: Mapping[str, float] = MappingProxyType(
    {"line_mnist": 1e-3, "pixel_mnist": 1e-4, "sine": 1e-4, "neuromorphic_mnist": 1e-3}
)
START_RULE = "published, or a list of points, as [{learning_rate: 1.0e-3}]; published may stand in the list"
LEARN_RULE = "a results folder or a pack, from the study's folder"


def _start_at(value: Any) -> Any:
    points = [value] if value == PUBLISHED else value
    if not isinstance(points, list | tuple):
        v.refuse("this must be a list of points", START_RULE)
    for point in points:
        if isinstance(point, str) and point != PUBLISHED:
            v.refuse(f"there is no point {point!r}", START_RULE, nearest(point, [PUBLISHED]))
        if point != PUBLISHED and not (isinstance(point, dict) and point and all(map(_is_value, point.values()))):
            v.refuse("a point is a mapping of dimensions to values", START_RULE)
    if any(point in points[:index] for index, point in enumerate(points)):
        v.refuse("a point is given twice", START_RULE, "give each once")
    return tuple(point if isinstance(point, str) else dict(point) for point in points)


def _is_value(value: Any) -> bool:
    return v.is_number(value) or isinstance(value, str | bool)


def _learn_from(value: Any) -> Any:
    if isinstance(value, str) and value:
        return {"from": value}
    if not isinstance(value, dict) or not {"from"} <= value.keys() <= {"from", "sha256"}:
        v.refuse("this must be the results of another study", LEARN_RULE)
    if not all(isinstance(text, str) for text in value.values()):
        v.refuse("this must be the results of another study", LEARN_RULE)
    return dict(value)


StartAt = Annotated[
    tuple[Any, ...],
    BeforeValidator(_start_at),
    Field(description=START_RULE),
    WithJsonSchema({"anyOf": [{"const": PUBLISHED}, {"type": "array", "items": {"type": ["object", "string"]}}]}),
]
LearnFrom = Annotated[
    dict[str, str],
    BeforeValidator(_learn_from),
    Field(description=LEARN_RULE),
    WithJsonSchema({"type": "string", "description": LEARN_RULE}),
]


def published_point(task: str, dimensions: Collection[str]) -> dict[str, Value]:
    """The published networks' values of these dimensions; {} for a task without published networks."""
    if task not in LEARNING_RATES:
        return {}
    rate = LEARNING_RATES[task]
    return {name: rate if name == "learning_rate" else 1.0 for name in HYPERPARAMETERS if name in dimensions}
