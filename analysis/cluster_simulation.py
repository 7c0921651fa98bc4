"""Simulated neurons with and without clusters: how often is either found? Part of `make simulate`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.clusters import ALPHA, cluster

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


def false_clusters(networks: int, seed: int) -> tuple[float, float]:
    """Without clusters: the share of networks with p at most alpha, and of those called clustered."""
    rng = np.random.default_rng([seed, 5])
    found = [cluster(continuum(rng), rng) for _ in range(networks)]
    return float(np.mean([c.p <= ALPHA for c in found])), float(np.mean([c.structured for c in found]))


def right_clusters(k: int, apart: float, networks: int, seed: int) -> float:
    """With k clusters: the share of networks that are called clustered, with the right number."""
    rng = np.random.default_rng([seed, 6, k])
    found = [cluster(planted(rng, k, apart=apart), rng) for _ in range(networks)]
    return float(np.mean([c.structured and c.k == k for c in found]))


def lines(networks: int, seed: int) -> Iterator[str]:
    """What `make simulate` prints of clusters."""
    low, called = false_clusters(networks, seed)
    yield f"clusters, {networks} networks without: p at most {ALPHA:g} in {low:.3f}, called clustered {called:.3f}"
    for k, apart in ((2, 8.5), (3, 8.5), (5, 8.5), (3, 6.0), (3, 4.0)):
        right = right_clusters(k, apart, max(2, networks // 4), seed)
        yield f"clusters, {k} of them {apart:g} SD apart: found, with their number, {right:.3f}"
