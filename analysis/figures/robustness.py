"""The area under each network's silencing curve."""

from __future__ import annotations

import pandas as pd

from analysis.figures.drawing.drawing import Drawing, MissingFigure
from analysis.figures.drawing.rows import Rows, condition_rows, draw_rows, interval_words
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import nothing_from
from analysis.measure import Measure
from analysis.text import count, span


def silencing_area(a: Assessment) -> Drawing | MissingFigure:
    """One dot per network: what it keeps of its performance, or the loss it has, over all silenced shares."""
    info = a.results.info
    measure = info.measure
    name, title = "silencing_area", "Area under the silencing curve"
    if not info.planned("silencing"):
        todo = "Add a 'silencing' section to the study file and run it again."
        return MissingFigure(name, title, "The study has no silencing stage.", todo)
    if not len(a.silenced):
        return MissingFigure(name, title, *nothing_from(a.results, "silencing" if len(a.results.finals) else "final"))
    known = a.silenced[a.silenced["area"].notna()]
    if not len(known):
        why = f"No network has an area: {'; '.join(sorted(set(a.silenced['reason'])))}."
        return MissingFigure(
            name, title, why, "Train longer, or with other settings, so that networks have something to lose."
        )
    networks = known.assign(value=known["area"] * _scale(measure), diverged=False)
    data = a.results.per_unit(networks[["condition", "seed", "value", "diverged"]])
    label = "area under the curve" if measure.higher_is_better else f"mean {measure.axis} over the silenced shares"
    figure, notes = draw_rows(Rows(condition_rows(info.conditions), info.reference, data, label))
    sizes = data.groupby("condition")["seed"].size().tolist()
    once = info.repeats == 1
    dot, those = ("network", "networks") if once else ("repeat of the search, its networks averaged", "repeats")
    caption = (
        f"One dot per {dot}, masks averaged first (n = {span(sizes)} per condition). {_meaning(measure)} "
        f"{_left_out(a.silenced)}{interval_words(sizes, those)}{notes.replace(' No network diverged.', '')}"
    )
    return Drawing(name, title, f"{title} by condition", caption, figure, known.reset_index(drop=True))


def _scale(measure: Measure) -> float:
    return 1.0 if measure.higher_is_better else measure.scale


def _meaning(measure: Measure) -> str:
    if measure.higher_is_better:
        return "1: nothing is lost by silencing; 0.5: a straight line down to chance; 0: all is lost at once."
    return f"The mean {measure.label} over the silenced shares, as it is ({measure.direction})."


def _left_out(networks: pd.DataFrame) -> str:
    why = networks.loc[networks["area"].isna(), "reason"].value_counts()
    return "".join(f"{count(int(n), 'network')} not computable: {reason}. " for reason, n in why.sort_index().items())
