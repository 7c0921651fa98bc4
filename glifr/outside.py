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
def entry_points(group: Group) -> Mapping[str, str]:
    """Lists the names that installed packages give objects of a group.

    Args:
        group: The group of entry points.

    Returns:
        Each name with its `module:object`.

    Raises:
        InputError: Two packages give the same name.
    """
    found: dict[str, str] = {}
    for point in metadata.entry_points(group=f"glifr.{group}"):
        if found.setdefault(point.name, point.value) != point.value:
            rule = f"two installed packages give the name {point.name!r} to one of their {group}"
            values = f"{found[point.name]} and {point.value}"
            raise InputError(Problem(rule, f"entry points glifr.{group}", values, todo="uninstall one of the two"))
    return MappingProxyType(found)


def referenced(name: str, group: Group) -> str | None:
    """The `module:object` behind a name; None where it is neither one nor an entry point."""
    return name if is_reference(name) else entry_points(group).get(name)


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
