"""One trained network as tables and figures need it, read from a results folder or from a pack.

Shapes: C currents, S times, Q quantiles over neurons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.cluster_cache import ClusterCache
from glifr.records import Characteristics, Examples, Layout, NetworkFile, read_characteristics

BANDS = (0.25, 0.5, 0.75)
QUANTITIES = ("voltage", "firing", "after_spike")


@dataclass(frozen=True)
class KeptNetwork:
    """A final network whose characteristics are on record."""

    condition: str
    seed: int
    file: NetworkFile


@dataclass(frozen=True)
class QuantileCurves:
    """Quantiles of `what` over `neurons` neurons of one network, at places `x` [n].

    Attributes:
        values: [Q,n] at `BANDS`.
    """

    condition: str
    seed: int
    what: str
    neurons: int
    x: NDArray[Any]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class NetworkSummary:
    """What is shown of one network.

    Attributes:
        start: Its neuron parameters before training, see `Characteristics`; empty for RNN and LSTM.
        end: The same after training.
        settings: The inputs that single neurons were given.
        examples: Its samples; None where another network stands for the condition.
    """

    start: Mapping[str, NDArray[Any]]
    end: Mapping[str, NDArray[Any]]
    settings: Mapping[str, float] = field(default_factory=dict)
    curves: tuple[QuantileCurves, ...] = ()
    responses: tuple[QuantileCurves, ...] = ()
    examples: Examples | None = None


class Networks(Protocol):
    """Where networks are read from."""

    def read(self, network: KeptNetwork) -> NetworkSummary:
        """Raises RecordError, which says why, if it cannot be used."""

    def clusters(self) -> ClusterCache:
        """What is known of their clusters."""


@dataclass(frozen=True)
class NetworksInFolder:
    """The networks of a results folder.

    Attributes:
        caching: Whether what clustering finds is kept there.
    """

    layout: Layout
    caching: bool = True

    def read(self, network: KeptNetwork) -> NetworkSummary:
        return summarise(network, read_characteristics(self.layout, network.file))

    def clusters(self) -> ClusterCache:
        cache = ClusterCache.in_folder(self.layout)
        return cache if self.caching else cache.unwritten()


def summarise(network: KeptNetwork, found: Characteristics) -> NetworkSummary:
    """What is needed of a network's characteristics."""
    curves, responses = tuple(_curve(network, found)), tuple(_response(network, found))
    return NetworkSummary(found.start, found.end, _settings(found), curves, responses, found.examples)


def _curve(network: KeptNetwork, found: Characteristics) -> Iterator[QuantileCurves]:
    if found.curves is not None:
        yield _course(network, "firing", found.curves.currents, found.curves.firing)


def _response(network: KeptNetwork, found: Characteristics) -> Iterator[QuantileCurves]:
    if found.steps is None:
        return
    for what in QUANTITIES:
        values = getattr(found.steps, what)
        if values is not None:
            yield _course(network, what, found.steps.times, values)


def _course(network: KeptNetwork, what: str, x: NDArray[Any], values: NDArray[Any]) -> QuantileCurves:
    """Of values [n,H]; one that is not a number (of a neuron beyond all bounds) is left out.

    Quantiles are kept to the precision of the values that they are of.
    """
    bands = quantiles(values.astype(np.float64)).astype(values.dtype)
    return QuantileCurves(network.condition, network.seed, what, values.shape[1], x, bands)


def quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`BANDS` of each row: numpy's own that leaves out what is not a number takes the rows one by one."""
    whole = not np.isnan(values).any()
    return np.asarray(np.quantile(values, BANDS, axis=1) if whole else np.nanquantile(values, BANDS, axis=1))


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
