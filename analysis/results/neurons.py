"""Reads the trained networks one after the other and keeps what tables and figures need.

A network is the unit: curves and responses are summarised over its neurons first; figures average over networks then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.parallel import shared_out
from analysis.results.columns import DERIVED, DTYPES
from analysis.results.load import Results
from analysis.results.networks import KeptNetwork, NetworkSummary, QuantileCurves
from analysis.statistics.cluster_cache import ClusterCache
from analysis.statistics.clusters import Array, Clustering, cluster
from analysis.statistics.groups import ClusteredNetwork
from analysis.text import without_paths
from glifr.conditions import OF_A_CURRENT, OF_A_NEURON
from glifr.records import Examples, RecordError

NETWORKS = 20  # a condition, in the order of their seeds: more would cost time and show nothing more
PARAMETERS = (*OF_A_NEURON, *OF_A_CURRENT)  # of GLIFR
RATES = ("k_m", "k_j")


def in_order(found: Iterable[str]) -> list[str]:
    """Neuron parameters: those of GLIFR first, then those of other neuron models as they come."""
    names = list(dict.fromkeys(found))
    return [p for p in PARAMETERS if p in names] + [name for name in names if name not in PARAMETERS]


@dataclass(frozen=True)
class ExampleNetwork:
    """The network that stands for its condition in examples: that of the lowest seed."""

    condition: str
    seed: int
    examples: Examples


@dataclass(frozen=True)
class Neurons:
    """Everything that was found about neurons.

    Attributes:
        table: See `neurons` in docs/results-folder.md.
        settings: The inputs that single neurons were given.
        networks: How many were read, by condition.
        left_out: How many more there are than `NETWORKS` allows.
        problems: Files that could not be used.
    """

    table: pd.DataFrame
    curves: tuple[QuantileCurves, ...] = ()
    responses: tuple[QuantileCurves, ...] = ()
    shown: tuple[ExampleNetwork, ...] = ()
    clustered: tuple[ClusteredNetwork, ...] = ()
    settings: dict[str, float] = field(default_factory=dict)
    networks: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    problems: tuple[str, ...] = ()


def observe(results: Results) -> Neurons:
    """Looks at those of the networks on record that are shown."""
    if results.networks is None:
        return _Reading(ClusterCache({})).done()
    reading = _Reading(results.networks.clusters())
    shown = shown_networks(results)
    reading.left_out = len(results.kept) - len(shown)
    for network in shown:
        try:
            reading.take(network, results.networks.read(network))
        except RecordError as error:
            reading.problems.append(f"{network.condition} seed {network.seed}: {without_paths(str(error))}")
    return reading.done()


def shown_networks(results: Results) -> list[KeptNetwork]:
    """At most `NETWORKS` final networks per condition."""
    by_condition = [[n for n in results.kept if n.condition == condition] for condition in results.info.names]
    return [network for own in by_condition for network in own[:NETWORKS]]


class _Reading:
    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._frames: list[pd.DataFrame] = []
        self._curves: list[QuantileCurves] = []
        self._responses: list[QuantileCurves] = []
        self._shown: dict[str, ExampleNetwork] = {}
        self._features: list[tuple[KeptNetwork, Array]] = []
        self._settings: Mapping[str, float] = {}
        self._networks: dict[str, int] = {}
        self.left_out = 0
        self.problems: list[str] = []

    def take(self, network: KeptNetwork, found: NetworkSummary) -> None:
        condition, seed = network.condition, network.seed
        self._networks[condition] = self._networks.get(condition, 0) + 1
        if found.examples is not None:
            self._shown.setdefault(condition, ExampleNetwork(condition, seed, found.examples))
        if not found.end:
            return
        self._frames.append(_rows(condition, seed, found))
        if not self._settings or self._settings == found.settings:
            self._settings = found.settings
            self._curves += found.curves
            self._responses += found.responses
        else:
            self.problems.append(
                f"{condition} seed {seed}: its curves were measured otherwise than the first, left out"
            )
        self._features.append((network, features(found.end)))

    def _clustered(self) -> Iterator[ClusteredNetwork]:
        """Clusters what no earlier report has, on several cores where there are many networks."""
        lacking = {n.file.sha256: values for n, values in self._features if self._cache.lacks(n.file.sha256)}
        new = dict(zip(lacking, shared_out(_cluster, list(lacking.items())), strict=True))
        for network, _ in self._features:
            found = self._cache.get(network.file.sha256, partial(new.__getitem__, network.file.sha256))
            yield ClusteredNetwork(network.condition, network.seed, found)
        self._cache.write()

    def done(self) -> Neurons:
        columns = DERIVED["neurons"]
        empty = pd.DataFrame(columns=[c.name for c in columns])
        table = pd.concat(self._frames, ignore_index=True) if self._frames else empty
        return Neurons(
            table=table.astype({c.name: DTYPES[c.kind] for c in columns}),
            curves=tuple(self._curves),
            responses=tuple(self._responses),
            shown=tuple(self._shown.values()),
            clustered=tuple(self._clustered()),
            settings=dict(self._settings),
            networks=self._networks,
            left_out=self.left_out,
            problems=tuple(self.problems),
        )


def features(end: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """What neurons are clustered by, [H,p]: their parameters after training (`end`), rates as logarithms."""
    columns = []
    for name in in_order(end):
        rows = np.atleast_2d(end[name]).astype(np.float64)
        columns.append(np.log(np.maximum(rows, 1e-300)) if name in RATES else rows)
    return np.concatenate(columns).T


def _cluster(networks: Sequence[tuple[str, Array]]) -> list[Clustering]:
    """The draws belong to the file: the same for the same network, whatever else is clustered."""
    return [cluster(values, np.random.default_rng(_number(sha256))) for sha256, values in networks]


def _number(sha256: str) -> int:
    return int(hashlib.sha256(sha256.encode()).hexdigest()[:16], 16)


def _rows(condition: str, seed: int, found: NetworkSummary) -> pd.DataFrame:
    frames = []
    for name in in_order(found.end):
        start, end = np.atleast_2d(found.start[name]), np.atleast_2d(found.end[name])
        index, neuron = np.indices(end.shape)
        columns: dict[str, Any] = {"neuron": neuron.ravel(), "parameter": name, "index": index.ravel()}
        frames.append(pd.DataFrame({**columns, "start": _rounded(start), "end": _rounded(end)}))
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "seed", seed)
    table.insert(0, "condition", condition)
    return table


def _rounded(values: NDArray[Any]) -> NDArray[np.float64]:
    """Seven significant digits, which is what float32 has: not the digits of its binary value."""
    wide = values.astype(np.float64).ravel()
    size = np.floor(np.log10(np.abs(wide), where=wide != 0, out=np.zeros_like(wide)))
    scale = 10.0 ** (6 - size)
    found: NDArray[np.float64] = np.round(wide * scale) / scale
    return found


def across_networks(courses: tuple[QuantileCurves, ...]) -> pd.DataFrame:
    """condition, what, x, mean, low, high, n: each quantile's median over networks, which one that runs away leaves."""
    frames = []
    groups: dict[tuple[str, str], list[QuantileCurves]] = {}
    for course in courses:
        groups.setdefault((course.condition, course.what), []).append(course)
    for (condition, what), own in groups.items():
        low, middle, high = np.median([c.values.astype(np.float64) for c in own], axis=0)
        frame = pd.DataFrame(
            {"x": own[0].x.astype(np.float64), "mean": middle, "low": low, "high": high, "n": len(own)}
        )
        frame.insert(0, "what", what)
        frame.insert(0, "condition", condition)
        frames.append(frame)
    columns = ["condition", "what", "x", "mean", "low", "high", "n"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
