"""Simulated neurons with and without clusters: how often is either found?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.rate import Rate
from analysis.statistics.clusters import ALPHA, cluster

Array = NDArray[np.float64]

NEURONS, PARAMETERS = 250, 8  # about what LHetA has on line MNIST


def continuum(generator: np.random.Generator, neurons: int = NEURONS, parameters: int = PARAMETERS) -> Array:
    """Log-normal parameters [n,p] with random correlations and no clusters."""
    mixing = generator.normal(size=(parameters, parameters))
    factors = np.linalg.cholesky(mixing @ mixing.T + parameters / 2 * np.eye(parameters))
    scores = generator.normal(size=(neurons, parameters)) @ factors.T
    return np.asarray(np.exp(0.8 * scores / scores.std(axis=0)))


def planted(
    generator: np.random.Generator, k: int, neurons: int = NEURONS, parameters: int = PARAMETERS, apart: float = 8.5
) -> Array:
    """k groups of equal size, any two centres `apart` standard deviations from each other; k at most p."""
    centres = apart / np.sqrt(2) * np.eye(k, parameters)
    return np.asarray(centres[np.arange(neurons) % k] + generator.normal(size=(neurons, parameters)))


def rates(networks: int, seed: int) -> Iterator[Rate]:
    """How often clusters are found where there are none, and, with their number, where there are some."""
    rng = np.random.default_rng([seed, 5])
    found = [cluster(continuum(rng), rng) for _ in range(networks)]
    none = (NEURONS, sum(c.p <= ALPHA for c in found), sum(c.structured for c in found))
    yield Rate("no clusters", none[0], "p at most .05", none[1], networks)
    yield Rate("no clusters", none[0], "called clustered", none[2], networks)
    some = max(2, networks // 4)
    for k, apart in ((2, 8.5), (3, 8.5), (5, 8.5), (3, 6.0), (3, 4.0)):
        rng = np.random.default_rng([seed, 6, k])
        right = [c.structured and c.k == k for c in (cluster(planted(rng, k, apart=apart), rng) for _ in range(some))]
        yield Rate(f"{k} clusters, {apart:g} SD apart", NEURONS, "found with their number", sum(right), some)
