"""Objects of other people's code, by name: `module:object`, or the name of a Python entry point.

Nothing is imported before `load_object` is called; which names there are is read from what is installed.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from types import MappingProxyType
from typing import Literal, TypeVar

from glifr.errors import InputError, Problem, nearest

Group = Literal["tasks", "networks", "neurons"]
NETWORKS: tuple[Group, ...] = ("networks", "neurons")  # where a network is named, either may stand
Kind = TypeVar("Kind")

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(f"{_NAME}:{_NAME}")


def is_reference(name: str) -> bool:
    """True if this is a `module:object`."""
    return _REFERENCE.fullmatch(name) is not None


def top_module(reference: str) -> str:
    """The package or file that a `module:object` lies in."""
    return re.split("[.:]", reference, maxsplit=1)[0]


@cache
def _given(group: Group) -> Mapping[str, Mapping[str, str]]:
    """name -> `module:object` -> the package that gives it, and its version; more than one only by mistake."""
    found: dict[str, dict[str, str]] = {}
    for point in metadata.entry_points(group=f"glifr.{group}"):
        package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
        found.setdefault(point.name, {}).setdefault(point.value, package)
    return MappingProxyType(found)


def entry_points(group: Group) -> tuple[str, ...]:
    """Lists the names that installed packages give objects of a group.

    Args:
        group: The group of entry points.

    Returns:
        The names.
    """
    return tuple(_given(group))


def referenced(name: str, *groups: Group) -> str | None:
    """Finds the `module:object` behind a name.

    Args:
        name: A `module:object`, or the name of an entry point.
        groups: The groups of entry points that may be meant.

    Returns:
        The `module:object`; None where the name is neither.

    Raises:
        InputError: The name is given to two objects, or to none.
    """
    if is_reference(name):
        return name
    given = {reference: package for group in groups for reference, package in _given(group).get(name, {}).items()}
    place = " or ".join(f"entry points glifr.{group}" for group in groups)
    if len(given) > 1:
        values = " and ".join(f"{reference} of {package}" for reference, package in given.items())
        rule, todo = f"installed packages give the name {name!r} to two objects", "uninstall one, or name module:object"
        raise InputError(Problem(f"{rule}: {values}", place, name, todo=todo))
    for reference, package in given.items():
        if not is_reference(reference):
            rule = f"{package} gives the name {name!r} to {reference!r}, which is no module:object"
            raise InputError(Problem(rule, place, name, todo="mend its entry points, and install it again"))
    return next(iter(given), None)


def package_of(name: str, *groups: Group) -> str | None:
    """Names the package that gives an entry point.

    Args:
        name: The name of an entry point.
        groups: The groups that may be meant.

    Returns:
        The package and its version; None for what is no entry point.
    """
    return next((p for group in groups for p in _given(group).get(name, {}).values()), None)


def load_object(reference: str, kind: type[Kind]) -> Kind:
    """Imports an object by its name. What its module raises on import is raised as it is.

    Args:
        reference: `module:object`.
        kind: The type that the object must have.

    Returns:
        The object.

    Raises:
        InputError: There is no such object, or it is of another type.
    """
    module_name, _, path = reference.partition(":")
    found: object = importlib.import_module(module_name)
    for part in path.split("."):
        names = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
        if not hasattr(found, part):
            rule, allowed = f"{module_name} has no {path}", ", ".join(names)
            raise InputError(Problem(rule, reference, part, allowed, nearest(part, names)))
        found = getattr(found, part)
    if not isinstance(found, kind):
        rule = f"this is not what stands here: a {kind.__name__}"
        raise InputError(Problem(rule, reference, found, f"a {kind.__module__}.{kind.__name__}"))
    return found
