"""Figure of the search: value against learning rate, with the ends of the range."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.drawing.drawing import Drawing, MissingFigure
from analysis.figures.drawing.panels import panels
from analysis.figures.drawing.style import INK, MUTED, edge, log_axis
from analysis.judgement.missing_data import nothing_from
from analysis.results.load import Results
from analysis.results.study import ConditionInfo
from analysis.text import count, significant

_FAILED_AT = 0.95  # of the panel's height: failed trials have no value
_STRIP = 1.7  # room above the largest value for them


def search_results(results: Results) -> Drawing | MissingFigure:
    """Value of each trial against its learning rate, one panel per condition."""
    info, name, title = results.info, "search_results", "Search: value against learning rate"
    if not info.planned("search"):
        todo = "Add a 'search' section to the study file if each condition should find its own settings."
        return MissingFigure(name, title, "The study has no search: its hyperparameters are fixed.", todo)
    data = _data(results)
    if not data["value"].notna().any():
        return MissingFigure(name, title, *nothing_from(results, "search"))
    if not data["learning_rate"].notna().any():
        return MissingFigure(name, title, "The learning rate is not searched.", "See the table of trials for what is.")
    figure, axes = panels(info.conditions, info.reference)
    for panel, condition in zip(axes, info.conditions, strict=True):
        _bounds(panel, condition)
        _trials(panel, condition, data[data["condition"] == condition.name])
    log_axis(axes[0].xaxis, decades=True)
    log_axis(axes[0].yaxis)
    axes[0].set_ylim(top=axes[0].get_ylim()[1] * _STRIP)
    figure.supxlabel("learning rate", color=MUTED, fontsize=9)
    figure.supylabel("value of the trial", color=MUTED, fontsize=9)
    lost = int((data["diverged_seeds"].fillna(0) > 0).sum())
    failed = int((data["status"] == "failed").sum())
    which = "configuration" if info.repeats == 1 else f"configurations, one of each of {info.repeats} searches,"
    ring = f"Ringed: the {which} that trained the final networks." if data["chosen"].any() else "None is chosen yet."
    caption = (
        "Value of each trial (mean score over its seeds, lower is better) against its learning rate. Filled: ran to "
        "its last epoch; hollow: pruned, at its value when stopped; cross at the top: failed "
        f"({count(failed, 'trial')}). Dashed: ends of the range. {ring} {count(lost, 'trial')} had diverged seeds, "
        f"each of which scores {significant(info.task.worst_score)} (twice the loss of chance). Both axes logarithmic."
    )
    return Drawing(name, title, "Trial value by learning rate, one panel per condition", caption, figure, data)


def _data(results: Results) -> pd.DataFrame:
    trials = results.tables["trials"]
    ended = trials[(trials["stage"] == "search") & trials["status"].isin(["complete", "pruned", "failed"])]
    kept = ["condition", "repeat", "number", "status", "value", "learning_rate", "diverged_seeds", "chosen"]
    return ended[kept].astype({"chosen": bool}).reset_index(drop=True)


def _bounds(axes: Axes, condition: ConditionInfo) -> None:
    dimension = condition.space.get("learning_rate")
    for end in ("low", "high") if dimension else ():
        assert dimension is not None
        axes.axvline(float(dimension[end]), color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)


def _trials(axes: Axes, condition: ConditionInfo, own: pd.DataFrame) -> None:
    outline = edge(condition.style.color)
    for state, face, width in (("complete", condition.style.color, 0.4), ("pruned", "white", 0.8)):
        rows = own[own["status"] == state]
        axes.scatter(
            rows["learning_rate"],
            rows["value"],
            s=18,
            marker=condition.style.marker,
            facecolors=face,
            edgecolors=[outline],
            linewidths=width,
            zorder=3,
        )
    failed = own["learning_rate"][own["status"] == "failed"]
    strip = axes.get_xaxis_transform()
    axes.plot(failed, [_FAILED_AT] * len(failed), "x", color=INK, ms=4.5, transform=strip)
    won = own[own["chosen"]]
    axes.scatter(won["learning_rate"], won["value"], s=95, facecolors="none", edgecolors=INK, linewidths=1.2, zorder=4)
