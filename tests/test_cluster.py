"""A real Ray cluster of two nodes on this machine, joined by its address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from small_study import NeverStop, new_conductor, small_plan

from glifr.errors import InputError
from glifr.records import UnitResult, scan
from launch.executors import RayExecutor, Resources

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1, num_gpus=2)  # pretend GPUs: bookkeeping only
    two.wait_for_nodes()
    yield two
    two.shutdown()


def test_a_study_uses_both_nodes(cluster: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "results"
    with RayExecutor(root, "disabled", Resources(1, 0, None), cluster.address) as executor:
        assert executor.slots == 2
        conductor = new_conductor(small_plan(tmp_path), root)
        executor.run(conductor, NeverStop())
    assert conductor.complete
    results = [u.result for u in scan(root).units if u.result is not None]
    assert any(overlap(a, b) for a in results for b in results if a.unit != b.unit)


def overlap(a: UnitResult, b: UnitResult) -> bool:
    """Whether two units ran at the same time: each node has one slot, so then both nodes worked."""
    return a.started_at < b.finished_at and b.started_at < a.finished_at


def test_slots_follow_cpus_and_fractions_of_gpus(cluster: Cluster, tmp_path: Path) -> None:
    for wanted, slots in ((Resources(0.25, 0.5, None), 4), (Resources(0.25, 0.5, 3), 3), (Resources(0.5, 0, None), 4)):
        with RayExecutor(tmp_path, "disabled", wanted, cluster.address) as executor:
            assert executor.slots == slots


@pytest.mark.parametrize(("wanted", "key"), [(Resources(1, 4, None), "gpus"), (Resources(3, 0, None), "cpus")])
def test_more_than_any_node_has_is_refused(cluster: Cluster, tmp_path: Path, wanted: Resources, key: str) -> None:
    with (
        pytest.raises(InputError, match=f"resources.{key}"),
        RayExecutor(tmp_path, "disabled", wanted, cluster.address),
    ):
        pytest.fail("started")
