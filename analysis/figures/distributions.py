"""Distributions of the neuron parameters over neurons, where they are on file."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.figures.drawing.drawing import Drawing, new_figure
from analysis.figures.drawing.style import MUTED, WIDTH, edge, log_axis
from analysis.results.neurons import RATES, Neurons, in_order
from analysis.results.study import ConditionInfo
from analysis.text import count, span

_BINS = 48
_OUTSIDE = 0.002  # of all neurons, left out at each end so that a few do not squeeze the others
_HEIGHT = 0.86  # of a row, that the highest bin takes


def label(parameter: str) -> str:
    """A parameter with its unit."""
    return f"{parameter} (1/ms)" if parameter in RATES else parameter


def distributions(name: str, title: str, neurons: Neurons, conditions: tuple[ConditionInfo, ...]) -> Drawing:
    """One row per condition, a column a parameter: shares of neurons in bins, averaged over networks."""
    data = shares(neurons.table)
    rows = [c for c in conditions if (data["condition"] == c.name).any()]
    names = in_order(data["parameter"])
    figure = new_figure(WIDTH, 0.9 + 0.46 * len(rows))
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, parameter in zip(grid, names, strict=True):
        for place, condition in enumerate(rows):
            own = data[(data["condition"] == condition.name) & (data["parameter"] == parameter)]
            _draw(axes, own, place + 0.5, condition.style.color)
        axes.set_xlabel(label(parameter))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        if parameter in RATES and _wide(data.loc[data["parameter"] == parameter, ["low", "high"]].to_numpy()):
            log_axis(axes.xaxis)
    grid[0].set_yticks(np.arange(len(rows)) + 0.3, [c.name for c in rows])
    grid[0].set_ylim(len(rows) - 0.3, -0.5)
    sizes = [neurons.networks[c.name] for c in rows]
    more = f" {count(neurons.left_out, 'more network')} would show the same." if neurons.left_out else ""
    caption = (
        f"Share of a network's neurons (and after-spike currents) in {_BINS} bins of each parameter, averaged over "
        f"networks (n = {span(sizes)} per condition); each curve is scaled to its own highest bin. Filled: after "
        "training; line: before. Parameters that all neurons share are a single peak; those of a condition whose "
        f"neurons are not learned do not move. The outermost {100 * _OUTSIDE:g} % of all neurons at each end are not "
        f"shown. Rates over more than a decade are on a logarithmic axis; axes need not include 0.{more}"
    )
    return Drawing(name, title, "Distributions of neuron parameters before and after training", caption, figure, data)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """condition, parameter, when, low, high (ends of a bin), share: a mean over networks of their shares of neurons."""
    found = []
    for parameter, own in table.groupby("parameter", sort=False):
        edges = _edges(own[["start", "end"]].to_numpy(dtype=np.float64), str(parameter) in RATES)
        for condition, networks in own.groupby("condition", sort=False):
            for when in ("start", "end"):
                each = [
                    np.histogram(values.to_numpy(dtype=np.float64), edges)[0] / len(values)
                    for _, values in networks.groupby("seed", sort=False)[when]
                ]
                share = np.mean(each, axis=0)
                found.append(
                    pd.DataFrame(
                        {"condition": condition, "parameter": parameter, "when": when}
                        | {"low": edges[:-1], "high": edges[1:], "share": share}
                    )
                )
    return pd.concat(found, ignore_index=True)


def _edges(values: NDArray[np.float64], rate: bool) -> NDArray[np.float64]:
    ends = np.quantile(values, [_OUTSIDE, 1 - _OUTSIDE])
    logarithmic = rate and _wide(ends)
    low, high = np.log(ends) if logarithmic else ends
    room = 0.02 * (high - low) or 0.05 * max(abs(low), 0.1)
    edges: NDArray[np.float64] = np.linspace(low - room, high + room, _BINS + 1)
    return np.exp(edges) if logarithmic else edges


def _wide(values: NDArray[np.float64]) -> bool:
    """True if positive numbers go over more than a decade."""
    return bool(values.min() > 0 and values.max() > 10 * values.min())


def _draw(axes: Axes, own: pd.DataFrame, base: float, color: str) -> None:
    for when in ("end", "start"):
        part = own[own["when"] == when]
        highest = float(part["share"].max()) if len(part) else 0.0
        if not highest:
            continue
        places = np.append(part["low"].to_numpy(), part["high"].to_numpy()[-1])
        heights = base - _HEIGHT * part["share"].to_numpy() / highest
        if when == "end":
            axes.stairs(heights, places, baseline=base, fill=True, color=color, alpha=0.75, lw=0)
            axes.plot(places[[0, -1]], [base, base], color=edge(color), lw=0.6)
        else:
            axes.stairs(heights, places, baseline=base, color=MUTED, lw=0.9)
