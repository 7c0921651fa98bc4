"""Table 5: what networks keep when neurons are silenced."""

from __future__ import annotations

from analysis import text
from analysis.assessment import Assessment
from analysis.intervals import t_interval
from analysis.sheets.sheet import Cell, Head, Sheet, reference_rows


def silencing_sheet(a: Assessment) -> Sheet:
    """Area under the silencing curve and half-loss share of each condition's networks."""
    info, kept = a.results.info, a.kept
    heads = (
        Head("Condition", "left"),
        *(Head(name, group="Area under the curve") for name in ("mean", "95 % interval", "SD", "n")),
        *(Head(name, group="Share silenced at half loss (%)") for name in ("mean", "95 % interval", "n")),
    )
    rows = []
    for condition in info.conditions:
        own = kept[kept["condition"] == condition.name]
        area = t_interval(own["area"].dropna().to_numpy())
        half = t_interval(100 * own["half_loss"].dropna().to_numpy())
        hopeless = int(own["area"].isna().sum())
        rows.append(
            [
                Cell(condition.name, condition=condition),
                Cell(text.number(area.mean, 3)),
                Cell(text.interval(area.low, area.high, 3)),
                Cell(text.number(area.sd, 3)),
                Cell(str(area.n), f"{hopeless} at chance" if hopeless else ""),
                Cell(text.number(half.mean, 1)),
                Cell(text.interval(half.low, half.high, 1)),
                Cell(str(half.n)),
            ]
        )
    caption = (
        "One value a network: its random masks are averaged first. Performance counts from chance (0) to the intact "
        "network (1). Area: under that curve over the silenced share; 1 would be no loss at all, 0.5 a straight "
        "line. Half loss: the share of silenced neurons at which half of the performance above chance is gone. "
        "Intervals: 95 % t, over networks. A network at chance has nothing to lose and is not counted."
    )
    return Sheet("silencing", "Table 5. Silencing", caption, heads, rows, reference_rows(a.results))
