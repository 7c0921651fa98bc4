"""Clusters of neurons: the index against scikit-learn, the null, what is found and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import kstest, spearmanr
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score

from analysis.simulation.clusters import continuum, planted
from analysis.statistics.cluster_cache import ClusterCache
from analysis.statistics.clusters import (
    CLUSTERS,
    CONTINUUM,
    COUNTS,
    DRAWS,
    FEWEST,
    UNSTABLE,
    Clustering,
    adjusted_rand,
    calinski_harabasz,
    cluster,
    copula_draws,
    stability,
)
from analysis.statistics.groups import ClusteredNetwork, groups
from glifr.records import Layout

Array = NDArray[np.float64]


def test_the_index_is_scikit_learns() -> None:
    data = continuum(np.random.default_rng(1), 120)
    tree = linkage(data, method="ward")
    expected = [calinski_harabasz_score(data, fcluster(tree, k, criterion="maxclust")) for k in COUNTS]
    np.testing.assert_allclose(calinski_harabasz(tree), expected, rtol=1e-10)


def test_the_rand_index_is_scikit_learns_bit_for_bit() -> None:
    generator = np.random.default_rng(3)
    for _ in range(300):
        n, k = int(generator.integers(2, 300)), int(generator.integers(1, 10))
        first = generator.integers(1, k + 1, n).astype(np.int32)
        second = np.where(generator.random(n) < 0.5, first, generator.integers(1, k + 1, n)).astype(np.int32)
        assert adjusted_rand(first, second) == adjusted_rand_score(first, second)


def test_the_index_of_two_groups_by_hand() -> None:
    """0 .. 5 and 100 .. 105: 17.5 within each; each of twelve points is 50 from the middle, its group's mean apart."""
    tree = linkage(np.array([[0.0], [1], [2], [3], [4], [5], [100], [101], [102], [103], [104], [105]]), method="ward")
    assert calinski_harabasz(tree)[0] == pytest.approx((12 * 50**2 / 1) / (35 / 10))


def test_the_null_has_each_distribution_and_the_correlations() -> None:
    data = continuum(np.random.default_rng(2), 400, 3)
    drawn = copula_draws(data, 30, np.random.default_rng(0))
    assert drawn.shape == (30, 400, 3)
    for j in range(3):
        assert kstest(drawn[:, :, j].ravel(), data[:, j]).pvalue > 1e-3
        assert drawn[:, :, j].min() >= data[:, j].min()
        assert drawn[:, :, j].max() <= data[:, j].max()
    wanted = spearmanr(data).statistic
    found = np.mean([spearmanr(draw).statistic for draw in drawn], axis=0)
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_the_null_has_no_groups_where_the_data_have() -> None:
    """Two groups apart in both of two parameters: half of the draws' mass lies where the data have nothing."""
    rng = np.random.default_rng(3)
    side = np.where(np.arange(200) % 2, 5.0, -5.0)
    data = np.stack([side + rng.normal(0, 0.3, 200), side + rng.normal(0, 0.3, 200)], axis=1)
    assert (np.sign(data[:, 0]) == np.sign(data[:, 1])).all()
    drawn = copula_draws(data, 20, rng)
    mixed = (np.sign(drawn[:, :, 0]) != np.sign(drawn[:, :, 1])).mean()
    assert 0.15 < mixed < 0.35  # correlation of normal scores about 2/pi


@pytest.mark.parametrize("k", [2, 3, 5])
def test_groups_that_are_there_are_found(k: int) -> None:
    found = cluster(planted(np.random.default_rng(k), k, 120), np.random.default_rng(k))
    assert found.k == k
    assert found.p == 1 / (DRAWS + 1)
    assert found.stability > 0.95
    assert found.structured
    assert found.excess > 1.5


def test_a_continuum_has_none() -> None:
    """docs/statistics.md counts more of them; one in twenty may be wrong by chance."""
    found = [
        cluster(continuum(np.random.default_rng(1000 + seed), 60), np.random.default_rng(seed)) for seed in range(8)
    ]
    assert sum(c.p <= 0.05 for c in found) <= 1
    assert not any(c.structured for c in found)
    assert all(1 / (DRAWS + 1) <= c.p <= 1 for c in found)
    naive = [int(np.argmax(c.index)) for c in found]
    assert len(set(naive)) > 1  # the index alone would have named some number of clusters for each


def test_the_same_data_and_generator_give_the_same() -> None:
    one, two = (cluster(continuum(np.random.default_rng(5), 40), np.random.default_rng(9)) for _ in range(2))
    assert one == two


def test_neurons_found_again_are_stable_and_noise_is_not() -> None:
    data = planted(np.random.default_rng(1), 3, 120)
    right = np.arange(120) % 3
    assert stability(data, right.astype(np.int32), 3, np.random.default_rng(0)) == pytest.approx(1.0)
    wrong = np.random.default_rng(1).integers(3, size=120).astype(np.int32)
    assert stability(data, wrong, 3, np.random.default_rng(0)) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((50, 3), 0.05), "all neurons are alike"),
        (
            continuum(np.random.default_rng(1), 120)[: FEWEST - 1],
            f"{FEWEST - 1} neurons are too few, of {FEWEST} needed",
        ),
        (np.where(np.arange(100)[:, None] % 2, 1.0, np.nan) * np.ones((100, 2)), "a parameter is not finite"),
        ((np.arange(100) % 3)[:, None].astype(float), f"fewer than {FEWEST} different neurons"),
    ],
)
def test_what_cannot_be_computed_says_why(values: Array, reason: str) -> None:
    found = cluster(values, np.random.default_rng(0))
    assert found.reason == reason
    assert not found.structured
    assert np.isnan(found.p)


def test_a_ring_is_structure_without_stable_clusters() -> None:
    """No copula has a hole in its middle, so it is beyond the null; but where a ring is cut is chance."""
    rng = np.random.default_rng(0)
    at = rng.uniform(0, 2 * np.pi, 120)
    ring = np.stack([np.cos(at), np.sin(at)], axis=1) + rng.normal(0, 0.03, (120, 2))
    found = cluster(ring, np.random.default_rng(0))
    assert found.beyond
    assert not found.structured
    assert found.finding == "structure, but no stable clusters"


def test_a_parameter_that_all_share_is_left_out() -> None:
    data = planted(np.random.default_rng(2), 3, 40)
    padded = np.column_stack([data, np.full(len(data), 0.05)])
    assert cluster(padded, np.random.default_rng(4)) == cluster(data, np.random.default_rng(4))
    assert cluster(padded, np.random.default_rng(4)).parameters == 8


def _network(condition: str, p: float, stable: float, reason: str = "") -> ClusteredNetwork:
    return ClusteredNetwork(condition, 1, Clustering(100, 8, k=3, p=p, stability=stable, reason=reason))


@pytest.mark.parametrize(
    ("own", "finding", "beyond", "found"),
    [
        ("yes yes no", CLUSTERS, 2, 2),
        ("yes unstable no", UNSTABLE, 2, 1),
        ("unstable unstable unstable", UNSTABLE, 3, 0),
        ("unstable no", CONTINUUM, 1, 0),
        ("yes no", CONTINUUM, 1, 1),
    ],
)
def test_a_condition_has_what_most_of_its_networks_have(own: str, finding: str, beyond: int, found: int) -> None:
    """Beyond the null and not stable is neither clusters nor a continuum: it was called the latter at p = .005."""
    kinds = {"yes": (0.005, 0.9), "unstable": (0.005, 0.7), "no": (0.4, 0.95)}
    (group,) = groups([_network("LHetA", *kinds[kind]) for kind in own.split()])
    assert (group.finding, len(group.beyond), len(group.found)) == (finding, beyond, found)


def test_nothing_is_found_where_nothing_could_be_judged() -> None:
    (none,) = groups([_network("Hom", np.nan, np.nan, "all neurons are alike")])
    assert (none.computed, none.reasons, none.structured) == ((), ("all neurons are alike",), False)


def test_what_was_found_is_kept_by_the_sum_of_its_file(tmp_path: Path) -> None:
    calls = []

    def compute() -> Clustering:
        calls.append(1)
        return cluster(planted(np.random.default_rng(1), 2, 40), np.random.default_rng(0))

    def again(sha256: str) -> Clustering:
        cache = ClusterCache.in_folder(Layout(tmp_path))
        found = cache.get(sha256, compute)
        cache.write()
        return found

    first = again("a")
    assert again("a") == first
    assert len(calls) == 1
    again("b")
    assert len(calls) == 2
    path = tmp_path / ".analysis" / "clusters.json"
    assert list(json.loads(path.read_text())["found"]) == ["b"]  # what the folder no longer has is dropped
    for damage in (b"{", json.dumps({"method": "another", "found": {}}).encode(), b'{"method": 1}', b"[]"):
        path.write_bytes(damage)
        assert again("b") == first
    assert len(calls) == 6
