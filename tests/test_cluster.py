"""Real Ray clusters on this machine, joined by their address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from small_study import STUDY, NeverStop, new_conductor, small_plan

from glifr.errors import InputError
from glifr.records import UnitResult, scan
from launch.executors import RayExecutor, Resources

pytestmark = pytest.mark.ray

ROOT = Path(__file__).resolve().parent.parent
RAY = str(Path(sys.executable).parent / "ray")


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


def test_a_cluster_started_by_hand_that_asks_for_a_token_is_joined(tmp_path: Path) -> None:
    """`ray start`, then the real command with its address: Ray leaves its token out there if it is not told."""
    (tmp_path / "small.yaml").write_text(STUDY.replace("  LSTM:  {delay: none}\n", ""))
    (tmp_path / "token").write_text("f" * 64)
    tools = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token"), "PYTHONUNBUFFERED": "1"}
    tools.pop("RAY_AUTH_MODE", None)
    address = f"127.0.0.1:{free_port()}"
    given = [str(tmp_path / "small.yaml"), "--results", str(tmp_path / "results"), "--address", address]
    # a short path of its own: Ray puts sockets there, whose names must not be long
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        head = [RAY, "start", "--head", "--block", "--temp-dir", place, "--num-cpus=2", "--include-dashboard=false"]
        started = subprocess.Popen(
            [*head, "--port", address.rpartition(":")[2]],
            env={**tools, "RAY_AUTH_MODE": "token"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until_listening(address)
            done = subprocess.run(
                [sys.executable, "launch/study.py", *given],
                cwd=ROOT,
                env=tools,
                capture_output=True,
                text=True,
                timeout=200,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        finally:
            os.killpg(started.pid, signal.SIGTERM)
            started.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(address: str) -> None:
    host, _, port = address.rpartition(":")
    for _ in range(300):
        try:
            return socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"nothing listens at {address}")
