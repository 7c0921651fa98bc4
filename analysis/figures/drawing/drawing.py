"""A figure with the data it was drawn from and its caption, or why there is none; and as SVG or PNG."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.text import significant

_DPI = 160


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


def png_bytes(drawing: Drawing) -> bytes:
    """The figure as PNG, the same bytes for the same data."""
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


def axis_note(low: float, high: float) -> str:
    """What a caption says of an axis: that it is cut, where it does not include 0."""
    if low <= 0 <= high:
        return ""
    return f" The axis runs from {significant(low)} to {significant(high)} and does not include 0."
