"""The area under each network's silencing curve."""

from __future__ import annotations

import pandas as pd

from analysis.assessment import Assessment
from analysis.emptiness import nothing_from
from analysis.figures.drawing import Drawing, Empty
from analysis.figures.rows import Rows, condition_rows, draw_rows, interval_words
from analysis.text import span


def silencing_area(a: Assessment) -> Drawing | Empty:
    """One dot a network: how much of its performance it keeps, over all silenced shares."""
    info = a.results.info
    name, title = "silencing_area", "Area under the silencing curve"
    if not info.planned("silencing"):
        todo = "Add a 'silencing' section to the study file and run it again."
        return Empty(name, title, "The study has no silencing stage.", todo)
    kept = a.kept[a.kept["area"].notna()]
    if not len(kept):
        return Empty(name, title, *nothing_from(a.results, "silencing" if len(a.results.finals) else "final"))
    data = pd.DataFrame(
        {"condition": kept["condition"], "seed": kept["seed"], "value": kept["area"], "diverged": False}
    )
    figure, notes = draw_rows(Rows(condition_rows(info.conditions), info.reference, data, "area under the curve"))
    sizes = data.groupby("condition")["seed"].size().tolist()
    caption = (
        f"One dot a network, its masks averaged first (n = {span(sizes)} a condition). 1: nothing is lost by "
        "silencing; 0.5: a straight line down to chance. "
        f"{interval_words(sizes, 'networks')}{notes.replace(' No network diverged.', '')}"
    )
    return Drawing(
        name, title, "Area under the silencing curve by condition", caption, figure, kept.reset_index(drop=True)
    )
