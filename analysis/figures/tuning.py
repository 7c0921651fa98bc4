"""The searches side by side: best so far, what mattered, where the good configurations lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.panels import panels
from analysis.figures.drawing.style import FAINT, GRID, INK, MUTED, WIDTH, log_axis
from analysis.judgement.missing_data import nothing_from
from analysis.results.load import Results
from analysis.results.study import ConditionInfo
from analysis.statistics.importance import EVALUATOR, FEWEST, as_shown, importances, place_of, position
from analysis.text import number

_NO_SEARCH = (
    "The study has no search.",
    "Add a 'search' section to the study file if each condition shall find its own.",
)


def _ended(results: Results) -> pd.DataFrame:
    trials = results.tables["trials"]
    return trials[(trials["stage"] == "search") & (trials["status"] == "complete") & trials["value"].notna()]


def _nothing(results: Results, name: str, title: str) -> MissingFigure | None:
    if not results.info.planned("search"):
        return MissingFigure(name, title, *_NO_SEARCH)
    return None if len(_ended(results)) else MissingFigure(name, title, *nothing_from(results, "search"))


def best_so_far(results: Results) -> Drawing | MissingFigure:
    """The best value found against the number of trials spent."""
    name, title = "best_so_far", "Best value so far, by trial"
    if (nothing := _nothing(results, name, title)) is not None:
        return nothing
    trials = results.tables["trials"]
    spent = trials[(trials["stage"] == "search") & trials["status"].isin(["complete", "pruned", "failed"])]
    figure = new_figure(WIDTH, 3.2)
    axes = figure.subplots()
    parts, several = [], results.info.repeats
    for condition in results.info.conditions:
        of_condition, style = spent[spent["condition"] == condition.name], condition.style
        label = style.name
        for repeat, own in of_condition.sort_values("number").groupby("repeat"):
            if not own["value"].notna().any():
                continue
            whole = own["value"].where(own["status"] == "complete").to_numpy(dtype=np.float64)
            best, x = np.fmin.accumulate(whole), np.arange(1, len(own) + 1)
            axes.step(x, best, where="post", color=style.color, lw=1.5 if several == 1 else 0.8, label=label)
            axes.plot(x[-1:], best[-1:], marker=style.marker, ls="none", color=style.color, ms=5)
            parts.append(pd.DataFrame({"condition": condition.name, "repeat": repeat, "trials": x, "best": best}))
            label = "_nolegend_"  # one entry per condition
    log_axis(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trials spent (pruned and failed ones count)")
    axes.set_ylabel("best value so far")
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    each = (
        "one search per condition: one run of a random process, so there is no interval."
        if several == 1
        else f"one line for each of {several} independent searches per condition."
    )
    caption = (
        f"Lowest value of a whole trial after so many trials, {each} Bands for tuning curves assume random search and "
        "are not drawn. Logarithmic axis, which has no 0."
    )
    return Drawing(name, title, "Best value so far by number of trials", caption, figure, pd.concat(parts))


def importance_map(results: Results) -> Drawing | MissingFigure:
    """How much of the search's outcome each hyperparameter explains."""
    name, title = "importance", "Which hyperparameters mattered"
    if (nothing := _nothing(results, name, title)) is not None:
        return nothing
    data = importances(results.tables["trials"], {c.name: c.space for c in results.info.conditions})
    if not len(data):
        why = f"No condition has {FEWEST} whole trials and two searched hyperparameters."
        return MissingFigure(name, title, why, "Give 'search.trials' in the study file a larger number.")
    wide = data.pivot(index="condition", columns="hyperparameter", values="importance")
    wide = wide.reindex(index=[n for n in results.info.names if n in wide.index])
    wide = wide.reindex(columns=[n for n in results.info.dimensions if n in wide.columns])
    figure = new_figure(min(WIDTH, 2.2 + 1.5 * wide.shape[1]), 0.9 + 0.34 * len(wide))
    axes = figure.subplots()
    axes.imshow(wide.to_numpy(dtype=np.float64), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(wide.to_numpy(dtype=np.float64)):
        if np.isfinite(share):
            axes.text(j, i, number(100 * share, 0), ha="center", va="center", color="white" if share > 0.6 else INK)
    axes.set_xticks(range(wide.shape[1]), [n.replace("_", " ") for n in wide.columns])
    axes.set_yticks(range(len(wide)), list(wide.index))
    axes.tick_params(length=0, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_edgecolor(FAINT)
    caption = (
        f"Share (%) of what the searched hyperparameters explain of a trial's value. Evaluator: {EVALUATOR}; other "
        "evaluators can rank differently. Whole trials only; blank: the condition does not search it."
    )
    return Drawing(name, title, "Importance of each hyperparameter by condition", caption, figure, data)


def search_slices(results: Results) -> Drawing | MissingFigure:
    """Value of each whole trial against each searched hyperparameter, with the ends of the ranges."""
    name, title = "search_slices", "Search: value against every hyperparameter"
    if (nothing := _nothing(results, name, title)) is not None:
        return nothing
    whole = _ended(results)
    names = [n for n in results.info.dimensions if n in whole.columns and whole[n].notna().any()]
    figure = new_figure(WIDTH, 2.9)
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, parameter in zip(grid, names, strict=True):
        spaces = [c.space[parameter] for c in results.info.conditions if parameter in c.space]
        choices = next((own["choices"] for own in spaces if "choices" in own), ())
        for condition in results.info.conditions:
            own = whole[(whole["condition"] == condition.name) & whole[parameter].notna()]
            style = condition.style
            shown = own[parameter] if not choices else [place_of(v, choices) for v in own[parameter]]
            axes.plot(shown, own["value"], marker=style.marker, ls="none", color=style.color, ms=3.5, alpha=0.8, mew=0)
        ends = {float(own[end]) for own in spaces for end in ("low", "high") if end in own}
        for end in ends:
            axes.axvline(end, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        if choices:
            axes.set_xticks(range(len(choices)), [as_shown(choice) for choice in choices])
        elif all(own["log"] for own in spaces):
            log_axis(axes.xaxis, decades=True)
        axes.set_xlabel(parameter.replace("_", " "))
    log_axis(grid[0].yaxis)
    grid[0].set_ylabel("value of the trial")
    columns = ["condition", "repeat", "number", "value", *names]
    caption = (
        "Every whole trial, in its condition's colour and marker. Dashed: ends of the ranges searched. A crowd at an "
        "end asks for a wider range. Logarithmic value axis, which has no 0."
    )
    data = whole[columns].reset_index(drop=True)
    return Drawing(name, title, "Trial value by each searched hyperparameter", caption, figure, data)


def parallel_coordinates(results: Results) -> Drawing | MissingFigure:
    """Every whole trial as a line through its hyperparameters, dark where its value is good."""
    name, title = "parallel_coordinates", "Configurations of the search"
    if (nothing := _nothing(results, name, title)) is not None:
        return nothing
    whole = _ended(results)
    searched = tuple(c for c in results.info.conditions if c.space and (whole["condition"] == c.name).any())
    figure, grid = panels(searched, results.info.reference, height=1.9)
    order = [n for n in results.info.dimensions if any(n in c.space for c in searched)]
    for axes, condition in zip(grid, searched, strict=True):
        _lines(axes, condition, whole[whole["condition"] == condition.name], order)
    grid[0].set_xlim(-0.15, len(order) - 1 + 0.15)
    grid[0].set_ylim(-0.04, 1.04)
    grid[0].set_yticks([0, 0.5, 1], ["low", "", "high"])
    caption = (
        "One line a whole trial, through the place of each hyperparameter in its range (bottom: low end). In the "
        "condition's colour: the best fifth of its trials; grey: the others. Order of the axes: "
        f"{', '.join(n.replace('_', ' ') for n in order)}; lines pass by what a condition does not have."
    )
    columns = ["condition", "repeat", "number", "value", *(n for n in results.info.dimensions if n in whole.columns)]
    data = whole[columns].reset_index(drop=True)
    return Drawing(name, title, "Configurations tried, one panel per condition", caption, figure, data)


def _lines(axes: Axes, condition: ConditionInfo, own: pd.DataFrame, order: list[str]) -> None:
    names = [n for n in order if n in condition.space and own[n].notna().all()]
    ranked = own.sort_values(["value", "repeat", "number"])
    best = max(1, round(len(ranked) / 5))
    places = [[position(row[n], condition.space[n]) for n in names] for row in ranked.to_dict("records")]
    lines = [np.column_stack([[order.index(n) for n in names], y]) for y in places]
    axes.add_collection(LineCollection(lines[best:], colors=FAINT, linewidths=0.7))
    axes.add_collection(LineCollection(lines[:best], colors=condition.style.color, linewidths=1.3))
    for name in names:
        axes.axvline(order.index(name), color=GRID, lw=0.8, zorder=0)
    axes.set_xticks(range(len(order)), [_SHORT.get(n, n.rpartition(".")[2].replace("_", " ")) for n in order])


_SHORT = {
    "learning_rate": "rate",
    "weight_spread": "weights",
    "neuron_spread": "neurons",
    "after_spike_spread": "currents",
}
