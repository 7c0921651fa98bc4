"""The picture of a run: how many times faster than the plain loop each candidate is, a panel for each shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.report.summary import ratios
from benchmarks.results import Results
from benchmarks.speed.cases import LOOP
from benchmarks.speed.shapes import GOALS, Goal
from benchmarks.words import amount

_INK, _MUTED, _FAINT, _GRID = "#1f2328", "#59636e", "#c9d1d9", "#e6e9ec"
_COLOR = {"loop": "#59636e", "backend": "#D55E00", "network": "#0072B2", "peer": "#8c959f"}
_MARKER = {"loop": "|", "backend": "o", "network": "s", "peer": "D"}
_LABEL = {
    "loop": "plain loop in eager PyTorch",
    "backend": "GLIFR, a backend",
    "network": "RNN and LSTM of this project",
    "peer": "layers of other libraries (other equations, no delay)",
}
_TIMES = "{}×"
_COLUMNS, _WIDTH, _DPI = 2, 10.8, 160
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "glifr",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _MUTED,
    "xtick.color": _MUTED,
    "text.color": _INK,
}
NAME = "performance"


def save_figure(results: Results) -> None:
    """Writes performance.svg and performance.png beside the tables; none where no step was timed."""
    table = results.read("steps")
    if not len(table):
        return
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        goals = [goal for goal in GOALS if goal.device == results.folder.name and goal.against == LOOP]
        figure = draw(ratios(table), goals)
        for kind in ("svg", "png"):
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(results.folder / f"{NAME}.{kind}", dpi=_DPI, metadata=metadata)


def draw(found: pd.DataFrame, goals: Sequence[Goal]) -> Figure:
    """found: as `summary.ratios` gives it."""
    titles = list(dict.fromkeys(found["title"]))
    rows = -(-(len(titles) + 1) // _COLUMNS)  # one place for the legend
    most = int(found.groupby("title").size().max())
    figure = Figure(figsize=(_WIDTH, rows * (0.23 * most + 1.0)), layout="constrained")
    FigureCanvasAgg(figure)
    places = list(figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False).flat)
    shown = [goal.stretch or goal.goal for goal in goals if goal.what in set(found["shape"])]
    low, high = min(1.0, float(found["ratio"].min())), max([1.0, float(found["ratio"].max()), *shown])
    for axes, title in zip(places, titles, strict=False):
        own = found[found["title"] == title]
        _panel(axes, own, [goal for goal in goals if goal.what == own["shape"].iloc[0]])
        axes.set_xlim(low / 1.4, high * 1.4)
    for axes in places[len(titles) :]:
        axes.set_axis_off()
    for axes in places[max(0, len(titles) - _COLUMNS) : len(titles)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("times faster than the plain loop")
    _legend(places[-1], any(goal.what in set(found["shape"]) for goal in goals))
    return figure


def _panel(axes: Axes, own: pd.DataFrame, goals: Sequence[Goal]) -> None:
    own = own.sort_values("ratio", ascending=True, kind="stable").reset_index(drop=True)
    axes.axvline(1, color=_FAINT, linewidth=1, zorder=0)
    for goal in goals:
        axes.axvline(goal.goal, color=_INK, linewidth=1, linestyle="--", zorder=1.5)
        if goal.stretch is not None:
            axes.axvline(goal.stretch, color=_INK, linewidth=1, linestyle=":", zorder=1.5)
    for place, (_, row) in enumerate(own.iterrows()):
        group = str(row["group"])
        axes.plot([row["ratio_least"], row["ratio_most"]], [place, place], color=_COLOR[group], linewidth=2, alpha=0.5)
        axes.plot(row["ratio"], place, _MARKER[group], color=_COLOR[group], markersize=6)
        for words, right in ((_TIMES.format(amount(row["ratio"])), 1.15), (f"{amount(row['ms'])} ms", 1.38)):
            axes.text(right, place, words, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8)
    first = own.iloc[0]
    axes.set_title(f"{first['title']}   B {first['B']}, T {first['T']}, H {first['H']}", loc="left", fontsize=9.5)
    axes.set_yticks(range(len(own)), [_name(row) for _, row in own.iterrows()])
    axes.set_ylim(-0.7, len(own) - 0.3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="x", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _name(row: pd.Series) -> str:
    return f"{row['candidate']}, D {row['D']:.0f}"


def _legend(axes: Axes, with_goals: bool) -> None:
    handles = [
        Line2D([], [], color=_COLOR[group], marker=_MARKER[group], linestyle="-", alpha=0.9, label=label)
        for group, label in _LABEL.items()
    ]
    if with_goals:
        handles.append(Line2D([], [], color=_INK, linestyle="--", linewidth=1, label="goal of this project"))
        handles.append(Line2D([], [], color=_INK, linestyle=":", linewidth=1, label="stretch goal"))
    axes.legend(
        handles=handles,
        loc="center left",
        frameon=False,
        title="one training step; median of the rounds, line from least to most",
        alignment="left",
        title_fontsize=9,
    )
