"""Ray's start on machines that are unlike the usual ones, and memory that is short: what is done, and what is said."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from small_study import ONE_CONDITION, new_conductor, small_plan
from wandb_machine import Machine, finals

from glifr.errors import InputError
from launch.executors import ray_auth, ray_connect
from launch.failures import Failure
from launch.scheduling.memory_pressure import MemoryPressure

LOW_ON_MEMORY = Failure("out of memory", "the worker was ended because its node ran low on memory")


# -- E5: a long TMPDIR --


def long_folder(parent: Path, length: int) -> Path:
    folder = parent / ("x" * max(1, length - len(str(parent)) - 1))
    folder.mkdir()
    return folder


def test_e5_a_short_tmpdir_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tempfile.mkdtemp(prefix="s", dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", folder)
    assert ray_connect._own_folder() == Path(folder) / f"ray-{os.getuid()}"


@pytest.mark.parametrize("length", [60, 90, 200])
def test_e5_a_long_tmpdir_gives_way_to_a_private_folder_elsewhere(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(long_folder(tmp_path, length)))
    found = ray_connect._own_folder()
    assert len(f"{found}{ray_connect._BELOW}") <= 107
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert found.stat().st_uid == os.getuid()


def test_e5_where_no_folder_is_short_enough_tmpdir_and_the_limit_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = long_folder(tmp_path, 60)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(ray_connect, "_LONGEST_FOLDER", 3)
    with pytest.raises(InputError) as refusal:
        ray_connect._own_folder()
    (problem,) = refusal.value.problems
    assert problem.place == "TMPDIR"
    assert problem.value == str(folder)
    assert "a path of at most" in problem.allowed


@pytest.mark.program
def test_e5_a_study_runs_with_a_long_tmpdir(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    folder = long_folder(tmp_path, max(60, len(str(tmp_path)) + 5))
    ended = machine.run("http://127.0.0.1:1", "tracking.wandb.mode=offline", TMPDIR=str(folder))
    assert ended.code == 0, ended.text
    assert len(finals(machine.results)) == 2


# -- E6: no sched_getaffinity, as on macOS --


def test_e6_without_sched_getaffinity_ray_counts_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert ray_connect._cores_given() is None


# -- each refusal has its own cause and remedy --


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError("AF_UNIX path length cannot exceed 107 bytes"), "shorter path"),
        (PermissionError(13, "Permission denied: '/tmp/x'"), "can write to"),
        (RuntimeError("Failed to start the object store: /dev/shm is too small"), "/dev/shm"),
        (RuntimeError("The current node timed out during startup"), "memory and processors to spare"),
        (RuntimeError("AuthenticationError: token is missing"), "auth_token"),
        (AttributeError("module 'os' has no attribute 'x'"), "the logs there say why"),
    ],
)
def test_a_start_that_fails_names_its_cause_and_remedy(
    error: Exception, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ray_connect.ray, "init", fail)
    with pytest.raises(InputError) as refusal:
        ray_connect.connect(ray_connect.Cluster(None), {}, 0)
    (problem,) = refusal.value.problems
    assert type(error).__name__ in str(problem)
    assert remedy in problem.todo
    advice = "memory and processors" in problem.todo
    assert advice == ("timed out" in str(error))


# -- E9: Ray's token --


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_e9_studies_that_start_at_once_have_one_token_for_their_user_alone(empty_home: Path) -> None:
    path = empty_home / ".ray" / "auth_token"
    seen: set[str] = set()

    def start(barrier: threading.Barrier) -> None:
        barrier.wait()
        ray_auth.make_token()
        seen.add(path.read_text())

    before = os.umask(0)
    try:
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=start, args=(barrier,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.umask(before)
    assert len(seen) == 1
    assert len(seen.pop()) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["auth_token"]


def test_e9_a_token_that_is_there_is_kept_and_an_empty_one_is_not(empty_home: Path) -> None:
    path = empty_home / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("mine")
    ray_auth.make_token()
    assert path.read_text() == "mine"
    path.write_text("")
    ray_auth.make_token()
    assert len(path.read_text()) == 64


@pytest.mark.parametrize(
    ("name", "value"), [("RAY_AUTH_MODE", "disabled"), ("RAY_AUTH_TOKEN", "x"), ("RAY_AUTH_TOKEN_PATH", "/x")]
)
def test_e9_where_the_user_has_decided_no_token_is_made(
    empty_home: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    ray_auth.make_token()
    assert not (empty_home / ".ray").exists()


def test_e9_after_a_start_that_failed_the_token_is_not_readable_for_others(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = empty_home / ".ray" / "auth_token"

    def fail(**_: object) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text("made by Ray")
        path.chmod(0o644)
        raise RuntimeError("planted")

    monkeypatch.setattr(ray_connect.ray, "init", fail)
    with pytest.raises(InputError):
        ray_connect.connect(ray_connect.Cluster(None), {}, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.program
def test_e9_three_studies_started_at_once_with_an_empty_home_all_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    codes: list[Any] = []

    def start(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = Machine(folder).run(
            "http://127.0.0.1:1", "final.seeds=1", "tracking.wandb.mode=disabled", HOME=str(home)
        )
        codes.append(ended.code if ended.code == 0 else ended.text)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600


# -- E7: kills by the memory monitor --


def test_e7_fewer_at_once_and_later() -> None:
    now = 0.0
    pressure = MemoryPressure(lambda: now)
    assert pressure.allows(100)
    assert pressure.killed(running=4) == (
        "a worker was ended because its node ran low on memory: from now on 3 at once, the next in 10 s"
    )
    pressure.killed(running=3)  # ended together with the other: one more slot less, one wait
    assert pressure.limit == 2
    assert not pressure.allows(0)
    now = 10.0
    assert pressure.allows(1)
    assert not pressure.allows(2)
    for _ in range(10):
        pressure.killed(running=1)
        now += 1000.0
    assert pressure.limit == 1
    pressure.killed(running=1)
    now += 299.0
    assert not pressure.allows(0)
    now += 1.0
    assert pressure.allows(0)
    pressure.ended_well()
    assert "the next in 10 s" in pressure.killed(running=1)


def test_e7_after_a_kill_the_next_job_waits_and_the_unit_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    plan, root = small_plan(tmp_path, text=ONE_CONDITION), tmp_path / "results"
    conductor = new_conductor(plan, root)
    monkeypatch.setattr(conductor, "_pressure", MemoryPressure(lambda: now))
    first, second = conductor.next_job(), conductor.next_job()
    assert first is not None
    assert second is not None
    conductor.ended(first.key, None, LOW_ON_MEMORY)
    assert conductor.next_job() is None
    now = 11.0
    assert conductor.next_job() is None  # one at once, and the second still runs
    conductor.ended(second.key, None, Failure("node lost", "planted"))
    again = conductor.next_job()
    assert again is not None
    assert "from now on 1 at once" in (root / "events.jsonl").read_text()
    assert not conductor.finished


@pytest.mark.program
@pytest.mark.skipif(sys.platform != "linux", reason="Ray's memory monitor is Linux's")
def test_e7_a_node_without_memory_ends_the_session_and_the_same_command_completes_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    given = ("resources.retries=0", "resources.max_concurrent=2", "tracking.wandb.mode=disabled")
    short = {"RAY_memory_usage_threshold": "0.05", "RAY_memory_monitor_refresh_ms": "250"}
    ended = machine.run("http://127.0.0.1:1", *given, **short)
    assert ended.code == 1, ended.text
    assert "out of memory" in ended.text
    assert "at once, the next in" in (machine.results / "events.jsonl").read_text()
    again = machine.run("http://127.0.0.1:1", *given)
    assert again.code == 0, again.text
    assert len(finals(machine.results)) == 2
