"""What the trained networks are like: reads their files one after the other and keeps what tables and figures need.

A network is the unit: curves and responses are summarised over its neurons first; figures average over networks then.
Shapes: C currents, S times, Q quantiles over neurons.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cluster_cache import ClusterCache
from analysis.clusters import Clustering, cluster
from analysis.columns import DERIVED, DTYPES
from analysis.load import KeptNetwork, Results
from glifr.records import Characteristics, Examples, RecordError, read_characteristics

NETWORKS = 20  # a condition, in the order of their seeds: more would cost time and show nothing more
PARAMETERS = ("thresh", "k_m", "k_j", "r_j", "a_j")
RATES = ("k_m", "k_j")
BANDS = (0.25, 0.5, 0.75)
QUANTITIES = ("voltage", "firing", "after_spike")


@dataclass(frozen=True)
class Course:
    """Quantiles over `neurons` neurons of one network, of `what`, at places `x` [n]. values: [Q,n] at `BANDS`."""

    condition: str
    seed: int
    what: str
    neurons: int
    x: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class ClusteredNetwork:
    """One network's neurons judged."""

    condition: str
    seed: int
    clustering: Clustering


@dataclass(frozen=True)
class Shown:
    """The network that stands for its condition in examples: that of the lowest seed."""

    condition: str
    seed: int
    examples: Examples


@dataclass(frozen=True)
class Neurons:
    """All that was found. table: see `neurons` in docs/results-folder.md. settings: what single neurons were given.

    networks: how many were read, by condition; left_out: how many more there are than `NETWORKS` allows.
    problems: files that could not be used.
    """

    table: pd.DataFrame
    curves: tuple[Course, ...] = ()
    responses: tuple[Course, ...] = ()
    shown: tuple[Shown, ...] = ()
    clustered: tuple[ClusteredNetwork, ...] = ()
    settings: dict[str, float] = field(default_factory=dict)
    networks: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    problems: tuple[str, ...] = ()


def observe(results: Results) -> Neurons:
    """Reads the characteristics of at most `NETWORKS` final networks a condition."""
    reading = _Reading(ClusterCache(results.layout))
    for condition in results.info.names:
        own = [n for n in results.kept if n.condition == condition]
        reading.left_out += max(0, len(own) - NETWORKS)
        for network in own[:NETWORKS]:
            try:
                found = read_characteristics(results.layout, network.file)
            except RecordError as error:
                reading.problems.append(f"{condition} seed {network.seed}: {error}")
                continue
            reading.take(network, found)
    return reading.done()


class _Reading:
    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._frames: list[pd.DataFrame] = []
        self._curves: list[Course] = []
        self._responses: list[Course] = []
        self._shown: dict[str, Shown] = {}
        self._clustered: list[ClusteredNetwork] = []
        self._settings: dict[str, float] = {}
        self._networks: dict[str, int] = {}
        self.left_out = 0
        self.problems: list[str] = []

    def take(self, network: KeptNetwork, found: Characteristics) -> None:
        condition, seed = network.condition, network.seed
        self._networks[condition] = self._networks.get(condition, 0) + 1
        self._shown.setdefault(condition, Shown(condition, seed, found.examples))
        if not found.end:
            return
        self._frames.append(_rows(condition, seed, found))
        given = _settings(found)
        if not self._settings or self._settings == given:
            self._settings = given
            self._curves += _curve(condition, seed, found)
            self._responses += _response(condition, seed, found)
        else:
            self.problems.append(
                f"{condition} seed {seed}: its curves were measured otherwise than the first, left out"
            )
        clustering = self._cache.get(network.file.sha256, lambda: _clustered(found, network.file.sha256))
        self._clustered.append(ClusteredNetwork(condition, seed, clustering))

    def done(self) -> Neurons:
        self._cache.write()
        columns = DERIVED["neurons"]
        empty = pd.DataFrame(columns=[c.name for c in columns])
        table = pd.concat(self._frames, ignore_index=True) if self._frames else empty
        return Neurons(
            table=table.astype({c.name: DTYPES[c.kind] for c in columns}),
            curves=tuple(self._curves),
            responses=tuple(self._responses),
            shown=tuple(self._shown.values()),
            clustered=tuple(self._clustered),
            settings=self._settings,
            networks=self._networks,
            left_out=self.left_out,
            problems=tuple(self.problems),
        )


def features(found: Characteristics) -> NDArray[np.float64]:
    """What neurons are clustered by, [H,p]: their parameters after training, rates as logarithms."""
    columns = []
    for name in PARAMETERS:
        if name in found.end:
            rows = np.atleast_2d(found.end[name]).astype(np.float64)
            columns.append(np.log(np.maximum(rows, 1e-300)) if name in RATES else rows)
    return np.concatenate(columns).T


def _clustered(found: Characteristics, sha256: str) -> Clustering:
    """The draws belong to the file: the same for the same network, whatever else is clustered."""
    return cluster(features(found), np.random.default_rng(int(hashlib.sha256(sha256.encode()).hexdigest()[:16], 16)))


def _rows(condition: str, seed: int, found: Characteristics) -> pd.DataFrame:
    frames = []
    for name in PARAMETERS:
        if name not in found.end:
            continue
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
    wide = _wide(values).ravel()
    size = np.floor(np.log10(np.abs(wide), where=wide != 0, out=np.zeros_like(wide)))
    scale = 10.0 ** (6 - size)
    found: NDArray[np.float64] = np.round(wide * scale) / scale
    return found


def _curve(condition: str, seed: int, found: Characteristics) -> Iterator[Course]:
    if found.curves is not None:
        yield _course(condition, seed, "firing", found.curves.currents, found.curves.firing)


def _response(condition: str, seed: int, found: Characteristics) -> Iterator[Course]:
    if found.steps is None:
        return
    for what in QUANTITIES:
        values = getattr(found.steps, what)
        if values is not None:
            yield _course(condition, seed, what, found.steps.times, values)


def _course(condition: str, seed: int, what: str, x: NDArray[Any], values: NDArray[Any]) -> Course:
    """Of values [n,H]; one that is not a number (of a neuron beyond all bounds) is left out."""
    return Course(condition, seed, what, values.shape[1], _wide(x), np.nanquantile(_wide(values), BANDS, axis=1))


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float64)


def _settings(found: Characteristics) -> dict[str, float]:
    curves, steps = found.curves, found.steps
    if curves is None or steps is None:
        return {}
    return {
        "lasted_ms": curves.lasted_ms,
        "averaged_ms": curves.averaged_ms,
        "amplitude": steps.amplitude,
        "on_ms": steps.on_ms,
        "settled_ms": steps.settled_ms,
        "currents": len(curves.currents),
        "from_current": float(curves.currents[0]),
        "to_current": float(curves.currents[-1]),
        "step_times": len(steps.times),
        "until_ms": float(steps.times[-1]),
    }


def across_networks(courses: tuple[Course, ...]) -> pd.DataFrame:
    """condition, what, x, mean, low, high, n: each quantile's median over networks, which one that runs away leaves."""
    frames = []
    groups: dict[tuple[str, str], list[Course]] = {}
    for course in courses:
        groups.setdefault((course.condition, course.what), []).append(course)
    for (condition, what), own in groups.items():
        low, middle, high = np.median([c.values for c in own], axis=0)
        frame = pd.DataFrame({"x": own[0].x, "mean": middle, "low": low, "high": high, "n": len(own)})
        frame.insert(0, "what", what)
        frame.insert(0, "condition", condition)
        frames.append(frame)
    columns = ["condition", "what", "x", "mean", "low", "high", "n"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
