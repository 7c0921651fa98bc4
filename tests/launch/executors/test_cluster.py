"""Real Ray clusters on this machine, joined by their address."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import ray
from paths import ROOT
from ray.cluster_utils import Cluster as RayNodes
from ray_nodes import two_nodes
from small_study import (
    NOT_COMPILED,
    ONE_CONDITION,
    ONE_UNIT,
    TINY,
    NeverStop,
    conduct,
    new_conductor,
    published,
    small_plan,
)

import glifr
from analysis import assess, load, report_warnings
from glifr.errors import InputError
from glifr.records import Layout, UnitId, UnitResult, read_sealed, scan
from launch.code import code_version, installed
from launch.executors.ray_auth import answers_without_token
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure
from launch.jobs import DataSource, Job, Step
from launch.ledger.abandoned import remove_abandoned
from launch.ledger.lock import this_process
from launch.ledger.provenance import Sessions
from launch.planning.gpu_share import Measured
from launch.planning.placement import Resources
from launch.scheduling.utilisation import Meter
from launch.sharing import settle_share
from launch.workers.data import FromFiles

pytestmark = pytest.mark.program

RAY = str(Path(sys.executable).parent / "ray")


@pytest.fixture(scope="module")
def cluster(token: None) -> Iterator[RayNodes]:
    with two_nodes() as two:
        yield two


def test_a_study_uses_both_nodes(cluster: RayNodes, tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, NOT_COMPILED, text=TINY)
    data = FromFiles(plan.study.spec.task.settings())
    with RayExecutor(root, "disabled", Resources(1, 0, None), Cluster(cluster.address), data=data) as executor:
        assert executor.slots == 2
        assert not root.exists(), "the probe of the results folder left something"
        conductor = new_conductor(plan, root)
        meter = Meter(conductor, executor.slots)
        executor.run(meter, NeverStop())
    assert conductor.complete
    assert published(root, ("RNN", "LHetA")) == published_in_process(tmp_path)
    results = [u.result for u in scan(root).units if u.result is not None]
    assert any(overlap(a, b) for a in results for b in results if a.unit != b.unit)
    used = meter.utilisation
    assert used.jobs == 14
    assert 0 < used.share_computing < used.share_occupied <= 1
    assert used.cpu_seconds > 0


def published_in_process(folder: Path) -> dict[UnitId, tuple[object, ...]]:
    root = folder / "in_process"
    conduct(small_plan(folder, NOT_COMPILED, text=TINY), root)
    return published(root, ("RNN", "LHetA"))


def overlap(a: UnitResult, b: UnitResult) -> bool:
    """Whether two units ran at the same time: each node has one slot, so then both nodes worked."""
    return a.started_at < b.finished_at and b.started_at < a.finished_at


def notes_its_node(folder: str, what: str) -> None:
    node = ray.get_runtime_context().get_node_id()
    if what == "raises":
        raise ArithmeticError("planted")
    if what == "hangs":
        time.sleep(3600)
    (Path(folder) / f"{node}.{what}").touch()


def test_work_is_done_on_each_node_and_what_fails_or_hangs_is_named(cluster: RayNodes, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    here = str(tmp_path)
    with RayExecutor(tmp_path, "disabled", Resources(1, 0, None), Cluster(cluster.address)) as executor:
        assert executor.on_each_node(notes_its_node, [(here, "a"), (here, "b")], 300.0) == []
        done = [path.name.partition(".") for path in tmp_path.iterdir()]
        assert sorted(what for _, _, what in done) == ["a", "a", "b", "b"]
        assert len({node for node, _, _ in done}) == 2
        (wrong,) = executor.on_each_node(notes_its_node, [(here, "raises")], 300.0)
        assert "ArithmeticError: planted" in wrong
        (late,) = executor.on_each_node(notes_its_node, [(here, "hangs")], 1.0)
        assert late.endswith("not done within 1 s")
        assert executor.on_each_node(notes_its_node, [(here, "c")], 300.0) == [], "the slots are free again"


def test_slots_follow_cpus_and_fractions_of_gpus(cluster: RayNodes, tmp_path: Path) -> None:
    with RayExecutor(tmp_path, "disabled", Resources(0.25, 0.5, None), Cluster(cluster.address)) as executor:
        assert executor.slots == 4


def test_a_probe_runs_on_a_node_with_gpus_and_its_failure_gives_each_trial_one(
    cluster: RayNodes, tmp_path: Path
) -> None:
    """The GPUs are not there, and CUDA says so."""
    plan, told, nothing = small_plan(tmp_path, "resources.gpus=auto"), list[str](), Resources(1, 0, None)
    with RayExecutor(tmp_path, "disabled", nothing, Cluster(cluster.address)) as executor:
        assert executor.slots == 2
        found, share = settle_share(plan, executor, nothing, None, told.append)
        assert executor.slots == 1, "one node has GPUs, and one processor"
    assert found.gpus == 1
    assert share is not None
    assert re.search("CUDA|NVIDIA", share.failure)
    assert [line.startswith("Warning: GPU: a whole one for each trial") for line in told] == [True]


def measure_made_up(cpus: float) -> Measured:
    given = ray.get_runtime_context().get_assigned_resources()
    assert given == {"CPU": cpus, "GPU": 1.0}, given
    return Measured("pretended", 80, 4, 0.2)


def test_what_is_measured_on_a_node_is_what_trials_take(cluster: RayNodes, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with RayExecutor(tmp_path, "disabled", Resources(0.25, 0, None), Cluster(cluster.address)) as executor:
        found = executor.alone_on_a_gpu(measure_made_up, (0.25,), 300.0)
        assert found == Measured("pretended", 80, 4, 0.2)
        executor.take(Resources(0.25, 0.5, None))
        assert executor.slots == 4
        with pytest.raises(InputError, match="more GPUs than any node"):
            executor.take(Resources(1, 4, None))
        with pytest.raises(TimeoutError, match="not done within 1 s"):
            executor.alone_on_a_gpu(notes_its_node, (str(tmp_path), "hangs"), 1.0)


@pytest.mark.parametrize(("wanted", "key"), [(Resources(1, 4, None), "gpus"), (Resources(3, 0, None), "cpus")])
def test_more_than_any_node_has_is_refused(cluster: RayNodes, tmp_path: Path, wanted: Resources, key: str) -> None:
    executor = RayExecutor(tmp_path, "disabled", wanted, Cluster(cluster.address))
    with pytest.raises(InputError, match=f"resources.{key}"), executor:
        pytest.fail("started")


def test_a_results_folder_that_a_node_does_not_share_is_refused(
    cluster: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc/self/cwd is one path and, for each process, a folder of its own."""
    monkeypatch.chdir(tmp_path)
    root = Path("/proc/self/cwd/results")
    executor = RayExecutor(root, "disabled", Resources(1, 0, None), Cluster(cluster.address))
    with pytest.raises(InputError, match="does not share the results folder") as refused, executor:
        pytest.fail("started")
    assert len(refused.value.problems) == 2
    assert not list(tmp_path.iterdir())


@pytest.fixture
def mixed_nodes(token: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayNodes]:
    """Two nodes; on the second, torch says that it is 2.14.0."""
    nodes = RayNodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    other = tmp_path / "other" / "torch-2.14.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.14.0\n")
    monkeypatch.setenv("PYTHONPATH", str(other.parent))
    nodes.add_node(num_cpus=1)
    monkeypatch.delenv("PYTHONPATH")
    nodes.wait_for_nodes()
    yield nodes
    nodes.shutdown()


def test_nodes_with_other_versions_are_refused_by_name_or_warned_of(mixed_nodes: RayNodes, tmp_path: Path) -> None:
    address, here = mixed_nodes.address, installed()["torch"]
    with (
        pytest.raises(InputError, match=rf"node \S+: torch 2\.14\.0, here {re.escape(here)}") as refused,
        RayExecutor(tmp_path / "results", "disabled", Resources(1, 0, None), Cluster(address)),
    ):
        pytest.fail("started")
    assert len(refused.value.problems) == 1
    assert "--allow-mixed-nodes" in str(refused.value)
    plan = small_plan(tmp_path, *ONE_UNIT, "final.seeds=3", NOT_COMPILED, text=ONE_CONDITION)
    root = tmp_path / "results"
    with RayExecutor(root, "disabled", Resources(1, 0, None), Cluster(address, mixed=True)) as executor:
        conductor = new_conductor(plan, root)
        sessions = Sessions(Layout(root), "", executor.differences)
        executor.run(meter := Meter(conductor, executor.slots), NeverStop())
        sessions.finish(0, meter.utilisation.to_json())
    assert conductor.complete
    leases = [read_sealed(path) for path in root.glob("units/*/*/*/attempts/*/lease.json")]
    assert {lease["installed"]["torch"] for lease in leases} == {here, "2.14.0"}
    (warning,) = [c for c in report_warnings(assess(load(root))) if c.code == "mixed-nodes"]
    assert f"torch 2.14.0 and {here}" in warning.text


GPUS_OF_NODE = {"here": ("0", "1"), "there": ("2", "3")}


@pytest.fixture
def four_gpus(token: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayNodes]:
    """Two nodes of two pretend GPUs; the second may use those that its CUDA_VISIBLE_DEVICES names."""
    sizes = {"num_cpus": 4, "num_gpus": 2}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(GPUS_OF_NODE["here"]))
    nodes = RayNodes(initialize_head=True, head_node_args={**sizes, "include_dashboard": False})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(GPUS_OF_NODE["there"]))
    nodes.add_node(**sizes)
    nodes.wait_for_nodes()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    yield nodes
    nodes.shutdown()


def test_every_gpu_is_used_and_fractions_are_respected(four_gpus: RayNodes, tmp_path: Path) -> None:
    """2 nodes x 2 GPUs, half a GPU a trial: 8 trials at once, two on each GPU, each seeing that GPU alone."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes have the shipped code, not the tests
    jobs = Jobs(12)
    halves = Resources(0.5, 0.5, None)
    with RayExecutor(tmp_path, "disabled", halves, Cluster(four_gpus.address), work=note_where_it_runs) as executor:
        assert executor.slots == 8
        executor.run(jobs, NeverStop())
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len(seen) == len(jobs.ended_jobs) == 12
    assert {note["gpu"] for note in seen} == {*GPUS_OF_NODE["here"], *GPUS_OF_NODE["there"]}
    assert len({note["node"] for note in seen}) == 2
    together = [sum(b["gpu"] == a["gpu"] and b["from"] <= a["until"] <= b["until"] for b in seen) for a in seen]
    assert max(together) == 2, "more than two halves on one GPU"
    assert together.count(2) >= 4, "the eight that waited for each other did not share the four GPUs"
    assert all("working_dir_files" in note["code"] for note in seen), "the nodes did not import the code sent to them"


def note_where_it_runs(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    note = {
        "gpu": os.environ["CUDA_VISIBLE_DEVICES"],
        "node": ray.get_runtime_context().get_node_id(),
        "code": glifr.__file__,
        "from": time.time(),
    }
    (root / f"{units[0].number}.begun").touch()
    while len(list(root.glob("*.begun"))) < 8:
        time.sleep(0.1)
    (root / f"{units[0].number}.json").write_text(json.dumps({**note, "until": time.time()}))
    yield Step({}, done=True)


class Jobs:
    """Hands out so many jobs of one unit each."""

    def __init__(self, count: int) -> None:
        self._left = [Job(f"search/RNN/{n}", (UnitId("search", "RNN", n),)) for n in range(count)]
        self._out: set[str] = set()
        self.ended_jobs: list[str] = []

    @property
    def finished(self) -> bool:
        return not (self._left or self._out)

    def next_job(self) -> Job | None:
        if not self._left:
            return None
        job = self._left.pop()
        self._out.add(job.key)
        return job

    def step(self, key: str, step: Step) -> bool:
        return False

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        assert step is not None, lost
        self._out.remove(key)
        self.ended_jobs.append(key)

    def halt(self, reason: str) -> None:
        pytest.fail(reason)


def test_ray_of_this_machine_alone_has_a_token_and_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else `ray status` takes 127.0.0.1 for another
    with RayExecutor(tmp_path, "disabled", Resources(1, 0, 1), None):
        address = ray.get_runtime_context().gcs_address
        assert answers_without_token(address) == (False, "")
        folder = Path(tempfile.gettempdir()) / f"ray-{os.getuid()}"
        assert folder.stat().st_mode & 0o777 == 0o700
        (session,) = (folder / "r").glob(f"session_*_{os.getpid()}")
    assert not session.exists(), "a session's folder outlives it"


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss, of Debian's iproute2")
def test_ray_of_this_machine_alone_listens_on_loopback_alone(tmp_path: Path) -> None:
    others = {process.pid for process in psutil.Process().children(recursive=True)}  # other tests' cluster
    with RayExecutor(tmp_path, "disabled", Resources(1, 0, 1), None) as executor:
        assert executor.map(code_version, [()]) == [code_version()]  # a worker is up as well
        mine = {process.pid for process in psutil.Process().children(recursive=True)} - others
        lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
        own = [line.split()[3] for line in lines if mine & {int(pid) for pid in re.findall(r"pid=(\d+)", line)}]
    assert len(own) >= 4
    assert all(re.fullmatch(r"(127\.0\.0\.1|\[::ffff:127\.0\.0\.1\]|\[::1\]):\d+", address) for address in own), own


def test_folders_of_sessions_that_are_gone_are_removed_at_the_next_start(tmp_path: Path) -> None:
    """And no others: not those of live processes, of other machines, or of nobody known."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    kinds = {
        "live": this_process(),
        "gone": {**this_process(), "pid": gone.pid, "started": "1"},
        "given again": {**this_process(), "started": "1"},
        "elsewhere": {**this_process(), "machine": "another", "pid": gone.pid},
    }
    for kind, owner in kinds.items():
        (tmp_path / f"session_{kind}").mkdir()
        (tmp_path / f"session_{kind}" / ".owner.json").write_text(json.dumps(owner))
    for kind, age in (("unknown", 3600), ("unknown and old", 100_000)):
        (tmp_path / f"session_{kind}").mkdir()
        os.utime(tmp_path / f"session_{kind}", (time.time() - age,) * 2)
    (tmp_path / "else").mkdir()
    remove_abandoned(tmp_path, "session_*")
    left = {path.name.removeprefix("session_") for path in tmp_path.iterdir()}
    assert left == {"live", "elsewhere", "unknown", "else"}


def test_a_cluster_started_by_hand_that_asks_for_a_token_is_joined(tmp_path: Path) -> None:
    """Ray leaves its token out there if it is not told."""
    (tmp_path / "token").write_text("f" * 64)
    with started_by_hand("token", RAY_AUTH_TOKEN_PATH=str(tmp_path / "token")) as (address, environment):
        done = study_on(address, tmp_path, environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cluster_without_token_needs_the_users_consent(tmp_path: Path) -> None:
    with started_by_hand("disabled") as (address, environment):
        refused = study_on(address, tmp_path, environment)
        assert refused.returncode == 2
        assert "--insecure-cluster" in refused.stderr
        assert not (tmp_path / "results").exists()
        done = study_on(address, tmp_path, environment, "--insecure-cluster")
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def started_by_hand(mode: str, **variables: str) -> Iterator[tuple[str, dict[str, str]]]:
    """`ray start` with that RAY_AUTH_MODE: its address, and the environment, without it, for who joins it."""
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **variables}
    environment.pop("RAY_AUTH_MODE", None)
    # a short path of its own: Ray puts sockets there, whose names must not be long
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        head = [RAY, "start", "--head", "--block", "--temp-dir", place, "--num-cpus=2", "--include-dashboard=false"]
        started = subprocess.Popen(
            [*head, "--port", address.rpartition(":")[2]],
            env={**environment, "RAY_AUTH_MODE": mode},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until_listening(address)
            yield address, environment
        finally:
            os.killpg(started.pid, signal.SIGTERM)
            started.wait(timeout=60)


def study_on(address: str, folder: Path, environment: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    """The real command, with a study of one unit."""
    (folder / "small.yaml").write_text(ONE_CONDITION)
    only = [word for override in (*ONE_UNIT, NOT_COMPILED) for word in ("--set", override)]
    given = [str(folder / "small.yaml"), "--results", str(folder / "results"), "--address", address, *only, *more]
    return subprocess.run(
        [sys.executable, "launch/study.py", *given],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


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
