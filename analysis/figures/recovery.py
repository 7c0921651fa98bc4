"""The parameters that networks found beside those of the neuron whose output they learned."""

from __future__ import annotations

import numpy as np

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.style import FAINT, MUTED, WIDTH, edge
from analysis.results.load import Results
from analysis.results.neurons import RATES, in_order
from analysis.statistics.recovery import WITHIN, recoveries


def parameter_recovery(results: Results) -> Drawing | MissingFigure:
    """Found against true, a panel for each parameter, a dot for each value of each network."""
    name, title = "parameter_recovery", "Recovered parameters"
    values = recoveries(results.tables["parameters"])
    if not len(values):
        return MissingFigure(
            name,
            title,
            "No parameters are known that could be recovered.",
            "A task made with `recovery_task` knows them, as realizable.",
        )
    names = in_order(values["parameter"])
    figure = new_figure(WIDTH, 2.6)
    for axes, parameter in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        own = values[(values["parameter"] == parameter) & values["found"].notna()]
        low, high = own["target"].min(), own["target"].max()
        margin = 0.08 * (high - low) or 0.1 * abs(high)
        line = np.linspace(low - margin, high + margin, 50)
        axes.fill_between(line, line - WITHIN * abs(line), line + WITHIN * abs(line), color=FAINT, lw=0)
        axes.plot(line, line, color=MUTED, lw=0.8)
        for condition in results.info.conditions:
            mine, style = own[own["condition"] == condition.name], condition.style
            axes.plot(
                mine["target"],
                mine["found"],
                marker=style.marker,
                ls="none",
                color=style.color,
                mec=edge(style.color),
                mew=0.5,
                ms=4,
                alpha=0.8,
                label=condition.name,
            )
        axes.set_xlabel(f"true {_unit(parameter)}")
        axes.set_title(parameter)
    figure.axes[0].set_ylabel("found")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    caption = (
        "A dot for each value of each network, several of a parameter matched with those of the target; on the line "
        f"found equals true, the band {WITHIN:.0%} around it. Axes of their own in each panel; they need not include 0."
    )
    return Drawing(name, title, "Found against true neuron parameters, by condition", caption, figure, values)


def _unit(parameter: str) -> str:
    return f"{parameter} (1/ms)" if parameter in RATES else parameter
