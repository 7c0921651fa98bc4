"""What the final networks reached: every seed as a dot, and differences from the reference."""

from __future__ import annotations

import pandas as pd

from analysis.comparisons import differences_from
from analysis.emptiness import CONTINUE, nothing_from
from analysis.figures.drawing import Drawing, Empty
from analysis.figures.rows import Rows, draw_rows, interval_words
from analysis.intervals import t_interval
from analysis.load import Results
from analysis.text import count, span


def condition_dots(results: Results) -> Drawing | Empty:
    """Every final network as a dot, with mean and interval a condition."""
    info, measure = results.info, results.info.task.measure
    name, title = "condition_dots", f"Final {measure.label} by condition"
    if not len(results.finals):
        return Empty(name, title, *nothing_from(results, "final"))
    data = _networks(results)
    figure, notes = draw_rows(Rows(info.conditions, info.reference, data, measure.axis))
    sizes = data.groupby("condition")["seed"].size().tolist()
    caption = (
        f"{measure.label.capitalize()} ({measure.direction}) of each final network, one dot a seed "
        f"(n = {span(sizes)} a condition); what varied is the seed. {interval_words(sizes, 'networks')}{notes}"
    )
    means = data.groupby("condition", sort=False)["mean"].first()
    words = ", ".join(f"{condition} {mean:.4g} {measure.unit}".strip() for condition, mean in means.items())
    return Drawing(name, title, f"Mean {measure.label} by condition: {words}", caption, figure, data)


def _networks(results: Results) -> pd.DataFrame:
    """condition, seed, value (as shown), diverged; and n, mean, interval_low, interval_high of the condition."""
    measure, finals = results.info.task.measure, results.finals
    parts = []
    for condition in results.info.names:
        own = finals[finals["condition"] == condition].sort_values("seed")
        values = own[measure.column] * measure.scale
        t = t_interval(values.to_numpy())
        part = own[["condition", "seed"]].assign(value=values, diverged=own["diverged"].fillna(False).astype(bool))
        parts.append(part.assign(n=t.n, mean=t.mean, interval_low=t.low, interval_high=t.high))
    return pd.concat(parts)


def difference_forest(results: Results) -> Drawing | Empty:
    """Differences from the reference, paired by seed."""
    info, measure = results.info, results.info.task.measure
    name, title = "difference_forest", f"Difference from {info.reference}"
    others = tuple(c for c in info.conditions if c.name != info.reference)
    if not others:
        return Empty(name, title, "The study has one condition.", "Add a second condition to the study file.")
    data = _pairs(results)
    if not len(data):
        if not len(results.finals):
            return Empty(name, title, *nothing_from(results, "final"))
        why = f"No seed has a finished network of both {info.reference} and another condition."
        return Empty(name, title, why, CONTINUE)
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    label = f"{measure.label} minus that of {info.reference}{unit}"
    figure, notes = draw_rows(Rows(others, info.reference, data, label, zero=True))
    sizes = data.groupby("condition")["seed"].size().tolist()
    side = "right" if measure.higher_is_better else "left"
    caption = (
        f"Condition minus {info.reference}, one dot a pair, which is a seed that both have "
        f"(n = {span(sizes)} a condition); {side} of 0 the condition did better. "
        f"{interval_words(sizes, 'pairs')}{notes}"
    )
    alternative = f"Paired differences from {info.reference} of {count(len(others), 'condition')}"
    return Drawing(name, title, alternative, caption, figure, data)


def _pairs(results: Results) -> pd.DataFrame:
    """condition, seed, value (difference as shown), diverged (either network); and the condition's row of the table."""
    info, finals = results.info, results.finals
    lost = finals.pivot(index="seed", columns="condition", values="diverged").reindex(columns=info.names)
    lost = lost.fillna(False).astype(bool)
    parts = []
    for d in differences_from(results.final_values() * info.task.measure.scale, info.reference):
        t, either = d.interval, (lost[d.condition] | lost[info.reference])[d.pairs.index]
        part = pd.DataFrame({"seed": d.pairs.index, "value": d.pairs.to_numpy(), "diverged": either.to_numpy()})
        part.insert(0, "condition", d.condition)
        part = part.assign(n=t.n, mean=t.mean, interval_low=t.low, interval_high=t.high, p=d.p, p_holm=d.p_holm)
        parts.append(part)
    return pd.concat(parts)
