"""What networks lose when neurons are silenced."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.measure import Measure
from analysis.results.load import Results
from analysis.results.study import ConditionInfo
from analysis.results.summaries import unit_means
from analysis.statistics.intervals import t_interval
from analysis.statistics.robustness import LEAST
from analysis.tables.table import Cell, Head, Table, reference_rows


def silencing_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """Area under the silencing curve and half-loss share of each condition's networks."""
    info = a.results.info
    measure = info.measure
    area = "Area under the curve" if measure.higher_is_better else f"Mean {measure.label} over the shares"
    heads = (
        Head("Condition", "left"),
        *(Head(name, group=area) for name in ("mean", "95 % interval", "SD", "n")),
        *(Head(name, group="Share silenced at half loss (%)") for name in ("mean", "95 % interval", "n")),
    )
    rows = []
    for c in info.conditions:
        codes = tuple(codes_for(found, "table-silencing", c.name))
        rows.append(_row(a.results, c, a.silenced[a.silenced["condition"] == c.name], codes))
    averaged = "" if info.repeats == 1 else ", then its networks within each repeat of the search"
    caption = (
        f"One value per {'network' if info.repeats == 1 else 'repeat'}: the random masks of a network are averaged "
        f"first{averaged}. {_area_words(measure)} Half loss: the share of "
        "silenced neurons at which half of the way from the intact network to chance is gone, of the networks that "
        f"lose as much. An intact network that is less than {100 * LEAST:g} % of the way from chance to "
        f"{'a perfect accuracy' if measure.higher_is_better else 'a loss of 0'} counts as near chance and has no "
        f"{'value here' if measure.higher_is_better else 'half loss'}. Intervals: 95 % t, over {info.unit}s."
        f"{info.conditional_sentence}"
    )
    return Table("silencing", "Silencing", caption, heads, rows, reference_rows(a.results))


def _area_words(measure: Measure) -> str:
    if measure.higher_is_better:
        return (
            "Area: under the curve of performance over the silenced share, where performance counts from chance (0) to "
            "the intact network (1) and is cut to this range; 1 would be no loss at all, 0.5 a straight line."
        )
    return (
        f"Mean {measure.label}: area under the curve of the {measure.label} over the silenced share, divided by the "
        f"range of shares, not normalised ({measure.direction})."
    )


def _row(results: Results, condition: ConditionInfo, own: pd.DataFrame, codes: tuple[str, ...]) -> list[Cell]:
    measure = results.info.measure
    area = t_interval(unit_means(results, own, "area"))
    half = t_interval(100 * unit_means(results, own, "half_loss"))
    decimals = 3 if measure.higher_is_better else measure.decimals
    lacking = own["area"] if measure.higher_is_better else own["half_loss"]
    why = Counter(own.loc[lacking.isna() & (own["reason"] != ""), "reason"])
    reasons = text.listed([f"{n} not computable: {reason}" for reason, n in sorted(why.items())])
    never = int((own["half_loss"].isna() & (own["reason"] == "")).sum())
    half_notes = [f"{never} never lose half"] if never else []
    return [
        Cell(condition.name, condition=condition, codes=codes),
        Cell(text.number(area.mean, decimals)),
        Cell(text.interval(area.low, area.high, decimals)),
        Cell(text.number(area.sd, decimals)),
        Cell(str(area.n), reasons if measure.higher_is_better else ""),
        Cell(text.number(half.mean, 1)),
        Cell(text.interval(half.low, half.high, 1)),
        Cell(
            str(half.n),
            text.listed(half_notes if measure.higher_is_better else [r for r in (reasons, *half_notes) if r]),
        ),
    ]
