"""Every final network beside every published run of its condition."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.drawing.drawing import Drawing, MissingFigure, axis_note, new_figure
from analysis.figures.drawing.rows import (
    Row,
    diverged_words,
    draw_interval,
    interval_words,
    log_by_values,
    runs_far,
    scatter,
    squeezed,
    stacked,
)
from analysis.figures.drawing.style import GRID, MUTED, WIDTH, quiet_y
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import nothing_from
from analysis.published import ConditionComparison, PublishedComparison
from analysis.published.words import margins
from analysis.text import span
from glifr.conditions import Condition

_ROW = 0.58  # inches a condition: two lanes
_LANE = 0.21  # of a row: how far the lanes are from its middle
_THEIRS = "#8c959f"


def beside_published(a: Assessment) -> Drawing | MissingFigure:
    """One row per condition: this study's networks above, the published runs below."""
    name, title = "published", "This study beside the published runs"
    b = a.published
    if b is None:
        why = "The published work has no runs of this task with these conditions."
        return MissingFigure(
            name, title, why, "Compare with another study instead: python -m analysis RESULTS --compare OTHER."
        )
    data = _values(a, b)
    if not (data["of"] == "this study").any():
        return MissingFigure(name, title, *nothing_from(a.results, "final"))
    wide = not b.measure.higher_is_better and runs_far(data["value"])
    figure = new_figure(WIDTH, 0.8 + _ROW * len(b.rows))
    if squeezed(data):
        axes, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.4))
        _draw(right, a, b, data[~data["diverged"]], wide)
        axes.set_title("all networks", loc="left", color=MUTED)
        right.set_title("without diverged networks", loc="left", color=MUTED)
        right.tick_params(axis="y", labelleft=False)
    else:
        axes = right = figure.subplots()
    _draw(axes, a, b, data, wide)
    notes = " Right: without diverged networks, on an axis of its own." if right is not axes else ""
    notes += " Logarithmic axis; a bar that goes below it is cut." if wide else axis_note(*right.get_xlim())
    caption = _caption(b, data[data["of"] == "this study"], a.results.info.unit, notes)
    alternative = f"{b.measure.label.capitalize()} of this study's networks and of the published runs, by condition"
    return Drawing(name, title, alternative, caption, figure, data)


def _caption(b: PublishedComparison, ours: pd.DataFrame, unit: str, notes: str) -> str:
    sizes = ours.groupby("condition")["value"].size().tolist()
    runs = [row.published.n for row in b.rows]
    return (
        f"{b.measure.label.capitalize()} ({b.measure.direction}). Coloured: this study, one dot per "
        f"{unit} (n = {span(sizes)} per condition). Grey below: the published runs (n = {span(runs)}). Pale band: the "
        f"published mean ± the margin of equivalence ({margins(b)}). {interval_words([*sizes, *runs], 'values')}"
        f"{diverged_words(ours)}{notes}"
    )


def _values(a: Assessment, b: PublishedComparison) -> pd.DataFrame:
    """condition, of (this study, published), number (seed or repeat), value (as shown), diverged."""
    finals, measure = a.results.finals, b.measure
    finals = finals[finals[measure.column].notna()]
    parts = []
    for row in b.rows:
        own = finals[finals["condition"] == row.condition].sort_values("seed")
        ours = pd.DataFrame({"number": own["seed"], "value": own[measure.column] * measure.scale})
        ours = ours.assign(of="this study", diverged=own["diverged"].fillna(False).astype(bool))
        ours = a.results.per_unit(ours.rename(columns={"number": "seed"}), ("of",)).rename(columns={"seed": "number"})
        values = b.task.values[row.condition]
        theirs = pd.DataFrame({"number": range(len(values)), "value": values * measure.scale})
        parts += [p.assign(condition=row.condition) for p in (ours, theirs.assign(of="published", diverged=False))]
    return pd.concat(parts, ignore_index=True)[["condition", "of", "number", "value", "diverged"]]


def _draw(axes: Axes, a: Assessment, b: PublishedComparison, data: pd.DataFrame, wide: bool) -> None:
    styles = {c.name: c.style for c in a.results.info.conditions}
    for place, row in enumerate(b.rows):
        _draw_margin(axes, row, b.measure.scale, place)
        style = styles[row.condition]
        grey = Condition(style.name, style.architecture, color=_THEIRS, marker=style.marker)
        for of, look, middle in (("this study", style, place - _LANE), ("published", grey, place + _LANE)):
            own = data[(data["condition"] == row.condition) & (data["of"] == of)]
            _draw_lane(axes, Row(row.condition, look), own, middle)
    axes.set_yticks(range(len(b.rows)), [row.condition for row in b.rows])
    axes.set_ylim(len(b.rows) - 0.45, -0.55)
    axes.set_xlabel(b.measure.axis)
    axes.margins(x=0.03)
    if wide:
        log_by_values(axes, data["value"])
    quiet_y(axes)


def _draw_margin(axes: Axes, row: ConditionComparison, scale: float, place: int) -> None:
    low, high = ((row.published.mean + side * row.margin) * scale for side in (-1, 1))
    axes.fill_betweenx([place - 0.44, place + 0.44], low, high, color=GRID, lw=0, zorder=0)


def _draw_lane(axes: Axes, row: Row, own: pd.DataFrame, middle: float) -> None:
    values = own["value"].to_numpy(dtype=np.float64)
    heights, bar = stacked(len(values), middle, 0.6)
    scatter(axes, row, values, heights, own["diverged"].to_numpy(dtype=bool))
    draw_interval(axes, row, values, bar)
