"""Kills the whole command at one durable operation after another: between writing, syncing, naming and removing.

The command runs in a forked child, its trials in the same process, so that every operation of driver and trial is met.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from analysis import ReportPaths, load
from analysis.results.tidy_tables import write_tables
from glifr.records import Layout
from launch import cli, session
from launch.executors.in_process import InProcessExecutor
from launch.planning.plan import StudyPlan
from launch.tracking.login import Decision
from launch.workers.data import FromFiles

_OPERATIONS = ("link", "replace", "rename", "fsync", "unlink", "mkdir")
_TORN = "torn epochs.jsonl"
_RANDOM = re.compile(r"^\.|(\.[0-9a-f]+\.tmp|\.claim)$")  # random, or a process's number


class InThisProcess(InProcessExecutor):
    """Stands in for the Ray executor in a session."""

    slots = 1
    differences: tuple[str, ...] = ()

    def __init__(self, root: Path, mode: str, *_: object, **__: object) -> None:
        super().__init__(root, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to shut down."""


class Watched:
    """Counts the durable operations below a folder; `deadly` (name, how many-eth) ends the process before it."""

    def __init__(self, root: Path, deadly: tuple[str, int] | None) -> None:
        self._root, self._deadly = root, deadly
        self.counts: Counter[str] = Counter()

    def install(self) -> None:
        """Replaces the operations in `os`, through which pathlib goes too."""
        for name in _OPERATIONS:
            setattr(os, name, self._watching(name, getattr(os, name)))

    def _watching(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(target: Any, *more: Any, **named: Any) -> Any:
            path = Path(os.readlink(f"/proc/self/fd/{target}")) if isinstance(target, int) else Path(target)
            if path.is_relative_to(self._root):
                self._meet(f"{name} {_kind(path)}", path)
            return real(target, *more, **named)

        return operation

    def _meet(self, operation: str, path: Path) -> None:
        if operation == "fsync epochs.jsonl":
            self._count(_TORN, lambda: os.truncate(path, path.stat().st_size - 9))
        self._count(operation, lambda: None)

    def _count(self, operation: str, before: Callable[[], object]) -> None:
        self.counts[operation] += 1
        if self._deadly == (operation, self.counts[operation]):
            before()
            os.kill(os.getpid(), signal.SIGKILL)


def _kind(path: Path) -> str:
    """The file's role: its name without what is random or counted."""
    name = _RANDOM.sub("", _RANDOM.sub("", path.name))
    if path.is_dir() or "attempts" in path.parts[-2:]:
        return "folder"
    return re.sub(r"\d{6}", "N", name)


def run_command(given: list[str], log: Path, root: Path, deadly: tuple[str, int] | None) -> tuple[int, Counter[str]]:
    """The command in a forked child; its exit code (negative: the signal that ended it) and the operations it did."""
    tally = log.with_suffix(".operations")
    tally.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _be_the_command(given, log, tally, Watched(root, deadly))
    _, status = os.waitpid(child, 0)
    lines = tally.read_text().splitlines() if tally.exists() else []
    counts = Counter({name: int(count) for name, _, count in (line.rpartition("\t") for line in lines)})
    return os.waitstatus_to_exitcode(status), counts


def _be_the_command(given: list[str], log: Path, tally: Path, watched: Watched) -> None:
    code = 99
    try:
        stream = log.open("a")
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        session.RayExecutor = InThisProcess  # type: ignore[misc, assignment]
        session._report = _tables_alone
        watched.install()
        code = cli.main(given)
        tally.write_text("".join(f"{name}\t{count}\n" for name, count in watched.counts.items()))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _tables_alone(console: Console, root: Path, tracking: Decision) -> ReportPaths:
    """In place of the report: its figures take longer than the study."""
    results = load(root)
    write_tables(Layout(root), results.tables)
    return ReportPaths(root / "report.html", (), (), (), results.complete, "")


def warm(plan: StudyPlan) -> None:
    """Reads the data, so that no child has to."""
    data = FromFiles(plan.study.spec.task.settings())
    data.tuning()
    data.test()


def points(counts: Counter[str]) -> Iterator[tuple[str, int]]:
    """The first of each kind of operation, then the last, then the middle one."""
    seen: set[tuple[str, int]] = set()
    kinds = sorted(counts.items())
    random.Random(0).shuffle(kinds)
    for which in (lambda _: 1, lambda count: count, lambda count: (count + 1) // 2):
        for operation, count in kinds:
            point = (operation, which(count))
            if point not in seen:
                seen.add(point)
                yield point
