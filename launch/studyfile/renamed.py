"""Keys of a study that have been renamed: files may still have the old ones, and records keep them, so hashes stand."""

from __future__ import annotations

from typing import Any

from launch.studyfile.tree import Fault, KeyPath, Tree

NEW_NAMES = {"yardstick": "parameter_budget", "evidence": "exploratory"}  # old -> new; all at the top of a study
_OLD = {new: old for old, new in NEW_NAMES.items()}
_OPPOSITE = ("evidence",)  # true under the one name is false under the other


def renamed(tree: Tree) -> tuple[Tree, list[Fault]]:
    """A study or profile with the new names, each value marked where it was written; and what has both names."""
    if not isinstance(tree.data, dict):
        return tree, []
    twice = [old for old, new in NEW_NAMES.items() if old in tree.data and new in tree.data]
    rule = "this is the old name of a key that is given too"
    faults = [Fault((old,), rule, tree.data[old], NEW_NAMES[old], "remove it") for old in twice]
    data = {NEW_NAMES.get(key, key): _value(key, value) for key, value in tree.data.items() if key not in twice}
    return Tree(
        data, {_path(path): mark for path, mark in tree.marks.items() if path[:1] not in [(t,) for t in twice]}
    ), faults


def renamed_override(path: KeyPath, value: Tree) -> tuple[KeyPath, Tree]:
    """The same for the key path and the value of an override."""
    return _path(path), Tree(_value(path[0], value.data), value.marks)


def recorded(resolved: dict[str, Any]) -> dict[str, Any]:
    """A resolved study as it is hashed and kept in study.json: with the old names."""
    return {(old := _OLD.get(key, key)): _value(old, value) for key, value in resolved.items()}


def from_record(resolved: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `recorded`."""
    return {NEW_NAMES.get(key, key): _value(key, value) for key, value in resolved.items()}


def _path(path: KeyPath) -> KeyPath:
    return (NEW_NAMES.get(path[0], path[0]), *path[1:]) if path and isinstance(path[0], str) else path


def _value(old: str | int, value: Any) -> Any:
    return not value if old in _OPPOSITE and isinstance(value, bool) else value
