"""The one kind of error that is the user's to mend: shown without a stack trace, exit code 2.

Everything else that is raised is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

_MISSING = object()


@dataclass(frozen=True)
class Written:
    """A value in the words of its file, or shown already: messages have it as it stands."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what the user gave.

    Attributes:
        rule: What must hold.
        place: File and key path.
        value: What was found there; `Written` where that is no value of Python.
        allowed: What may stand there.
        todo: What to do next.
        detail: Lines shown below it, such as the traceback of the user's own code.
    """

    rule: str
    place: str
    value: Any = field(default=_MISSING)
    allowed: str = ""
    todo: str = ""
    detail: str = ""

    @property
    def has_value(self) -> bool:
        return self.value is not _MISSING

    def __str__(self) -> str:
        lines = [self.rule, f"  where:   {self.place}"]
        if self.has_value:
            lines.append(f"  found:   {shorten(self.value)}")
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.todo:
            lines.append(f"  do:      {self.todo}")
        lines += [f"    {line}" for line in self.detail.splitlines()]
        return "\n".join(plain(line) for line in lines)


class InputError(ValueError):
    """One or more problems with the user's input; `str()` is the whole message for the terminal."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[Problem, ...]]:
        return (type(self), self.problems)


def shorten(value: Any, limit: int = 120) -> str:
    """`repr(value)`, cut in the middle when it is longer than `limit` characters."""
    return _cut(repr(value), limit)


def plain(text: str, limit: int = 2000) -> str:
    """Text that may hold what a user wrote, fit for a terminal: control characters escaped, cut in the middle."""
    shown = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return _cut(shown, limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 20]} ... {text[-15:]}"


def nearest(name: str, known: list[str]) -> str:
    """A sentence that names the nearest known name, or '' when none is near."""
    found = get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else ""
