"""Typed reasons why an attempt ended without a result, and whether its unit is tried again.

Divergence is not here: it is a result, with a score of its own (glifr.training.score).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from glifr.errors import InputError
from glifr.records import UnitId
from launch.full_disk import disk_is_full, full_disk

FailureKind = Literal[
    "out of memory",  # of the GPU or of the machine
    "bug",  # an exception; its traceback is kept
    "node lost",  # the worker process or its node died
    "preempted",  # the node was taken away with notice, or another driver took the unit over
    "timed out",  # an epoch took longer than resources.timeout_minutes
    "disk full",
    "bad input",  # the user's to mend: data that cannot be read
    "no source",  # the unit whose network it starts from has none
]
_ADDRESS = re.compile(r"^\s*ip: (\S+)$", re.MULTILINE)  # in what Ray says of an actor
_LOST_FACTOR = 3  # a lost worker is seldom the unit's own fault


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended without a result. The traceback of an exception is kept in the attempt's folder.

    Of a worker that was lost, node: where it was, '' if that is not known; words: what Ray said. The node is no part of
    the message, which reports and packs show to everybody. Of a full disk, words: which disk is full.
    """

    kind: FailureKind
    message: str
    node: str = field(default="", compare=False)
    words: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" + (f" (on {self.node})" if self.node else "")


def failure_of(error: BaseException, root: Path) -> Failure:
    """The failure that an exception inside a worker means. root: the results folder."""
    kind = _kind_of(error)
    words = full_disk(error, root) if kind == "disk full" else ""
    return Failure(kind, f"{type(error).__name__}: {error}", words=words)


def _kind_of(error: BaseException) -> FailureKind:
    if isinstance(error, InputError):
        return "bad input"
    if disk_is_full(error):
        return "disk full"
    # the CPU allocator of PyTorch raises a plain RuntimeError
    torch = sys.modules.get("torch")  # whoever raises torch's own error has imported it
    kinds = (MemoryError, torch.OutOfMemoryError) if torch is not None else (MemoryError,)
    no_memory = isinstance(error, kinds) or "can't allocate memory" in str(error)
    return "out of memory" if no_memory else "bug"


def failure_of_lost(words: str) -> Failure:
    """The failure that Ray's words about a dead worker mean."""
    found = _ADDRESS.search(words)
    kind, message = _lost(words)
    return Failure(kind, message, found.group(1) if found else "", words.strip())


def _lost(words: str) -> tuple[FailureKind, str]:
    lower = words.lower()
    if "preempt" in lower:
        return "preempted", "the node was taken away"
    if "running low on memory" in lower or "outofmemory" in lower:
        return "out of memory", "the worker was ended because its node ran low on memory"
    if "traceback (most recent call last)" in lower:  # raised before the trial itself began
        return "bug", words.strip().splitlines()[-1]
    return "node lost", "the worker process or its node died"


class Retries:
    """Counts the failures of each unit in this session and says whether another attempt is due.

    A bug that repeats is not tried a third time: the same exception would come again. A lost node is hardly the unit's
    fault, and a preempted one never is.
    """

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._counts: Counter[tuple[UnitId, FailureKind]] = Counter()
        self._bugs: set[tuple[UnitId, str]] = set()

    def again(self, unit: UnitId, failure: Failure) -> bool:
        """Hears of a failure; whether the unit is to be tried again."""
        self._counts[unit, failure.kind] += 1
        count = self._counts[unit, failure.kind]
        match failure.kind:
            case "bad input" | "no source":
                return False
            case "preempted" | "disk full":
                return True
            case "node lost":
                return count <= self._allowed * _LOST_FACTOR
            case "bug":
                repeated = (unit, failure.message) in self._bugs
                self._bugs.add((unit, failure.message))
                return not repeated and count <= self._allowed
            case "out of memory" | "timed out":
                return count <= self._allowed

    def out_of_memory(self, unit: UnitId) -> int:
        """How often the unit ran out of memory: each time its share of a GPU is doubled."""
        return self._counts[unit, "out of memory"]
