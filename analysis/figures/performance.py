"""Figures of performance: every seed as a dot, the planned contrasts, the whole distribution."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.figures.drawing.drawing import Drawing, MissingFigure, axis_note, new_figure
from analysis.figures.drawing.rows import Row, Rows, condition_rows, draw_rows, interval_words, runs_far
from analysis.figures.drawing.style import INK, WIDTH
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import CONTINUE, nothing_from
from analysis.results.load import Results
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.intervals import t_interval
from analysis.statistics.wording import margin as margin_words
from analysis.text import count, listed, span
from glifr.conditions import Condition
from glifr.records import Contrast

_FIRST_WIDTH = 7.2  # inches: it stands beside the answer


def condition_dots(results: Results) -> Drawing | MissingFigure:
    """Every final network as a dot, with mean and interval per condition."""
    info, measure = results.info, results.info.measure
    name, title = "condition_dots", f"Final {measure.label} by condition"
    if not len(results.finals):
        return MissingFigure(name, title, *nothing_from(results, "final"))
    data = _units(results)
    log = not measure.higher_is_better and runs_far(data["value"])
    rows = condition_rows(info.conditions)
    figure, notes = draw_rows(Rows(rows, info.reference, data, measure.axis, width=_FIRST_WIDTH, log=log))
    sizes = data.groupby("condition")["seed"].size().tolist()
    dot = "of each final network" if info.repeats == 1 else "as the mean over the final networks of each repeat"
    caption = (
        f"{measure.label.capitalize()} ({measure.direction}) {dot}, one dot per {info.unit} "
        f"(n = {span(sizes)} per condition); what varied is the {info.unit}. {interval_words(sizes, f'{info.unit}s')}"
        f"{info.conditional_sentence}{' Logarithmic axis; a bar that goes below it is cut.' if log else ''}{notes}"
    )
    means = data.groupby("condition", sort=False)["mean"].first()
    words = ", ".join(f"{condition} {mean:.4g} {measure.unit}".strip() for condition, mean in means.items())
    return Drawing(name, title, f"Mean {measure.label} by condition: {words}", caption, figure, data)


def _units(results: Results) -> pd.DataFrame:
    """condition, seed (of a unit), value (as shown), diverged; and n, mean, interval_low, interval_high of each."""
    scale, units, lost = results.info.measure.scale, results.unit_values(), results.diverged_units()
    parts = []
    for condition in results.info.names:
        values = scale * units[condition].dropna()
        t = t_interval(values.to_numpy())
        own = {
            "seed": values.index,
            "value": values.to_numpy(),
            "diverged": lost.loc[values.index, condition].to_numpy(),
        }
        part = pd.DataFrame({"condition": condition, **own})
        parts.append(part.assign(n=t.n, mean=t.mean, interval_low=t.low, interval_high=t.high))
    return pd.concat(parts, ignore_index=True)


def contrast_forest(a: Assessment) -> Drawing | MissingFigure:
    """The planned contrasts: every paired difference with the interval of their mean."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "contrast_forest", "Planned contrasts"
    if not a.planned:
        if len(info.conditions) == 1:
            return MissingFigure(
                name, title, "The study has one condition.", "Add a second condition to the study file."
            )
        return MissingFigure(
            name, title, "No contrast is declared.", "Add one under 'analysis.statistics.contrasts' in the study file."
        )
    data = _pairs(a)
    if not len(data):
        if not len(a.results.finals):
            return MissingFigure(name, title, *nothing_from(a.results, "final"))
        return MissingFigure(name, title, "No seed has a finished network of every condition of a contrast.", CONTINUE)
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    rows = tuple(Row(j.contrast.name, contrast_style(a, j.contrast), _ends(a, j)) for j in a.planned)
    margin = info.smallest_effect * measure.scale
    label = f"difference in {measure.label}{unit}"
    withheld = frozenset(j.contrast.name for j in a.planned if j.interval.sd > 0 and math.isnan(j.interval.low))
    figure, notes = draw_rows(Rows(rows, "", data, label, zero=True, margin=margin, range_only=withheld))
    if withheld:
        why = "no look has been taken" if a.looked and not a.looked.looks else "failed networks leave no interval"
        notes = f" Range only, as {why}: {listed(sorted(withheld))}.{notes}"
    sizes = data.groupby("condition")["seed"].size().tolist()
    side = "right" if measure.higher_is_better else "left"
    interval = "95 % t interval of the mean" + (", which holds at all looks together" if a.looked else "")
    caption = (
        f"First side minus second, one dot per pair, which is a {info.unit} that all conditions of the contrast have "
        f"(n = {span(sizes)} per contrast); {side} of 0 the first side did better. Grey band: ± the smallest effect of "
        f"interest ({margin_words(info.smallest_effect, measure)}). {interval_words(sizes, 'pairs', interval)}"
        f"{info.conditional_sentence}{notes}"
    )
    alternative = f"Paired differences of {count(len(a.planned), 'planned contrast')}"
    return Drawing(name, title, alternative, caption, figure, data)


def _ends(a: Assessment, judged: ContrastResult) -> tuple[float, float] | None:
    """The ends of the interval that looks have given, as shown."""
    scale, t = a.results.info.measure.scale, judged.interval
    return (scale * t.low, scale * t.high) if a.looked is not None else None


def contrast_style(a: Assessment, contrast: Contrast) -> Condition:
    """The look of the condition that a contrast is about; black for a mean of several."""
    by_name = {c.name: c.style for c in a.results.info.conditions}
    own = contrast.of[0] if len(contrast.of) == 1 else ""
    return by_name.get(own) or Condition(contrast.name, "GLIFR", color=INK, marker="o")


def _pairs(a: Assessment) -> pd.DataFrame:
    """condition (the contrast), seed, value (as shown), diverged (any of its networks); and the contrast's numbers."""
    scale, lost = a.results.info.measure.scale, a.results.diverged_units()
    parts = []
    for j in a.planned:
        if not j.interval.n:
            continue
        t, either = j.interval, lost[list(j.contrast.conditions)].any(axis=1)[j.pairs.index]
        part = pd.DataFrame({"seed": j.pairs.index, "value": scale * j.pairs, "diverged": either.to_numpy()})
        part.insert(0, "condition", j.contrast.name)
        numbers = {"mean": scale * t.mean, "interval_low": scale * t.low, "interval_high": scale * t.high}
        parts.append(part.assign(n=t.n, **numbers, p=j.p, p_holm=j.p_holm, verdict=j.verdict.word))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def performance_profile(results: Results) -> Drawing | MissingFigure:
    """For each value of the measure the share of networks that reach it."""
    info, measure = results.info, results.info.measure
    name, title = "performance_profile", "Performance profile"
    if not len(results.finals):
        return MissingFigure(name, title, *nothing_from(results, "final"))
    kept = results.finals
    values = kept[measure.column] * measure.scale
    whole = values[~kept["diverged"].fillna(False).astype(bool)]
    low, high = (float(v) for v in ((whole if len(whole) else values).agg(["min", "max"])))
    at = np.linspace(low - 0.02 * (high - low or 1), high + 0.02 * (high - low or 1), 241)
    figure = new_figure(WIDTH, 3.1)
    axes = figure.subplots()
    parts = []
    for condition in info.conditions:
        own = values[kept["condition"] == condition.name].to_numpy(dtype=np.float64)
        if not len(own):
            continue
        reached = (own[:, None] >= at) if measure.higher_is_better else (own[:, None] <= at)
        share = reached.mean(axis=0)
        style = condition.style
        axes.plot(
            at, 100 * share, color=style.color, marker=style.marker, markevery=(6, 40), ms=4.5, lw=1.5, label=style.name
        )
        parts.append(pd.DataFrame({"condition": condition.name, "value": at, "share": share}))
    axes.set_xlabel(measure.axis)
    axes.set_ylabel("networks that reach it (%)")
    axes.set_ylim(0, 103)
    axes.grid(axis="y")
    axes.legend(ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    word = "at least" if measure.higher_is_better else "at most"
    caption = (
        f"Share of a condition's final networks whose {measure.label} is {word} the value on the axis; the further "
        f"{'right' if measure.higher_is_better else 'left'} a curve falls, the better. It shows the whole "
        f"distribution over networks, not only its mean; what varied is {info.varied}. Diverged networks count, "
        f"beyond the end of the axis.{axis_note(*axes.get_xlim())}"
    )
    return Drawing(name, title, f"Share of networks that reach each {measure.label}", caption, figure, pd.concat(parts))
