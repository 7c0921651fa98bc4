"""Neurons by themselves: firing against a constant input, and responses to a step of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.panels import draw_curves, panels
from analysis.figures.drawing.style import BAND, GRID, INK, MUTED, WIDTH, both_ways_log
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import not_recorded
from analysis.results.networks import QUANTITIES
from analysis.results.neurons import across_networks
from analysis.results.study import ConditionInfo
from analysis.text import significant, span

_LABELS = {"voltage": "voltage", "firing": "firing (0 to 1)", "after_spike": "after-spike current"}


def current_curves(a: Assessment) -> Drawing | MissingFigure:
    """Firing of neurons by themselves against a constant synaptic input, one panel per condition."""
    name, title = "current_curves", "Firing against input current"
    if not a.neurons.curves:
        return MissingFigure(name, title, *not_recorded(a.results, glifr=True))
    data = across_networks(a.neurons.curves)
    conditions = _those_in(a, data)
    figure, axes = panels(conditions, a.results.info.reference)
    draw_curves(axes, conditions, data, "x")
    axes[0].set_ylim(-0.03, 1.03)
    figure.supxlabel("constant synaptic input, at every step", color=MUTED, fontsize=9)
    figure.supylabel("firing (0 to 1)", color=MUTED, fontsize=9)
    given = a.neurons.settings
    caption = (
        f"Mean firing of neurons by themselves over the last {given['averaged_ms']:g} of {given['lasted_ms']:g} ms "
        "under a constant synaptic input, without lateral input. Line: median over the neurons of a network; band: "
        f"their middle half; of both the median over networks (n = {_sizes(data)} per condition). Grey: the other "
        "conditions."
    )
    kept = data.drop(columns="what").rename(columns={"x": "input", "mean": "median"})
    return Drawing(name, title, "Firing against input current, one panel per condition", caption, figure, kept)


def step_responses(a: Assessment) -> Drawing | MissingFigure:
    """Voltage, firing and after-spike current over time around a step of input, one column per condition."""
    name, title = "step_responses", "Responses to a step of current"
    if not a.neurons.responses:
        return MissingFigure(name, title, *not_recorded(a.results, glifr=True))
    data = across_networks(a.neurons.responses)
    conditions = _those_in(a, data)
    rows = [q for q in QUANTITIES if (data["what"] == q).any()]
    figure = new_figure(min(WIDTH, 1.2 + 2.4 * len(conditions)), 0.7 + 1.35 * len(rows))
    grid = figure.subplots(len(rows), len(conditions), sharex=True, sharey="row", squeeze=False)
    given, cut, both = a.neurons.settings, False, False
    for what, row in zip(rows, grid, strict=True):
        own = data[data["what"] == what]
        for axes, condition in zip(row, conditions, strict=True):
            _panel(axes, own[own["condition"] == condition.name], condition, given["on_ms"])
        low, high, beyond = _limits(own)
        row[0].set_ylim(low, high)
        row[0].set_ylabel(_LABELS[what])
        cut, both = cut | beyond, both | both_ways_log(row[0], max(-low, high))
    for axes, condition in zip(grid[0], conditions, strict=True):
        axes.set_title(condition.name, loc="left", color=INK)
    figure.supxlabel("time from the step (ms)", color=MUTED, fontsize=9)
    caption = (
        f"Neurons by themselves, without lateral input, {given['settled_ms']:g} ms after the start: a synaptic input "
        f"of {given['amplitude']:g} at every step is on for {significant(given['on_ms'])} ms (shaded). Line: median "
        f"over {span([c.neurons for c in a.neurons.responses])} neurons of a network, evenly spaced in its order; "
        f"band: their middle half; of both the median over networks (n = {_sizes(data)} per condition). After-spike "
        "currents are summed over j."
        + (" An axis labelled in powers of ten is logarithmic beyond \N{PLUS-MINUS SIGN}1." if both else "")
        + (" Bands that leave an axis are cut: after-spike currents can grow without bound." if cut else "")
    )
    kept = data.rename(columns={"what": "quantity", "x": "time_ms", "mean": "median"})
    return Drawing(name, title, "Responses to a step of current, one column per condition", caption, figure, kept)


def _panel(axes: Axes, own: pd.DataFrame, condition: ConditionInfo, on_ms: float) -> None:
    axes.axvspan(0, on_ms, color=GRID, lw=0, zorder=0)
    if not len(own):
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        return
    color = condition.style.color
    low, high = own["low"].to_numpy(dtype=np.float64), own["high"].to_numpy(dtype=np.float64)
    axes.fill_between(own["x"], low, high, color=color, alpha=BAND, lw=0)
    axes.plot(own["x"], own["mean"], color=color, lw=1.4)


def _limits(own: pd.DataFrame) -> tuple[float, float, bool]:
    """An axis that holds every median, and bands up to 1.5 times their range beyond; whether a band goes further."""
    ends, middle = own[["low", "high"]].to_numpy(dtype=np.float64), own["mean"].to_numpy(dtype=np.float64)
    low, high = float(middle.min()), float(middle.max())
    farthest = 1.5 * max(high - low, 0.02)
    bottom, top = max(float(ends.min()), low - farthest), min(float(ends.max()), high + farthest)
    room = 0.06 * (top - bottom) or 0.05
    return bottom - room, top + room, bool(ends.min() < bottom or ends.max() > top)


def _those_in(a: Assessment, data: pd.DataFrame) -> tuple[ConditionInfo, ...]:
    return tuple(c for c in a.results.info.conditions if (data["condition"] == c.name).any())


def _sizes(data: pd.DataFrame) -> str:
    return span(data.groupby("condition")["n"].max().tolist())
