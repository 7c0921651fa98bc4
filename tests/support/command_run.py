"""The real command in a process of its own, whose words are read as they come."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from paths import ROOT
from small_study import NOT_COMPILED, TINY

from glifr.records import Layout, read_sealed

HANG = 600.0  # a deadline that only catches what hangs


class Run:
    """The command in a process of its own, whose words are read as they come."""

    def __init__(self, study: Path, results: Path, *before: str, limit: Sequence[str] = (), **environment: str) -> None:
        self.given = [str(study), "--results", str(results), "--set", NOT_COMPILED]
        self.said: list[str] = []
        self.root = results / "small" / "full"
        self.process = subprocess.Popen(
            [*before, sys.executable, "launch/study.py", *self.given, *limit],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.said)

    def wait_for(self, event: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + HANG
        while not event():
            assert self.process.poll() is None, f"ended before {what}: {self.text}"
            assert time.monotonic() < deadline, f"no {what}: {self.text}"
            time.sleep(0.01)

    def until_heard(self) -> None:
        """Until a signal is blocked, that is, waited for."""
        status = Path(f"/proc/{self.process.pid}/status")
        mask = 1 << (signal.SIGTERM - 1)
        self.wait_for(lambda: int(re.findall(r"SigBlk:\s*(\w+)", status.read_text())[0], 16) & mask, "a blocked signal")

    def until_ray_starts(self) -> None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        names = lambda: [Path(f"/proc/{pid}/comm").read_text() for pid in children.read_text().split()]  # noqa: E731
        self.wait_for(lambda: any("gcs_server" in name for name in names()), "a process of Ray")

    def until_trials_run(self) -> None:
        self.wait_for(lambda: list(self.root.glob("units/*/*/*/attempts/*/lease.json")), "an attempt")

    def until_report(self) -> None:
        self.wait_for(lambda: "units done." in self.text, "end of the trials")

    def end(self) -> int:
        code = self.process.wait(timeout=HANG)
        self._reader.join(timeout=10)
        return code

    def sessions(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = read_sealed(Layout(self.root).provenance)
        return found


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    study, runs = tmp_path / "small.yaml", []

    def start(*before: str, text: str = TINY, limit: Sequence[str] = (), **environment: str) -> Run:
        study.write_text(text)
        runs.append(Run(study, tmp_path / "results", *before, limit=limit, **environment))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()
