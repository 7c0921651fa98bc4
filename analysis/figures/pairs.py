"""Every pair of conditions as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.style import FAINT, INK, WIDTH
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import nothing_from
from analysis.results.study import StudyInfo
from analysis.text import MINUS, number

_DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#0072B2", "#f7f7f7", "#D55E00"])
_PLAIN = LinearSegmentedColormap.from_list("plain", ["#f7f7f7", "#f7f7f7"])
_MARKS = (
    " *: better or worse after Holm over all pairs; =: equivalent at the smallest effect of interest; no mark: left "
    "open or not testable. Orange: the row did better."
)


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
