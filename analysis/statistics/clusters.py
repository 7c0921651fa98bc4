"""Tests whether the neurons of a network fall into groups or lie on a continuum.

Ward's clustering has an answer for any data, and the Calinski-Harabasz index, which grows with any structure, has no
null of its own: on data without clusters its largest value suggests many. So it is compared with that of data which
have the same distribution of each parameter and the same correlations, but no groups: draws from a Gaussian copula.

Shapes: n neurons, p parameters, k clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

Array = NDArray[np.float64]

DRAWS = 199
RESAMPLES = 100
ALPHA = 0.05
STABLE = 0.8
FEWEST = 30
COUNTS = np.arange(2, 11)

# data that are not one Gaussian copula need not be groups: a bend or a tail is structure too, and cut anew each time
ClusterFinding = Literal["clusters", "structure, but no stable clusters", "no structure beyond a continuum"]
CLUSTERS: ClusterFinding = "clusters"
UNSTABLE: ClusterFinding = "structure, but no stable clusters"
CONTINUUM: ClusterFinding = "no structure beyond a continuum"
# changes with anything that changes a number below
METHOD = f"ward, log CH over its null's mean, {DRAWS} draws, {RESAMPLES} resamples, k to {COUNTS[-1]}, version 1"


@dataclass(frozen=True)
class Clustering:
    """The groups of one network's neurons, against none.

    Attributes:
        k: The number of groups at which the index is highest above its null.
        excess: The ratio of the index to the null's geometric mean there.
        p: Share of draws, including the data, whose own highest excess is no smaller.
        stability: Mean adjusted Rand index of the groups of resampled neurons with those of all.
        index: The index at each of `COUNTS`.
        null_mean: Its null's geometric mean, likewise.
        null_low: Lower end of the null's middle 95 %.
        null_high: Upper end.
        parameters: How many parameters vary.
        reason: Why nothing could be computed, '' if it could.
    """

    neurons: int
    parameters: int
    k: int = 0
    excess: float = math.nan
    p: float = math.nan
    stability: float = math.nan
    index: tuple[float, ...] = ()
    null_mean: tuple[float, ...] = ()
    null_low: tuple[float, ...] = ()
    null_high: tuple[float, ...] = ()
    reason: str = ""

    @property
    def beyond(self) -> bool:
        """True if there is structure that the null has not."""
        return self.p <= ALPHA

    @property
    def structured(self) -> bool:
        """True if there are groups: beyond the null, and found again when neurons are resampled."""
        return self.beyond and self.stability >= STABLE

    @property
    def finding(self) -> ClusterFinding:
        """What was found, where something could be computed."""
        return CLUSTERS if self.structured else UNSTABLE if self.beyond else CONTINUUM


def cluster(values: Array, generator: np.random.Generator) -> Clustering:
    """Judges n neurons by their parameters [n,p], rates as logarithms. Nothing is computed where nothing can be."""
    varying = values[:, np.ptp(values, axis=0) > 1e-9 * np.abs(values).max(axis=0, initial=1e-300)]
    n, p = varying.shape
    reason = _reason(values, varying)
    if reason:
        return Clustering(n, p, reason=reason)
    data = _standardised(varying)
    tree = _tree(data)
    drawn = copula_draws(varying, DRAWS, generator)
    index = np.log(np.stack([_index(tree), *(_index(_tree(_standardised(draw))) for draw in drawn)]))
    excess = index - index.mean(axis=0)  # the data are one of the draws: under the null any is as likely the highest
    highest = excess.max(axis=1)
    best = int(excess[0].argmax())
    k, null = int(COUNTS[best]), index[1:]
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    return Clustering(
        neurons=n,
        parameters=p,
        k=k,
        excess=math.exp(index[0, best] - null[:, best].mean()),
        p=float((highest >= highest[0]).mean()),
        stability=stability(data, _cut(tree, k), k, generator),
        index=_texts(index[0]),
        null_mean=_texts(null.mean(axis=0)),
        null_low=_texts(low),
        null_high=_texts(high),
    )


def copula_draws(values: Array, draws: int, generator: np.random.Generator) -> Array:
    """Draws data with the distribution of each column of some values and their correlations, but otherwise normal.

    Args:
        values: The values [n,p]. Correlations are those of the columns' normal scores; between the values of a column
            draws are interpolated.
        draws: How many.
        generator: What they are drawn from.

    Returns:
        The data [draws,n,p].
    """
    n, p = values.shape
    places = (np.arange(n) + 0.5) / n
    scores = ndtri((rankdata(values, axis=0) - 0.5) / n)
    variances, directions = np.linalg.eigh(np.atleast_2d(np.corrcoef(scores, rowvar=False)))
    mixed = directions * np.sqrt(np.maximum(variances, 0))
    uniform = ndtr(generator.standard_normal((draws, n, p)) @ mixed.T)
    columns = [np.interp(uniform[:, :, j], places, np.sort(values[:, j])) for j in range(p)]
    return np.stack(columns, axis=-1)


def stability(data: Array, groups: NDArray[np.int32], k: int, generator: np.random.Generator) -> float:
    """Mean adjusted Rand index, over resampled neurons, of k new groups with `groups` [n] on the neurons drawn."""
    found = []
    for _ in range(RESAMPLES):
        chosen = np.unique(generator.integers(len(data), size=len(data)), return_counts=True)
        rows = np.repeat(*chosen)
        again = _cut(_tree(data[rows]), k)
        first = np.cumsum(chosen[1]) - chosen[1]  # a neuron that was drawn twice counts once
        found.append(adjusted_rand(groups[chosen[0]], again[first]))
    return float(np.mean(found))


def adjusted_rand(first: NDArray[np.int32], second: NDArray[np.int32]) -> float:
    """The adjusted Rand index of two groupings [n] in groups from 1, as scikit-learn's, in a twentieth of its time."""
    n, columns = len(first), int(second.max()) + 1
    table = np.bincount(first * columns + second, minlength=(int(first.max()) + 1) * columns).reshape(-1, columns)
    together = int((table**2).sum())
    of_first, of_second = int((table.sum(axis=1) ** 2).sum()), int((table.sum(axis=0) ** 2).sum())
    both, neither = together - n, n * n - of_first - of_second + together
    only_first, only_second = of_first - together, of_second - together
    if only_first == only_second == 0:
        return 1.0
    over = (both + only_first) * (only_first + neither) + (both + only_second) * (only_second + neither)
    return 2.0 * (both * neither - only_first * only_second) / over


def calinski_harabasz(tree: Array) -> Array:
    """The index at each of `COUNTS` of a Ward tree [n-1,4]: a merge at height h adds h^2 / 2 to the sums of squares."""
    n = len(tree) + 1
    added = np.cumsum(tree[:, 2] ** 2 / 2)
    within, total = added[n - 1 - COUNTS], added[-1]
    return np.asarray((total - within) / (COUNTS - 1) / (within / (n - COUNTS)))


def _reason(values: Array, varying: Array) -> str:
    n, p = varying.shape
    if n < FEWEST:
        return f"{n} neurons are too few, of {FEWEST} needed"
    if not np.isfinite(values).all():
        return "a parameter is not finite"
    if p == 0:
        return "all neurons are alike"
    if len(np.unique(varying, axis=0)) < FEWEST:
        return f"fewer than {FEWEST} different neurons"
    return ""


def _standardised(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    return np.asarray(centred / np.maximum(centred.std(axis=0), 1e-300))


def _tree(data: Array) -> Array:
    return linkage(data, method="ward")


def _index(tree: Array) -> Array:
    return np.maximum(calinski_harabasz(tree), 1e-300)


def _cut(tree: Array, k: int) -> NDArray[np.int32]:
    return fcluster(tree, k, criterion="maxclust")


def _texts(logarithms: Array) -> tuple[float, ...]:
    return tuple(float(v) for v in np.exp(logarithms))
