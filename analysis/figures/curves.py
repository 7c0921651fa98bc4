"""Learning curves and silencing curves of the final networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.figures.drawing.drawing import Drawing, MissingFigure, axis_note
from analysis.figures.drawing.panels import draw_curves, panels
from analysis.figures.drawing.style import MUTED, log_axis
from analysis.judgement.missing_data import nothing_from
from analysis.results.load import Results
from analysis.statistics.intervals import LEVEL, SHOWN_FROM, t_interval
from analysis.statistics.robustness import per_network
from analysis.text import count, significant, span


def learning_curves(results: Results) -> Drawing | MissingFigure:
    """Validation loss (training loss without a validation split) by epoch of the finished final networks."""
    epochs = _final_epochs(results)
    held_out = len(epochs) > 0 and bool(epochs["validation_loss"].notna().any())
    column, label = ("validation_loss", "validation loss") if held_out else ("train_loss", "training loss")
    name, title = "learning_curves", f"Learning curves: {label}"
    if not len(epochs):
        return MissingFigure(name, "Learning curves", *nothing_from(results, "final"))
    info = results.info
    data = _curves(epochs.assign(value=_capped(epochs, column, info.task.worst_score)), "epoch", band="range")
    figure, axes = panels(info.conditions, info.reference)
    draw_curves(axes, info.conditions, data, "epoch")
    log_axis(axes[0].yaxis)
    axes[0].xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    figure.supxlabel("epoch", color=MUTED, fontsize=9)
    figure.supylabel(f"{label}", color=MUTED, fontsize=9)
    sizes = data.groupby("condition")["n"].max().tolist()
    lost = int(epochs.groupby(["condition", "seed"])["diverged"].max().sum())
    capped = f"twice the loss of chance ({significant(info.task.worst_score)})"
    fate = f"a diverged network has that from then on ({count(lost, 'network')})" if lost else "no network diverged"
    caption = (
        f"{label.capitalize()} of the final networks after each epoch: their mean and range "
        f"(n = {span(sizes)} per condition); what varied is {info.varied}. Grey: means of the other conditions. "
        f"Logarithmic axis, which has no 0. Losses are drawn up to {capped}; {fate}."
    )
    return Drawing(name, title, f"{label.capitalize()} by epoch, one panel per condition", caption, figure, data)


def _final_epochs(results: Results) -> pd.DataFrame:
    epochs, finals = results.tables["epochs"], results.finals
    own = epochs[epochs["stage"] == "final"]
    return own.merge(finals[["condition", "seed"]], on=["condition", "seed"], how="inner")


def _capped(epochs: pd.DataFrame, column: str, worst: float) -> pd.Series:
    loss = epochs[column].where(~epochs["diverged"].fillna(False).astype(bool), worst)
    return loss.clip(upper=worst)


def _curves(rows: pd.DataFrame, x: str, band: str) -> pd.DataFrame:
    """condition, `x`, n, mean, low, high over networks; the band is their range, or simultaneous t intervals from 5 on.

    Simultaneous (Bonferroni over the places of a curve): all of it covers the true curve in 95 % of studies.
    """
    found = []
    places = max(1, rows[x].nunique())
    for (condition, at), own in rows.dropna(subset=["value"]).groupby(["condition", x], sort=False):
        values = own["value"].to_numpy(dtype=np.float64)
        t = t_interval(values, 1 - (1 - LEVEL) / places)
        low, high = float(values.min()), float(values.max())
        if band == "interval" and t.n >= SHOWN_FROM:
            low, high = (t.low, t.high) if np.isfinite(t.low) else (t.mean, t.mean)
        found.append((condition, at, t.n, t.mean, low, high))
    frame = pd.DataFrame(found, columns=["condition", x, "n", "mean", "low", "high"])
    rank = {name: place for place, name in enumerate(dict.fromkeys(frame["condition"]))}
    return frame.sort_values(["condition", x], key=lambda s: s.map(rank) if s.name == "condition" else s)


def silencing_curves(results: Results) -> Drawing | MissingFigure:
    """Test performance against the share of neurons silenced; masks are averaged within their network first."""
    info, rows = results.info, results.tables["silencing"]
    measure = info.measure
    name, title = "silencing_curves", "Silencing of neurons"
    if not info.planned("silencing"):
        todo = "Add a 'silencing' section to the study file and run it again."
        return MissingFigure(name, title, "The study has no silencing stage.", todo)
    if not rows[measure.column].notna().any():
        return MissingFigure(name, title, *nothing_from(results, "silencing" if len(results.finals) else "final"))
    networks = results.per_unit(per_network(rows, measure.column), ("condition", "fraction"))
    data = _curves(networks, "fraction", band="interval")
    shown = data.assign(**{c: data[c] * measure.scale for c in ("mean", "low", "high")})
    figure, axes = panels(info.conditions, info.reference)
    if measure.chance is not None:
        for panel in axes:
            panel.axhline(measure.chance * measure.scale, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
    shown["fraction"] *= 100
    draw_curves(axes, info.conditions, shown, "fraction")
    if measure.scale == 100:
        axes[0].set_ylim(0, max(100.0, shown["high"].max()))
    figure.supxlabel("neurons silenced (%)", color=MUTED, fontsize=9)
    figure.supylabel(measure.axis, color=MUTED, fontsize=9)
    sizes, masks = data.groupby("condition")["n"].max().tolist(), int(rows["mask"].max()) + 1
    interval = "simultaneous 95 % t band (Bonferroni over the shares)"
    band = interval if min(sizes) >= SHOWN_FROM else f"range ({interval}, from {SHOWN_FROM} {info.unit}s on)"
    chance = f" Dashed: chance ({measure.chance_words})." if measure.chance_words else ""
    caption = (
        f"{measure.label.capitalize()} with a random share of the neurons silenced. {count(masks, 'random choice')} "
        f"per share are averaged within each network; line and band are mean and {band}, over {info.unit}s (n = "
        f"{span(sizes)} per condition). Grey: the other conditions.{chance}{axis_note(*axes[0].get_ylim())}"
    )
    alternative = f"{measure.label.capitalize()} by share of neurons silenced, one panel per condition"
    return Drawing(name, title, alternative, caption, figure, data)
