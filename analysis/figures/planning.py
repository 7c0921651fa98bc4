"""Figures of what more seeds would show, and of when each unit ran."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.style import INK, MUTED, WIDTH
from analysis.figures.performance import contrast_style
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import CONTINUE
from analysis.results.load import Results
from analysis.statistics.power import FEWEST, WANTED, power, sd_interval
from analysis.statistics.wording import margin
from analysis.tables.reliability import unit_rows

_LARGEST = 60


def power_by_seeds(a: Assessment) -> Drawing | MissingFigure:
    """Power of each planned contrast at the smallest effect of interest, against the number of seeds."""
    info = a.results.info
    name, title = "power", f"Power against the number of {info.unit}s"
    known = [r for r in a.reaches if r.needed is not None]
    if not known:
        why = f"No planned contrast has {FEWEST} pairs and a spread: fewer tell too little of how differences spread."
        todo = f"Give each condition at least {FEWEST} finished {info.unit}s that a contrast shares."
        return MissingFigure(name, title, why, todo)
    seeds = np.unique(np.round(np.geomspace(3, _LARGEST, 26)).astype(int))
    figure = new_figure(WIDTH, 3.4)
    axes = figure.subplots()
    parts = []
    for reach in known:
        spreads = dict(zip(("power_high", "power_low"), sd_interval(reach.sd, reach.pairs), strict=True))
        curves = {
            column: [100 * power(int(n), info.smallest_effect, sd, reach.alpha) for n in seeds]
            for column, sd in ({"power": reach.sd} | spreads).items()
        }
        style = contrast_style(a, reach.contrast)
        axes.plot(
            seeds,
            curves["power"],
            color=style.color,
            marker=style.marker,
            markevery=(3, 6),
            ms=4,
            lw=1.3,
            label=reach.contrast.name,
        )
        parts.append(pd.DataFrame({"contrast": reach.contrast.name, "seeds": seeds, **curves}))
    axes.axhline(100 * WANTED, color=MUTED, lw=0.9, ls=(0, (4, 3)))
    have = max(r.pairs for r in known)
    axes.axvline(have, color=INK, lw=0.9)
    axes.set_xlabel(f"pairs ({info.unit}s per condition)")
    axes.set_ylabel("power (%)")
    axes.set_ylim(0, 103)
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    low, high = sd_interval(1.0, have)
    caption = (
        f"Chance to find a true difference of {margin(info.smallest_effect, info.measure)} with the spread seen, at "
        f"the first step of Holm. Vertical: the {have} pairs of now; dashed: 80 %. The spread is an estimate: the 95 % "
        f"interval of one from {have} pairs goes from {low:.2f} to {high:.2f} times it, and the number of pairs for "
        f"the same power about from {low**2:.2f} to {high**2:.1f} times what the curve shows. The table has the ranges."
    )
    return Drawing(
        name, title, f"Power of each planned contrast by number of {info.unit}s", caption, figure, pd.concat(parts)
    )


def run_timeline(results: Results) -> Drawing | MissingFigure:
    """When each trained unit ran, one lane per condition and stage."""
    name, title = "run_timeline", "When each unit ran"
    units = unit_rows(results)
    done = units[units["started_at"].notna() & units["finished_at"].notna()]
    if not len(done):
        return MissingFigure(name, title, "No unit has finished yet.", CONTINUE)
    start = pd.to_datetime(done["started_at"], utc=True, format="ISO8601")
    end = pd.to_datetime(done["finished_at"], utc=True, format="ISO8601")
    hours = [(t - start.min()).dt.total_seconds() / 3600 for t in (start, end)]
    data = done[["stage", "condition", "number"]].assign(start_hours=hours[0], end_hours=hours[1])
    scale, unit = (60.0, "minutes") if data["end_hours"].max() < 2 else (1.0, "hours")
    figure = new_figure(WIDTH, 0.8 + 0.26 * len(results.info.conditions))
    axes = figure.subplots()
    lanes = {"search": -0.25, "confirm": 0.0, "final": 0.25}
    for place, condition in enumerate(results.info.conditions):
        own = data[data["condition"] == condition.name]
        lines = [
            [
                (scale * row["start_hours"], place + lanes[row["stage"]]),
                (scale * row["end_hours"], place + lanes[row["stage"]]),
            ]
            for row in own.to_dict("records")
        ]
        axes.add_collection(LineCollection(lines, colors=condition.style.color, linewidths=3.2, alpha=0.75))
    axes.set_xlim(0, max(scale * float(data["end_hours"].max()), 1e-9))
    axes.set_yticks(range(len(results.info.conditions)), results.info.names)
    axes.set_ylim(len(results.info.conditions) - 0.5, -0.5)
    axes.set_xlabel(f"{unit} since the first unit started")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    caption = (
        "Each bar is a unit from the start of the attempt that gave its result; top to bottom search, confirm, final."
    )
    whole = math.ceil(float(data["end_hours"].max()) * 100) / 100
    return Drawing(
        name, title, f"Timeline of all units over {whole:g} hours", caption, figure, data.reset_index(drop=True)
    )
