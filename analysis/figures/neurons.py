"""Figures of the trained neuron parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.distributions import distributions, label
from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.style import MUTED, WIDTH
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import CONTINUE
from analysis.results.load import Results
from analysis.results.neurons import in_order

_NUMBERS = ["mean", "sd", "q05", "q25", "median", "q75", "q95"]


def parameter_distributions(a: Assessment) -> Drawing | MissingFigure:
    """Each neuron parameter before and after training, one row per condition: distributions, or quantiles on record."""
    name, title = "parameter_distributions", "Neuron parameters before and after training"
    info, table = a.results.info, a.results.tables["parameters"]
    own = table[table["stage"] == "final"]
    if not any(c.style.parameters for c in info.conditions):
        return MissingFigure(name, title, "No condition has GLIFR neurons.", "RNN and LSTM have no neuron parameters.")
    if len(a.neurons.table):
        return distributions(name, title, a.neurons, info.conditions)
    if not len(own):
        return MissingFigure(name, title, "No final network with neuron parameters has finished.", CONTINUE)
    return _quantiles(name, title, own, a.results)


def _quantiles(name: str, title: str, own: pd.DataFrame, results: Results) -> Drawing:
    """From the quantiles in the results, for folders of versions that kept no neurons."""
    # a network's quantiles first, then their mean over networks and after-spike currents
    by_network = own.groupby(["condition", "seed", "parameter", "when"], sort=False)[_NUMBERS].mean()
    data = by_network.groupby(["condition", "parameter", "when"], sort=False).mean().reset_index()
    names = in_order(data["parameter"])
    rows = [c for c in results.info.conditions if (data["condition"] == c.name).any()]
    figure = new_figure(WIDTH, 0.9 + 0.36 * len(rows))
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, parameter in zip(grid, names, strict=True):
        for place, condition in enumerate(rows):
            for when, shift, color in (("start", -0.16, MUTED), ("end", 0.16, condition.style.color)):
                found = data[
                    (data["condition"] == condition.name) & (data["parameter"] == parameter) & (data["when"] == when)
                ]
                for box in found[_NUMBERS].to_dict("records"):
                    y = place + shift
                    axes.plot([box["q05"], box["q95"]], [y, y], color=color, lw=1)
                    axes.plot([box["q25"], box["q75"]], [y, y], color=color, lw=4, solid_capstyle="butt")
                    axes.plot([box["median"]], [y], "|", color="white", ms=5, mew=1.2)
        axes.set_xlabel(label(parameter))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(np.arange(len(rows)), [c.name for c in rows])
    grid[0].set_ylim(len(rows) - 0.4, -0.6)
    caption = (
        "Over the neurons of a network: thin 5 to 95 %, thick the middle half, tick the median; each averaged over "
        "the final networks of the condition. Grey above: before training; colour below: after. A condition whose "
        "neurons are not learned does not move. Axes need not include 0."
    )
    return Drawing(
        name,
        title,
        "Neuron parameters before and after training, by condition",
        caption,
        figure,
        data[["condition", "parameter", "when", *_NUMBERS]],
    )
