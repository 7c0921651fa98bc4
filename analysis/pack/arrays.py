"""Arrays of trained networks in a pack: an index as JSON, and all arrays one after the other.

Nothing is rounded. Bytes of numbers are stored by their place in the number, which xz makes smaller.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.results.networks import BANDS, KeptNetwork, NetworkSummary, QuantileCurves
from glifr.records import Examples

Array = NDArray[Any]
_TYPES = ("<f4", "<f8", "<i4", "<i8")
_COURSES = ("curves", "responses")


def to_members(found: Mapping[KeptNetwork, NetworkSummary | str]) -> tuple[bytes, bytes]:
    """Index and arrays of networks, by the SHA-256 of their characteristics. A text says why one could not be read."""
    index: dict[str, Any] = {}
    content = bytearray()
    for kept, network in found.items():
        if isinstance(network, str):
            index[kept.file.sha256] = {"problem": network}
            continue
        held = {name: _plain(array) for name, array in _arrays(network)}
        index[kept.file.sha256] = {
            "condition": kept.condition,
            "seed": kept.seed,
            "settings": dict(network.settings),
            "neurons": {f"{g}/{course.what}": course.neurons for g in _COURSES for course in getattr(network, g)},
            "arrays": {name: [array.dtype.str, *array.shape] for name, array in held.items()},
        }
        for array in held.values():
            content += array.reshape(-1, 1).view(np.uint8).T.tobytes()
    return json.dumps(index, indent=1).encode() + b"\n", bytes(content)


def from_members(index: bytes, content: bytes) -> dict[str, NetworkSummary | str]:
    """What `to_members` was given, by the sum alone; ValueError if the two are something else."""
    try:
        found: dict[str, NetworkSummary | str] = {}
        place = 0
        for sha256, entry in json.loads(index).items():
            if "problem" in entry:
                found[sha256] = str(entry["problem"])
                continue
            held: dict[str, Array] = {}
            for name, (kind, *shape) in entry["arrays"].items():
                held[name], place = _read(content, place, kind, shape)
            found[sha256] = _network(entry, held)
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if place != len(content):
        raise ValueError("the arrays are not as long as their index says")
    return found


def _plain(array: Array) -> Array:
    plain = np.ascontiguousarray(array)
    return plain.astype(plain.dtype.newbyteorder("<"), copy=False)


def _arrays(network: NetworkSummary) -> Iterator[tuple[str, Array]]:
    for when in ("start", "end"):
        yield from ((f"{when}/{name}", array) for name, array in getattr(network, when).items())
    for group in _COURSES:
        for course in getattr(network, group):
            yield f"{group}/{course.what}/x", course.x
            yield f"{group}/{course.what}/values", course.values
    if network.examples is not None:
        named = ((field.name, getattr(network.examples, field.name)) for field in fields(network.examples))
        yield from ((f"examples/{name}", array) for name, array in named if array is not None)


def _read(content: bytes, place: int, kind: str, shape: list[int]) -> tuple[Array, int]:
    if kind not in _TYPES or not all(isinstance(length, int) and length >= 0 for length in shape):
        raise ValueError(f"no array of type {kind!r} and shape {shape}")
    size = np.dtype(kind).itemsize
    end = place + size * math.prod(shape)
    if end > len(content):
        raise ValueError("the arrays end before their index does")
    planes = np.frombuffer(content[place:end], np.uint8).reshape(size, -1)
    return np.ascontiguousarray(planes.T).view(kind).reshape(shape), end


def _network(entry: Mapping[str, Any], held: Mapping[str, Array]) -> NetworkSummary:
    groups: dict[str, dict[str, Array]] = {"start": {}, "end": {}, "curves": {}, "responses": {}, "examples": {}}
    for key, array in held.items():
        group, _, name = key.partition("/")
        groups[group][name] = array
    start, end, settings = groups["start"], groups["end"], entry["settings"]
    if {name: a.shape for name, a in start.items()} != {name: a.shape for name, a in end.items()}:
        raise ValueError("neuron parameters before training are not those after it")
    if len({a.shape[-1] for a in end.values()}) > 1 or any(a.ndim not in (1, 2) for a in end.values()):
        raise ValueError("neuron parameters are not of the same neurons")
    if not all(isinstance(value, int | float) for value in settings.values()):
        raise ValueError("settings are not numbers")
    return NetworkSummary(
        start=start,
        end=end,
        settings=settings,
        curves=_courses(entry, "curves", groups["curves"], settings.get("currents")),
        responses=_courses(entry, "responses", groups["responses"], settings.get("step_times")),
        examples=Examples(**groups["examples"]) if groups["examples"] else None,
    )


def _courses(
    entry: Mapping[str, Any], group: str, held: Mapping[str, Array], places: int
) -> tuple[QuantileCurves, ...]:
    found = []
    for key, neurons in entry["neurons"].items():
        own, _, what = key.partition("/")
        if own != group:
            continue
        x, values = held[f"{what}/x"], held[f"{what}/values"]
        if x.shape != (places,) or values.shape != (len(BANDS), places) or not isinstance(neurons, int):
            raise ValueError(f"{key} is not a course of {places} places")
        found.append(QuantileCurves(entry["condition"], entry["seed"], what, neurons, x, values))
    return tuple(found)
