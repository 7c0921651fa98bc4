"""Plain data that remembers where each of its values was written, through merging and overriding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glifr.errors import Problem
from launch.studyfile.text.yaml_values import as_yaml

KeyPath = tuple[str | int, ...]

NOTHING = object()  # a Fault without a value to show


@dataclass(frozen=True)
class Mark:
    """Where a value was written.

    Attributes:
        path: Its key path in that file.
        line: Counted from 1, None if unknown.
    """

    file: str
    path: KeyPath
    line: int | None = None


@dataclass(frozen=True)
class Fault:
    """A problem at a key path; `Tree.problem` says in which file and line that is."""

    path: KeyPath
    rule: str
    value: Any = NOTHING
    allowed: str = ""
    todo: str = ""


@dataclass(frozen=True)
class InvalidValue:
    """Stands for a value that the reader has already complained about."""

    text: str


@dataclass(frozen=True)
class Tree:
    """Data of a study file and where they were written.

    Attributes:
        data: Nested dicts, lists and scalars.
        marks: From the key path to where it was written; () is the whole.
    """

    data: Any
    marks: Mapping[KeyPath, Mark] = field(default_factory=dict)

    def at(self, path: KeyPath) -> Tree:
        """The part below `path` (KeyError if absent), with its marks."""
        data = self.data
        for key in path:
            data = data[key]
        return Tree(data, {p[len(path) :]: mark for p, mark in self.marks.items() if p[: len(path)] == path})

    def without(self, *path: str) -> Tree:
        """All but what stands at `path`."""
        data = _without(self.data, path)
        return Tree(data, {p: mark for p, mark in self.marks.items() if p[: len(path)] != path})

    def merged(self, over: Tree) -> Tree:
        """`over` on top: mappings are merged, lists and scalars replaced. Each value keeps its own mark."""
        replaced: list[KeyPath] = []
        data = _merge(self.data, over.data, (), replaced)
        marks = {p: mark for p, mark in self.marks.items() if not _below(p, replaced)}
        marks.update({p: mark for p, mark in over.marks.items() if _below(p, replaced)})
        return Tree(data, marks)

    def replaced(self, path: KeyPath, leaf: Tree) -> Tree:
        """`leaf` in the place of whatever is at `path`."""
        return self.merged(_nested(path, Tree(None))).merged(_nested(path, leaf))

    def place(self, path: KeyPath) -> str:
        """`file: key.path (line n)` of the value at `path`, or of the section that lacks it."""
        known = path
        below = [mark.file for p, mark in self.marks.items() if p[: len(path)] == path]
        if path not in self.marks and below and set(below) == {"--set"}:  # a mapping that overrides alone have made
            return f"--set {dotted(path)}"
        while known and known not in self.marks:
            known = known[:-1]
        mark = self.marks.get(known, Mark("", ()))
        missing = path[len(known) :]
        whole = dotted(mark.path + missing)
        head = f"{mark.file} {whole}" if mark.file == "--set" else f"{mark.file}: {whole}" if whole else mark.file
        if mark.line is None:
            return head
        return f"{head} ({'its section begins on ' if missing else ''}line {mark.line})"

    def problem(self, fault: Fault) -> Problem:
        place = self.place(fault.path)
        if fault.value is NOTHING:
            return Problem(fault.rule, place, allowed=fault.allowed, todo=fault.todo)
        return Problem(fault.rule, place, as_yaml(fault.value), fault.allowed, fault.todo)


def _without(data: Any, path: tuple[str, ...]) -> Any:
    first, *rest = path
    kept = {k: v for k, v in data.items() if rest or k != first}
    return kept | {first: _without(data[first], tuple(rest))} if rest else kept


def _nested(path: KeyPath, leaf: Tree) -> Tree:
    """`leaf` inside one mapping for each key of `path`."""
    data = leaf.data
    for key in reversed(path):
        data = {key: data}
    return Tree(data, {path + p: mark for p, mark in leaf.marks.items()})


def dotted(path: KeyPath) -> str:
    """('final', 'seeds', 2) -> 'final.seeds[2]'."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _merge(base: Any, over: Any, path: KeyPath, replaced: list[KeyPath]) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        replaced.append(path)
        return over
    result = dict(base)
    for key, value in over.items():
        if key in base:
            result[key] = _merge(base[key], value, (*path, key), replaced)
        else:
            replaced.append((*path, key))
            result[key] = value
    return result


def _below(path: KeyPath, roots: list[KeyPath]) -> bool:
    return any(path[: len(root)] == root for root in roots)
