"""A figure with the data it was drawn from and its caption, or why there is none; and how it is stored."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.files import remove, write_whole
from analysis.text import significant
from glifr.records import Layout

KINDS = ("svg", "png", "csv")
_DPI = 160
_LARGEST_SVG = 260_000  # bytes


@dataclass(frozen=True)
class Drawing:
    """A drawn figure.

    Attributes:
        name: Name of its files.
        alternative: What it shows, for those who cannot see it.
    """

    name: str
    title: str
    alternative: str
    caption: str
    figure: Figure
    data: pd.DataFrame


@dataclass(frozen=True)
class MissingFigure:
    """A figure that cannot be drawn: why, and what to do."""

    name: str
    title: str
    why: str
    todo: str


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches that no window and no global state knows of."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def svg_bytes(drawing: Drawing) -> bytes:
    """The figure as SVG, the same bytes for the same data."""
    buffer = BytesIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    canvas: Any = FigureCanvasSVG(_laid_out(drawing.figure))
    canvas.print_svg(buffer, metadata=metadata)
    return buffer.getvalue()


def _png_bytes(drawing: Drawing) -> bytes:
    buffer = BytesIO()
    figure = _laid_out(drawing.figure)
    figure.set_dpi(_DPI)  # an SVG before it has set its own
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _laid_out(figure: Figure) -> Figure:
    """Places are found once: it is slow, and every file of the figure has the same. `savefig` would draw twice more."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    return figure


def write_figure(layout: Layout, drawn: Drawing | MissingFigure) -> tuple[list[str], str]:
    """Writes a figure as SVG, PNG and CSV. For a missing figure the files of an earlier report are removed.

    Args:
        layout: Paths of the results folder.
        drawn: The figure.

    Returns:
        The paths of the files, relative to the results folder, and the figure as a data URI; '' for a missing figure.
    """
    paths = {kind: layout.figures / f"{drawn.name}.{kind}" for kind in KINDS}
    if isinstance(drawn, MissingFigure):
        remove(*paths.values())
        return [], ""
    contents = {
        "svg": svg_bytes(drawn),
        "png": _png_bytes(drawn),
        "csv": drawn.data.to_csv(index=False, lineterminator="\n").encode(),
    }
    written = [write_whole(paths[kind], contents[kind]) for kind in KINDS]
    return [str(path.relative_to(layout.root)) for path in written], _data_uri(contents["svg"], contents["png"])


def _data_uri(svg: bytes, png: bytes) -> str:
    """The SVG; of a figure with very many marks the PNG, so that the page stays small."""
    kind, content = ("svg+xml", svg) if len(svg) <= _LARGEST_SVG else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def axis_note(low: float, high: float) -> str:
    """What a caption says of an axis: that it is cut, where it does not include 0."""
    if low <= 0 <= high:
        return ""
    return f" The axis runs from {significant(low)} to {significant(high)} and does not include 0."
