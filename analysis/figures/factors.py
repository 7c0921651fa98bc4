"""The factorial as an interaction plot, and every pair of conditions as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

from analysis.figures.drawing.drawing import Drawing, MissingFigure, axis_note, new_figure
from analysis.figures.drawing.rows import Row, scatter
from analysis.figures.drawing.style import FAINT, INK, MUTED, WIDTH
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import nothing_from
from analysis.results.study import ConditionInfo, StudyInfo
from analysis.statistics.intervals import SHOWN_FROM, t_interval
from analysis.text import MINUS, count, number, span
from glifr.conditions import FACTORS

_DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#0072B2", "#f7f7f7", "#D55E00"])
_PLAIN = LinearSegmentedColormap.from_list("plain", ["#f7f7f7", "#f7f7f7"])
_MARKS = (
    " *: better or worse after Holm over all pairs; =: equivalent at the smallest effect of interest; no mark: left "
    "open or not testable. Orange: the row did better."
)


def factorial_interaction(a: Assessment) -> Drawing | MissingFigure:
    """Means of the factorial's cells against after-spike currents, a line a start, a panel a way of learning."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "factorial_interaction", "How the neuron's parts act together"
    if not a.factorial.effects:
        todo = "Have conditions in the study that cross two parts of the neuron, as Hom, HomA, LHet and LHetA do."
        return MissingFigure(name, title, f"No factorial: {a.factorial.reason}.", todo)
    cells = [c for c in info.conditions if c.name in a.factorial.cells]
    lost = a.results.diverged_finals()
    values = a.results.unit_values(without_diverged=True) * measure.scale
    if not all(values[c.name].notna().any() for c in cells):
        return MissingFigure(name, title, "A condition has only diverged networks.", "See the table above.")
    ways = sorted({_place(c)[2] for c in cells})
    figure = new_figure(WIDTH, 3.5)
    panels = np.atleast_1d(figure.subplots(1, len(ways), sharey=True))
    rows = []
    for panel, learned in zip(panels, ways, strict=True):
        for start in (-1, 1):
            own = [c for c in cells if _place(c)[1:] == (start, learned)]
            rows += _line(panel, own, values, start) if own else []
        panel.set_title(f"neuron parameters {'learned' if learned > 0 else 'fixed'}", loc="left")
        panel.set_xticks([0, 1], ["no after-spike currents", "after-spike currents"])
        panel.set_xlim(-0.4, 1.55)
        panel.grid(axis="y")
    panels[0].set_ylabel(measure.axis)
    left_out = int(lost[[c.name for c in cells]].to_numpy().sum())
    without = f" {count(left_out, 'diverged network')} left out, which the table counts." if left_out else ""
    data = pd.DataFrame(rows, columns=["condition", "currents", "n", "mean", "low", "high"])
    sizes = data["n"].tolist()
    bar = "95 % t interval of the mean" if min(sizes) >= SHOWN_FROM else f"range (below {SHOWN_FROM} {info.unit}s)"
    caption = (
        f"Mean over {info.unit}s (n = {span(sizes)} per condition), bar: {bar}; small dots: the {info.unit}s. Full "
        "line: homogeneous start; dashed: heterogeneous. Lines that are not parallel are an "
        f"interaction.{info.conditional_sentence}{without}{axis_note(*panels[0].get_ylim())}"
    )
    words = f"Means of {count(len(cells), 'condition')} by the parts of their neurons"
    return Drawing(name, title, words, caption, figure, data)


def _place(condition: ConditionInfo) -> tuple[int, ...]:
    return tuple((condition.levels or {}).get(factor, -1) for factor in FACTORS)


def _line(axes: Axes, cells: list[ConditionInfo], values: pd.DataFrame, start: int) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    shift = 0.03 * start
    for condition in cells:
        on = _place(condition)[0] > 0
        own = values[condition.name].dropna().to_numpy(dtype=np.float64)
        t = t_interval(own)
        low, high = (t.low, t.high) if t.n >= SHOWN_FROM and np.isfinite(t.low) else (own.min(), own.max())
        x = int(on) + shift
        jitter = x + (0.16 if start > 0 else -0.16) + 0.06 * (((np.arange(len(own)) * 0.618034) % 1.0) - 0.5)
        axes.plot(jitter, own, ".", color=condition.style.color, ms=3.5, alpha=0.55, zorder=1)
        axes.plot([x, x], [low, high], color=condition.style.color, lw=2, zorder=2)
        scatter(axes, Row(condition.name, condition.style), np.array([x]), np.array([t.mean]), np.array([False]))
        axes.annotate(
            condition.name, (x, t.mean), (7, 7 * start), textcoords="offset points", va="center", fontsize=8, color=INK
        )
        rows.append((condition.name, on, t.n, t.mean, float(low), float(high)))
    ends = sorted((int(bool(row[1])) + shift, row[3]) for row in rows)
    axes.plot(*zip(*ends, strict=True), color=MUTED, lw=1.1, ls="-" if start < 0 else (0, (5, 3)), zorder=1)
    return rows


def pair_matrix(a: Assessment) -> Drawing | MissingFigure:
    """Row minus column for every pair of conditions, with the verdicts of the exploratory family."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "pair_matrix", "Every pair of conditions"
    if len(info.conditions) < 3:
        return MissingFigure(
            name, title, "The study has fewer than three conditions.", "The planned contrasts say it all."
        )
    if not len(a.results.finals):
        return MissingFigure(name, title, *nothing_from(a.results, "final"))
    size, place = len(info.names), {n: i for i, n in enumerate(info.names)}
    shown = np.full((size, size), np.nan)
    marks: dict[tuple[int, int], str] = {}
    rows = []
    for j in a.pairs:
        later, earlier = place[j.contrast.of[0]], place[j.contrast.minus[0]]
        mean = j.interval.mean * measure.scale
        shown[later, earlier], shown[earlier, later] = mean, -mean
        mark = {"better": "*", "worse": "*", "equivalent": "="}.get(j.verdict.word, "")
        marks[later, earlier] = marks[earlier, later] = mark
        rows.append((j.contrast.of[0], j.contrast.minus[0], j.interval.n, mean, j.p, j.p_holm, j.verdict.word))
    figure = new_figure(min(WIDTH, 2.2 + 0.78 * size), 1.1 + 0.42 * size)
    axes = figure.subplots()
    most = float(np.nanmax(np.abs(shown))) if np.isfinite(shown).any() else 1.0
    colours = _colours(info)
    image = axes.imshow(shown, cmap=colours, norm=TwoSlopeNorm(0, -(most or 1), most or 1), aspect="auto")
    for (row, column), mark in marks.items():
        value = float(shown[row, column])
        if np.isfinite(value):
            words = number(value, measure.decimals, sign=True) + mark
            strong = info.evidence and abs(value) > 0.7 * most
            axes.text(column, row, words, ha="center", va="center", fontsize=7.5, color="white" if strong else INK)
    axes.set_xticks(range(size), info.names)
    axes.set_yticks(range(size), info.names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_edgecolor(FAINT)
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    if info.evidence:
        figure.colorbar(image, ax=axes, label=f"row {MINUS} column{unit}", fraction=0.03, pad=0.02)
    caption = (
        f"Difference in {measure.label} ({measure.direction}), row minus column, paired by {info.unit}; exploratory."
        f"{_MARKS if info.evidence else ''}"
    )
    data = pd.DataFrame(rows, columns=["condition", "minus", "n", "mean", "p", "p_holm", "verdict"])
    return Drawing(name, title, "Matrix of differences between all conditions", caption, figure, data)


def _colours(info: StudyInfo) -> LinearSegmentedColormap:
    """Orange where the row is ahead; none in a profile that is no evidence."""
    if not info.evidence:
        return _PLAIN
    return _DIVERGING if info.measure.higher_is_better else _DIVERGING.reversed()
