"""Docstrings here are plain text, and the site's pages are Markdown: what Markdown would take as a mark is escaped."""

from __future__ import annotations

import re
from typing import Any

from griffe import Docstring, Extension, Object

_KEPT = re.compile(r"(`[^`]*`)")  # a name in backquotes means the same in both
_MARKS = re.compile(r"([*_<\[\]])")


def escaped(text: str) -> str:
    """Plain text as Markdown; indented blocks are code there and stay as they are."""
    return "\n".join(line if line.startswith("    ") else _line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    parts = _KEPT.split(line)
    return "".join(part if part.startswith("`") else _MARKS.sub(r"\\\1", part) for part in parts)


class PlainDocstrings(Extension):
    """Escapes the docstring of each object once, when the site's builder has read it."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            old = obj.docstring
            obj.docstring = Docstring(escaped(old.value), lineno=old.lineno, endlineno=old.endlineno, parent=obj)
