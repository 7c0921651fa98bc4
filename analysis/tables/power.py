"""Table of what the planned contrasts could detect, and of the seeds that would be enough."""

from __future__ import annotations

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.statistics import wording
from analysis.statistics.power import FEWEST, PairsNeeded
from analysis.tables.table import Cell, Head, Table


def power_sheet(a: Assessment) -> Table:
    """Power of each planned contrast at the smallest effect of interest."""
    info = a.results.info
    measure = info.measure
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    heads = (
        Head("Contrast", "left"),
        Head("pairs"),
        Head(f"SD of differences{unit}"),
        Head("power (%)"),
        Head(f"detectable{unit}"),
        *(Head(n, group="Pairs for 80 % power") for n in ("to find it", "to call it equivalent")),
    )
    rows = [
        [
            Cell(r.contrast.name),
            Cell(str(r.pairs)),
            Cell(text.number(r.sd * measure.scale, measure.decimals + 1)),
            Cell(text.number(100 * r.power, 0)),
            Cell(text.number(r.detectable * measure.scale, measure.decimals)),
            *(_need(n) for n in (r.needed, r.needed_for_equivalence)),
        ]
        for r in a.reaches
    ]
    alpha = a.reaches[0].alpha if a.reaches else info.declaration.alpha
    caption = (
        "From the spread of the paired differences seen, which is itself an estimate: nothing is computed from fewer "
        f"than {FEWEST} pairs. Power: the chance to find a true difference of "
        f"{wording.margin(info.smallest_effect, measure)} (the declared smallest effect of interest) at α = "
        f"{text.significant(alpha, 2)}, the first step of Holm. Detectable: the difference found with 80 % power. "
        "Last columns: pairs for 80 % power to find that difference, and to call conditions equivalent that truly are "
        "equal; below each what the 95 % interval of the spread (chi-square) makes of it."
    )
    return Table("power", "Power of the planned contrasts", caption, heads, rows)


def _need(found: PairsNeeded | None) -> Cell:
    """A need of pairs with its range."""
    if found is None:
        return Cell(text.NOTHING)
    return Cell(wording.pairs(found.seen), f"{wording.pairs(found.low)} to {wording.pairs(found.high)}")
