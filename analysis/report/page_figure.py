"""A figure as the page and the list of kept figures have it: its words and its files, without what drew it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

_LARGEST_SVG = 260_000  # bytes


@dataclass(frozen=True)
class PageFigure:
    """Words of a drawn figure, or of one that is missing.

    Attributes:
        why: Why it is missing, '' if it is not.
        todo: What to do then.
        source: A data URI, '' if missing.
        files: SHA-256 of each of its files by the file's name.
    """

    title: str
    alternative: str = ""
    caption: str = ""
    why: str = ""
    todo: str = ""
    source: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return bool(self.why)


def fits_page(svg: bytes) -> bool:
    """True if a page may show the SVG; of one with very many marks it shows the PNG, so that the page stays small."""
    return len(svg) <= _LARGEST_SVG


def data_uri(content: bytes, kind: str) -> str:
    """Puts a picture within the page.

    Args:
        content: The picture.
        kind: svg or png.

    Returns:
        The data URI.
    """
    return f"data:image/{'svg+xml' if kind == 'svg' else kind};base64,{base64.b64encode(content).decode()}"
