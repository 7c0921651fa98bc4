"""Table of the variance between final networks where the search is repeated."""

from __future__ import annotations

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.measure import Measure
from analysis.tables.table import Cell, Head, Table, reference_rows


def components_sheet(a: Assessment) -> Table:
    """The search's and the seeds' part of the spread of each condition."""
    measure = a.results.info.measure
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    heads = (
        Head("Condition", "left"),
        Head("repeats"),
        Head("networks"),
        *(Head(n, group=f"SD{unit}") for n in ("between searches", "between seeds")),
        Head("variance that is the search's (%)"),
    )
    rows = [
        [
            Cell(info.name, condition=info),
            Cell(str(c.repeats)),
            Cell(str(c.networks)),
            Cell(_shown(c.search, measure), "negative, set to 0" if c.truncated else ""),
            Cell(_shown(c.seed, measure), c.reason),
            Cell(text.number(100 * c.share, 0)),
        ]
        for info, c in zip(a.results.info.conditions, a.components, strict=True)
    ]
    caption = (
        "The spread of the final networks in two parts: between the repeats of the search, beyond what the seeds "
        "explain, and between the networks of one repeat. Estimates by the method of moments from the mean squares "
        "between and within repeats; with few repeats they are rough. Intervals and tests take one value per repeat, "
        "which has both parts in it."
    )
    return Table("components", "What varies: search and seed", caption, heads, rows, reference_rows(a.results))


def _shown(value: float, measure: Measure) -> str:
    return text.number(value * measure.scale, measure.decimals)
