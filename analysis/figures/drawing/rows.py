"""Rows of conditions: one dot per network (or pair of networks) with the interval of their mean above it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.drawing.drawing import axis_note, new_figure
from analysis.figures.drawing.style import GRID, INK, MUTED, WIDTH, edge, log_axis, quiet_y
from analysis.results.study import ConditionInfo
from analysis.statistics.intervals import SHOWN_FROM, t_interval
from analysis.text import listed
from glifr.conditions import Condition

_ROW = 0.40  # inches a condition
_FAR = 8.0  # times: values that spread further are drawn on a logarithmic axis
_GOLDEN = 0.618034  # gives every dot a height of its own, the same at every rendering


@dataclass(frozen=True)
class Row:
    """A row: the name that `data` knows it by, and how it is drawn.

    Attributes:
        ends: Ends of its interval, if that is not the 95 % t interval of its values.
    """

    name: str
    style: Condition
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Rows:
    """What is drawn.

    Attributes:
        data: Columns condition (the row's name), seed, value (as shown), diverged.
        zero: Whether there is a line at 0.
        margin: Half the width of a band about it, the smallest effect of interest; 0 for none.
        range_only: Rows whose interval is withheld.
    """

    rows: tuple[Row, ...]
    reference: str
    data: pd.DataFrame
    label: str
    zero: bool = False
    margin: float = 0.0
    range_only: frozenset[str] = frozenset()
    width: float = WIDTH
    log: bool = False


def condition_rows(conditions: Iterable[ConditionInfo]) -> tuple[Row, ...]:
    """One row per condition."""
    return tuple(Row(c.name, c.style) for c in conditions)


def draw_rows(rows: Rows) -> tuple[Figure, str]:
    """Draws rows of values. Where diverged networks compress the others, a second panel shows the others by themselves.

    Args:
        rows: What is drawn.

    Returns:
        The figure, and what its caption says of the axis and of diverged networks.
    """
    figure = new_figure(rows.width, 0.75 + _ROW * len(rows.rows))
    if not squeezed(rows.data):
        axes = figure.subplots()
        _draw(axes, rows, rows.data)
        return figure, f"{diverged_words(rows.data)}{axis_note(*axes.get_xlim())}"
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.4))
    _draw(left, rows, rows.data)
    left.set_title("all networks", loc="left", color=MUTED)
    _draw(right, rows, rows.data[~rows.data["diverged"]])
    right.set_title("without diverged networks", loc="left", color=MUTED)
    right.tick_params(axis="y", labelleft=False)
    note = axis_note(*right.get_xlim()).replace("The axis", "The right axis")
    return figure, f"{diverged_words(rows.data)} Right: the same without them, on an axis of its own.{note}"


def squeezed(data: pd.DataFrame) -> bool:
    """True if the networks that did not diverge lie within a quarter of the axis."""
    kept = data.loc[~data["diverged"], "value"]
    return len(kept) > 1 and float(np.ptp(data["value"])) > 4 * max(float(np.ptp(kept)), 1e-12)


def _draw(axes: Axes, rows: Rows, data: pd.DataFrame) -> None:
    if rows.margin:
        axes.axvspan(-rows.margin, rows.margin, color=GRID, lw=0, zorder=0)
    if rows.zero:
        axes.axvline(0, color=MUTED, lw=1, zorder=1)
    for place, condition in enumerate(rows.rows):
        own = data[data["condition"] == condition.name]
        values = own["value"].to_numpy(dtype=np.float64)
        heights, bar = stacked(len(values), place)
        scatter(axes, condition, values, heights, own["diverged"].to_numpy(dtype=bool))
        draw_interval(axes, condition, values, bar, range_only=condition.name in rows.range_only)
    axes.set_yticks(range(len(rows.rows)), [_name(c, rows.reference) for c in rows.rows])
    axes.set_ylim(len(rows.rows) - 0.45, -0.55)
    axes.set_xlabel(rows.label)
    axes.margins(x=0.03)
    if rows.log:
        log_by_values(axes, data["value"])
    quiet_y(axes)


def runs_far(values: pd.Series[float]) -> bool:
    """True if positive values spread so far that a linear axis would show the largest alone."""
    return bool(len(values) and values.min() > 0 and values.max() > _FAR * values.min())


def log_by_values(axes: Axes, values: pd.Series[float]) -> None:
    """Makes the horizontal axis logarithmic over `values`: an interval that reaches 0 or below is cut there."""
    log_axis(axes.xaxis)
    axes.set_xlim(values.min() / 1.15, values.max() * 1.15)


def stacked(n: int, place: float, size: float = 1.0) -> tuple[np.ndarray, float]:
    """Heights of `n` dots about `place` and of their interval above them; few dots lie on it. size: of the row."""
    few = n < SHOWN_FROM
    spread = 0.0 if few else 0.16 + 0.26 * ((np.arange(n) * _GOLDEN) % 1.0 - 0.5)
    return place + size * spread * np.ones(n), place - (0.0 if few else 0.2 * size)


def _name(condition: Row, reference: str) -> str:
    return f"{condition.name} (reference)" if condition.name == reference else condition.name


def scatter(axes: Axes, condition: Row, x: np.ndarray, y: np.ndarray, hollow: np.ndarray) -> None:
    """Dots at `x`, `y` [n] in the condition's colour and marker; `hollow` ones are only outlined."""
    style = condition.style
    outline = edge(style.color)
    for mask, face, width in ((~hollow, style.color, 0.4), (hollow, "white", 1.0)):
        axes.scatter(
            x[mask],
            y[mask],
            s=20,
            marker=style.marker,
            facecolors=face,
            edgecolors=[outline],
            linewidths=width,
            zorder=3,
        )


def draw_interval(axes: Axes, condition: Row, values: np.ndarray, y: float, *, range_only: bool = False) -> None:
    """The interval of the mean of `values` [n] at height `y`; the range of a few, or where no more is wanted."""
    if not len(values):
        axes.text(0.01, y, "none finished", transform=axes.get_yaxis_transform(), va="center", color=MUTED)
        return
    t = t_interval(values)
    if range_only or t.n < SHOWN_FROM or np.isnan(t.low):
        axes.plot([values.min(), values.max()], [y, y], color=MUTED, lw=0.9, solid_capstyle="butt", zorder=2)
        return
    low, high = condition.ends or (t.low, t.high)
    axes.plot([low, high], [y, y], color=condition.style.color, lw=2.6, solid_capstyle="butt", zorder=2)
    axes.plot([t.mean], [y], marker="|", ms=8, mew=1.6, color=INK, zorder=4)


def interval_words(sizes: list[int], unit: str, interval: str = "95 % t interval of the mean") -> str:
    """What a caption says of the bars, for groups of `sizes` networks or pairs (`unit`)."""
    bar = f"Bar: {interval}; tick: mean."
    if min(sizes, default=0) >= SHOWN_FROM:
        return bar
    few = f"Below {SHOWN_FROM} {unit} the line is their range and no interval is drawn; the table gives it."
    return few if max(sizes, default=0) < SHOWN_FROM else f"{bar} {few}"


def diverged_words(data: pd.DataFrame) -> str:
    """What a caption says of diverged networks."""
    lost = data[data["diverged"]].groupby("condition", sort=False).size()
    if not len(lost):
        return " No network diverged."
    named = listed([f"{n} of {name}" for name, n in lost.items()])
    return f" Hollow: with a diverged network ({named}), which counts with the value of chance."
