"""A figure with the data it was drawn from and its caption, or why there is none; and how it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.files import remove, write_whole
from analysis.text import significant
from glifr.records import Layout

KINDS = ("svg", "png", "csv")
_DPI = 160


@dataclass(frozen=True)
class Drawing:
    """A drawn figure. name: of its files. alternative: what it shows, for those who cannot see it."""

    name: str
    title: str
    alternative: str
    caption: str
    figure: Figure
    data: pd.DataFrame


@dataclass(frozen=True)
class Empty:
    """A figure that cannot be drawn: why, and what to do."""

    name: str
    title: str
    why: str
    todo: str


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches that no window and no global state knows of."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def svg_bytes(drawing: Drawing) -> bytes:
    """The figure as SVG, the same bytes for the same data."""
    return _rendered(drawing.figure, "svg", {"Date": None, "Creator": None, "Format": None, "Type": None})


def _rendered(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
    figure.set_layout_engine("none")  # laid out once: slow, and the next file shall have the same places
    return buffer.getvalue()


def write_figure(layout: Layout, drawn: Drawing | Empty) -> tuple[list[str], bytes | None]:
    """Writes SVG, PNG and CSV; returns their paths relative to the results folder, and the SVG.

    For an empty figure the files of an earlier report are removed.
    """
    paths = {kind: layout.figures / f"{drawn.name}.{kind}" for kind in KINDS}
    if isinstance(drawn, Empty):
        remove(*paths.values())
        return [], None
    svg = svg_bytes(drawn)
    contents = {
        "svg": svg,
        "png": _rendered(drawn.figure, "png", {"Software": None}),
        "csv": drawn.data.to_csv(index=False, lineterminator="\n").encode(),
    }
    written = [write_whole(paths[kind], contents[kind]) for kind in KINDS]
    return [str(path.relative_to(layout.root)) for path in written], svg


def axis_note(low: float, high: float) -> str:
    """What a caption says of an axis: that it is cut, where it does not include 0."""
    if low <= 0 <= high:
        return ""
    return f" The axis runs from {significant(low)} to {significant(high)} and does not include 0."
