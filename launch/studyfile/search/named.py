"""Sections that are one of several types by their `name`: their short form, and what a changed name leaves behind."""

from __future__ import annotations

from glifr.records import Value
from launch.studyfile.schema import chosen_by_name, kind_at, members_of
from launch.studyfile.search.samplers import WithFormer
from launch.studyfile.tree import Fault, KeyPath, Mark, Tree

_PATHS: tuple[KeyPath, ...] = tuple(dict.fromkeys(chosen_by_name()))


def spelled_out(tree: Tree) -> Tree:
    """`tree` with `sampler: tpe` as `sampler: {name: tpe}`."""
    for path in _PATHS:
        given = _at(tree, path)
        if isinstance(given, str):
            mark = tree.marks.get(path, Mark("", ()))
            tree = tree.replaced(path, Tree({"name": given}, {(): mark, ("name",): mark}))
    return tree


def without_left_behind(tree: Tree) -> tuple[Tree, list[Fault]]:
    """`tree` without settings of another name, where a profile or an override has changed the name alone.

    Faults: settings that were given together with a name that has none of them, though it has kept them for its hash.
    """
    faults = []
    for path in _PATHS:
        given, members = _at(tree, path), members_of(kind_at(path))
        kind = members.get(str(given.get("name"))) if isinstance(given, dict) else None
        if kind is None or not isinstance(given, dict):
            continue
        kept = kind.former_keys() if issubclass(kind, WithFormer) else {}
        for key in [key for key in given if key not in kind.model_fields]:
            left = _layer(tree, (*path, key)) < _layer(tree, (*path, "name"))
            if left and key not in kept:
                tree = tree.without(*map(str, path), str(key))
            elif not left and key in kept:
                faults.append(_lacks(path, key, given, [n for n, m in members.items() if key in m.model_fields]))
    return tree, faults


def _lacks(path: KeyPath, key: str, given: dict[str, Value], others: list[str]) -> Fault:
    rule = f"the {path[-1]} {given['name']} has no setting {key!r}"
    return Fault((*path, key), rule, given[key], "name", f"remove it, or choose {' or '.join(others)}")


def _layer(tree: Tree, path: KeyPath) -> int:
    """Where a value was written: 0 in the study, 1 in a profile, 2 in an override."""
    mark = tree.marks.get(path, Mark("", ()))
    return 2 if mark.file == "--set" else 1 if mark.path[:1] == ("profiles",) else 0


def _at(tree: Tree, path: KeyPath) -> object:
    found = tree.data
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found
