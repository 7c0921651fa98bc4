"""Real workers that really take memory: fewer are started than there are processors, before the node runs out."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster as RayNodes
from test_joining import UntilTold

from glifr.records import UnitId
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.jobs import DataSource, Job, Step
from launch.planning.placement import Resources

pytestmark = pytest.mark.program

CPUS, JOBS = 3, 9
OFFERED = 1.3  # GB: of three workers that take some 0.8 GB each, one fits
TAKEN = 600 * 1024 * 1024


@pytest.fixture
def node(token: None) -> Iterator[RayNodes]:
    one = RayNodes(
        initialize_head=True,
        head_node_args={"num_cpus": CPUS, "memory": int(OFFERED * 10**9), "include_dashboard": False},
    )
    yield one
    one.shutdown()


def takes_memory(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A job that takes and writes to its memory, and notes from when to when it ran."""
    began, held = time.time(), bytearray(TAKEN)
    held[::4096] = b"x" * len(held[::4096])
    yield Step({})
    time.sleep(0.3)
    (root / f"ran-{units[0].number}").write_text(f"{began} {time.time()}")
    del held
    yield Step({}, done=True)


class SoMany(UntilTold):
    """Hands out so many jobs; knows when each went out."""

    def next_job(self) -> Job | None:
        if self.count == JOBS:
            return None
        return super().next_job()

    @property
    def finished(self) -> bool:
        return self.count == JOBS and not self.running


class NeverStop:
    requested = False


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    return max(sum(a <= begin < b for a, b in spans) for begin, _ in spans)


@pytest.mark.parametrize(("declared", "bounded"), [(0.0, True), (0.4, False)], ids=["measured", "declared"])
def test_workers_that_are_too_large_for_all_slots_are_not_all_started_again(
    node: RayNodes, tmp_path: Path, declared: float, bounded: bool
) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes have the shipped code, not the tests
    told: list[tuple[int, str, str, float]] = []
    jobs = SoMany(tmp_path)
    own = Resources(1, 0, None, declared)
    with RayExecutor(tmp_path, "disabled", own, Cluster(node.address), work=takes_memory) as executor:
        assert executor.slots == CPUS
        executor.on_slots = lambda slots, kind, text: told.append((slots, kind, text, time.time()))
        executor.run(jobs, NeverStop())
    assert (jobs.halted, jobs.lost, jobs.count) == ("", [], JOBS)
    spans = [tuple(map(float, path.read_text().split())) for path in tmp_path.glob("ran-*")]
    assert len(spans) == JOBS
    if not bounded:
        assert told == []
        return
    (slots, kind, text, _), *more = told
    assert more == []
    assert (slots, kind) == (1, "memory")
    assert f"so 1 of {CPUS} run at once from now on" in text
    later = sorted(spans)[CPUS:]  # the first were started before anything was measured
    assert most_at_once(later) == 1
