"""The templates of this room: pages, in which everything from the records is escaped, and running text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from analysis.text import count, listed


@cache  # it keeps the templates that it has compiled
def environment(escaping: bool = True) -> Environment:
    """The environment of the templates.

    Args:
        escaping: Whether what is filled in is escaped, as in HTML.

    Returns:
        The environment.
    """
    found = Environment(
        loader=FunctionLoader(packaged),
        autoescape=escaping,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals |= {"count": count, "listed": listed}
    found.filters |= {"short": lambda number: f"{number:g}", "thousands": lambda number: f"{number:,}"}
    return found


def packaged(name: str) -> str:
    """A file of this room."""
    return files("analysis.report").joinpath("templates", name).read_text(encoding="utf-8")


def paragraph(template: str, name: str, **facts: Any) -> str:
    """Fills in one paragraph of a template of running text.

    Args:
        template: The template; each of its macros is a paragraph.
        name: The macro.
        **facts: What is filled in.

    Returns:
        The paragraph, on one line.
    """
    paragraphs = environment(escaping=False).get_template(template).make_module(facts)
    return " ".join(str(getattr(paragraphs, name)()).split())
