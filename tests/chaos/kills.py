"""Kills parts of a running study at random moments: its driver, its trials' processes, the nodes under it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

ROOT = Path(__file__).resolve().parents[2]
_POLL = 0.02
_PATIENCE = 900.0


class Study:
    """A study by its real command, in processes of their own."""

    def __init__(self, given: list[str], root: Path, log: Path) -> None:
        self.given, self.root, self.log = given, root, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The command, again and again the same."""
        tools = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "launch/study.py", *self.given],
                cwd=ROOT,
                env=tools,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, until: Callable[[], bool], seconds: float = _PATIENCE) -> None:
        """Until something is so, the command has ended, or the time is over."""
        end = time.monotonic() + seconds
        while self.running and not until() and time.monotonic() < end:
            time.sleep(_POLL)

    def kill(self) -> None:
        """kill -9 of the driver."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def finish(self) -> int:
        """The exit code at the end."""
        assert self.process is not None
        try:
            return self.process.wait(_PATIENCE)
        finally:
            self.process.kill()

    def attempts(self) -> set[Path]:
        return set(self.root.glob("units/*/*/*/attempts/*"))

    def workers(self) -> list[int]:
        """Processes that compute a unit now."""
        found = set()
        for path in self.root.glob("units/*/*/*/attempts/*/lease.json"):
            if not (path.parents[2] / "result.json").exists():
                with contextlib.suppress(FileNotFoundError, ValueError):
                    found.add(int(json.loads(path.read_bytes())["body"]["pid"]))
        return sorted(pid for pid in found if _is_worker(pid))


def _is_worker(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::")
    except OSError:
        return False


@dataclass(frozen=True)
class Kill:
    """One kill: how long after the first attempt of the session that it hit, and how many units were done by then."""

    what: str
    after: float
    done: int


class Assault:
    """Kills one kind of thing in one study, at random moments, until the study is done or enough kills are made."""

    def __init__(self, study: Study, rng: random.Random, wanted: int, span: float) -> None:
        self.study, self._rng, self._wanted, self._span = study, rng, wanted, span
        self.kills: list[Kill] = []
        self._since = time.monotonic()

    def drivers(self) -> None:
        """The driver; the same command follows at once, while orphans may live. Some kills come while it starts."""
        self.study.start()
        for number in range(self._wanted):
            before = self.study.attempts()
            if number % 4:
                self.study.wait(lambda before=before: self.study.attempts() > before)  # type: ignore[misc]
            self._moment()
            if not self.study.running:
                return
            self.study.kill()
            self._note("driver")
            self.study.start()

    def trials(self) -> None:
        """A trial's process."""
        self.study.start()
        for _ in range(self._wanted):
            self.study.wait(lambda: bool(self.study.workers()))
            self._moment()
            workers = self.study.workers()
            if not self.study.running:
                return
            if workers:
                os.kill(self._rng.choice(workers), signal.SIGKILL)
                self._note("trial")

    def nodes(self, cluster: Cluster) -> None:
        """The raylet of a worker node; a new node comes in its place."""
        self.study.start()
        for _ in range(self._wanted):
            self.study.wait(lambda: bool(self.study.workers()))
            self._moment()
            if not self.study.running:
                return
            node = self._rng.choice(sorted(cluster.worker_nodes, key=lambda n: n.unique_id))
            os.kill(_raylet(node), signal.SIGKILL)
            self._note("raylet")
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(**WORKER_NODE)

    def _moment(self) -> None:
        self._since = time.monotonic()
        self.study.wait(lambda: False, self._rng.uniform(0, self._span))

    def _note(self, what: str) -> None:
        done = len(list(self.study.root.glob("units/*/*/*/result.json")))
        self.kills.append(Kill(what, round(time.monotonic() - self._since, 2), done))


WORKER_NODE: dict[str, Any] = {"num_cpus": 1, "num_gpus": 2}  # pretend GPUs: bookkeeping only


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


@contextlib.contextmanager
def three_nodes() -> Iterator[Cluster]:
    """A head that runs no trials, and two nodes that do."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**WORKER_NODE)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()
