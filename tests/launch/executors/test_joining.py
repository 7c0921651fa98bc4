"""Nodes that join and leave a cluster while a study runs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster as RayNodes

from glifr.records import Layout, UnitId, read_sealed
from launch.code import installed
from launch.executors import ray_joining
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure
from launch.jobs import DataSource, Job, Step
from launch.ledger.provenance import Sessions
from launch.planning.placement import Resources, slots
from launch.scheduling.utilisation import Meter

ONE = Resources(1, 0, None)
HANG = 600.0


@pytest.fixture
def nodes(token: None) -> Iterator[RayNodes]:
    one = RayNodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield one
    one.shutdown()


class UntilTold:
    """Hands out jobs until the file `end` is there, or the study has halted."""

    def __init__(self, root: Path) -> None:
        self.root, self.count, self.running = root, 0, set[str]()
        self.halted = ""
        self.lost: list[Failure] = []

    @property
    def over(self) -> bool:
        return bool(self.halted) or (self.root / "end").exists()

    @property
    def finished(self) -> bool:
        return self.over and not self.running

    def next_job(self) -> Job | None:
        if self.over:
            return None
        unit = UnitId("search", "RNN", self.count)
        self.count += 1
        self.running.add(str(unit))
        return Job(str(unit), (unit,))

    def step(self, key: str, step: Step) -> bool:
        return False

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        self.running.remove(key)
        if lost is not None:
            self.lost.append(lost)

    def halt(self, reason: str) -> None:
        self.halted = reason
        (self.root / "end").touch()


def until_told(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A job that runs until the file `end` is there."""
    (root / f"begun-{units[0].number}").touch()
    deadline = time.monotonic() + HANG
    while not (root / "end").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield Step({}, done=True)


class JoinsOnceBegun:
    """A request to stop that never comes. When it is looked at: adds a node once a job runs, ends all once two do."""

    def __init__(self, nodes: RayNodes, root: Path) -> None:
        self._nodes, self._root, self._joined = nodes, root, False
        self._deadline = time.monotonic() + HANG

    @property
    def requested(self) -> bool:
        begun = len(list(self._root.glob("begun-*")))
        if begun and not self._joined:
            self._joined = True
            self._nodes.add_node(num_cpus=1)
        if begun > 1 or time.monotonic() > self._deadline:
            (self._root / "end").touch()
        return False


@pytest.mark.program
def test_a_node_that_joins_adds_a_slot(nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes have the shipped code, not the tests
    monkeypatch.setattr(ray_joining, "_POLL_SECONDS", 0.5)
    jobs, told = UntilTold(tmp_path), list[tuple[int, str]]()
    with RayExecutor(tmp_path, "disabled", ONE, Cluster(nodes.address), work=until_told) as executor:
        assert executor.slots == 1
        executor.on_slots = lambda slots, kind, text: told.append((slots, text))
        executor.run(jobs, JoinsOnceBegun(nodes, tmp_path))
    assert (jobs.halted, jobs.lost) == ("", [])
    assert {path.name for path in tmp_path.glob("begun-*")} == {"begun-0", "begun-1"}
    ((slots, text),) = told
    assert slots == 2
    assert text.startswith("joined: ")
    assert text.endswith(": 2 slots now")


@pytest.mark.program
@pytest.mark.parametrize("mixed", [False, True], ids=["refused", "allowed"])
def test_a_node_that_joins_with_other_versions_ends_the_session_or_is_on_record(
    nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixed: bool
) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(ray_joining, "_POLL_SECONDS", 0.5)
    other = tmp_path / "other" / "torch-2.14.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.14.0\n")
    jobs = UntilTold(tmp_path)
    with RayExecutor(tmp_path, "disabled", ONE, Cluster(nodes.address, mixed=mixed), work=until_told) as executor:
        assert executor.differences == []
        sessions = Sessions(Layout(tmp_path), "")
        executor.on_differences = sessions.note_differences
        monkeypatch.setenv("PYTHONPATH", str(other.parent))
        executor.run(jobs, JoinsOnceBegun(nodes, tmp_path))
    sessions.finish(0, {})
    (session,) = read_sealed(Layout(tmp_path).provenance)
    if mixed:
        assert (jobs.halted, jobs.count) == ("", 2)
        assert session["nodes_differ"] == [f"torch {' and '.join(sorted(['2.14.0', installed()['torch']]))}"]
    else:
        assert jobs.count == 1
        assert "torch 2.14.0" in jobs.halted
        assert session["nodes_differ"] == []


@pytest.mark.program
def test_a_node_that_leaves_takes_its_slot(nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_joining, "_POLL_SECONDS", 0.5)
    second = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    heard, told = threading.Event(), list[str]()

    def hear(text: str) -> None:
        told.append(text)
        heard.set()

    with (
        RayExecutor(tmp_path, "disabled", ONE, Cluster(nodes.address)),
        ray_joining.Membership(ONE, tmp_path, False, hear, pytest.fail, pytest.fail) as membership,
    ):
        assert slots(membership.nodes, ONE) == 2
        nodes.remove_node(second)
        assert heard.wait(HANG)
        assert slots(membership.nodes, ONE) == 1
    assert told[0].startswith("left: ")


def test_utilisation_is_of_the_slots_that_were_there() -> None:
    now = [0.0]
    meter = Meter(OneJob(), 1, lambda: now[0])
    assert meter.next_job() is not None
    now[0] = 10.0
    meter.slots_are(3)
    now[0] = 20.0
    meter.ended("search/RNN/0", Step({}, done=True))
    used = meter.utilisation
    assert (used.slots, used.seconds, used.occupied) == (2.0, 20.0, 20.0)
    assert used.share_occupied == pytest.approx(0.5)


class OneJob(UntilTold):
    """Hands out one job, without a folder."""

    def __init__(self) -> None:
        super().__init__(Path())
