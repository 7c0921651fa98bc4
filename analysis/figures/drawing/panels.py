"""Small multiples: one panel per condition with its own curve in colour and all others in grey, on shared axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from analysis.figures.drawing.drawing import new_figure
from analysis.figures.drawing.style import BAND, FAINT, INK, MUTED, WIDTH
from analysis.results.study import ConditionInfo

_PANEL = 1.75  # inches high


def panels(conditions: tuple[ConditionInfo, ...], reference: str, height: float = _PANEL) -> tuple[Figure, list[Axes]]:
    """A figure with one titled panel per condition on shared axes, at most five per row."""
    columns = min(5, len(conditions))
    rows = math.ceil(len(conditions) / columns)
    # few panels would else be stretched over the whole width
    width = min(WIDTH, 0.8 + 3.6 * columns)
    figure = new_figure(width, 0.55 + height * rows * (1.25 if rows == 1 else 1))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = [axes for row in grid for axes in row]
    for axes in flat[len(conditions) :]:
        axes.remove()
    for place, (axes, condition) in enumerate(zip(flat, conditions, strict=False)):
        style = condition.style
        axes.grid(axis="y")
        mark = "  (reference)" if condition.name == reference else ""
        axes.set_title(f"{condition.name}{mark}", loc="left", color=INK, x=0.085, pad=5)
        # the marker before the name is the condition's own in every figure
        place_of_marker = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([0.03], [1.075], marker=style.marker, ls="none", color=style.color, ms=5.5, **place_of_marker)
        if place + columns >= len(conditions):
            axes.tick_params(labelbottom=True)
    return figure, flat[: len(conditions)]


def same_limits(grid: Sequence[Axes]) -> None:
    """Gives every panel of a grid limits that hold the data of all, and labels at its outer sides alone.

    As shared axes would; each step of those asks all others, so a grid takes the square of its panels' time.
    """
    held = [axes.dataLim for axes in grid if axes.has_data()]
    whole = Bbox.union(held) if held else None
    for axes in grid:
        if whole is not None:
            axes.dataLim.set(whole)
            axes.autoscale_view()
        axes.label_outer()


def draw_curves(axes: list[Axes], conditions: tuple[ConditionInfo, ...], curves: pd.DataFrame, x: str) -> None:
    """Draws `curves` (condition, `x`, mean, low, high): own curve and band in colour, the others in grey behind."""
    by_name = {name: own for name, own in curves.groupby("condition", sort=False)}
    for panel, condition in zip(axes, conditions, strict=True):
        for name, other in by_name.items():
            if name != condition.name:
                panel.plot(other[x], other["mean"], color=FAINT, lw=0.8, zorder=1)
        own = by_name.get(condition.name)
        if own is None:
            panel.text(
                0.5,
                0.5,
                "no finished\nnetwork",
                transform=panel.transAxes,
                ha="center",
                va="center",
                color=MUTED,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )
            continue
        style = condition.style
        low, high = own["low"].to_numpy(dtype=np.float64), own["high"].to_numpy(dtype=np.float64)
        panel.fill_between(own[x], low, high, color=style.color, alpha=BAND, lw=0, zorder=2)
        few = len(own) <= 12
        panel.plot(own[x], own["mean"], color=style.color, lw=1.7, zorder=3, marker=style.marker if few else None, ms=4)
