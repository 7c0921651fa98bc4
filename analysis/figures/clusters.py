"""Figure of each network's clusters of neurons against data without any."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.drawing.drawing import Drawing, MissingFigure
from analysis.figures.drawing.panels import panels
from analysis.figures.drawing.style import GRID, MUTED
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import not_recorded
from analysis.statistics.clusters import COUNTS, DRAWS
from analysis.statistics.groups import ClusteredNetwork
from analysis.text import span


def clusters_and_null(a: Assessment) -> Drawing | MissingFigure:
    """The Calinski-Harabasz index over its null's mean against the number of clusters, one line per network."""
    name, title = "clusters", "Clusters of neurons, against none"
    if not a.neurons.clustered:
        return MissingFigure(name, title, *not_recorded(a.results, glifr=True))
    computed = [n for n in a.neurons.clustered if not n.clustering.reason]
    if not computed:
        reasons = sorted({n.clustering.reason for n in a.neurons.clustered})
        return MissingFigure(
            name, title, f"Nothing could be clustered: {'; '.join(reasons)}.", "Train neurons that can differ."
        )
    data = pd.concat([_rows(n) for n in computed], ignore_index=True)
    info = a.results.info
    conditions = tuple(c for c in info.conditions if (data["condition"] == c.name).any())
    figure, flat = panels(conditions, info.reference)
    for axes, condition in zip(flat, conditions, strict=True):
        own = data[data["condition"] == condition.name]
        band = own.groupby("clusters")[["null_low", "null_high"]].mean()
        axes.fill_between(band.index, band["null_low"], band["null_high"], color=GRID, lw=0, zorder=1)
        axes.axhline(1, color=MUTED, lw=0.9, zorder=2)
        for _, network in own.groupby("seed"):
            axes.plot(network["clusters"], network["index"], color=condition.style.color, lw=1, alpha=0.8, zorder=3)
            best = network[network["best"]]
            axes.plot(
                best["clusters"],
                best["index"],
                marker=condition.style.marker,
                ls="none",
                color=condition.style.color,
                ms=4,
                zorder=4,
            )
    flat[0].set_xticks(COUNTS[::2])
    figure.supxlabel("clusters", color=MUTED, fontsize=9)
    figure.supylabel("index, over its null's mean", color=MUTED, fontsize=9)
    sizes = data.groupby("condition")["seed"].nunique().tolist()
    caption = (
        f"One line per network (n = {span(sizes)} per condition): Calinski-Harabasz index of Ward's clusters of its "
        f"neurons, divided by the geometric mean of the same index in {DRAWS} draws without clusters (Gaussian copula "
        "with the distribution of each parameter and their correlations). Grey band: middle 95 % of the draws at each "
        "number of clusters by itself, averaged over networks; the table of clusters tests all numbers at once. "
        "Marker: where the line stands highest above 1."
    )
    return Drawing(name, title, "Index of clusters over its null by number of clusters", caption, figure, data)


def _rows(network: ClusteredNetwork) -> pd.DataFrame:
    """condition, seed, clusters, index, null_low, null_high (each over the null's mean), best."""
    found, mean = network.clustering, np.array(network.clustering.null_mean)
    return pd.DataFrame(
        {
            "condition": network.condition,
            "seed": network.seed,
            "clusters": COUNTS,
            "index": np.array(found.index) / mean,
            "null_low": np.array(found.null_low) / mean,
            "null_high": np.array(found.null_high) / mean,
            "best": found.k == COUNTS,
        }
    )
