"""An attempt at a unit: a folder and a token of its own, and the right to publish unless a later attempt exists."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from glifr.records import (
    FAILURE_FILE,
    EpochRecord,
    Layout,
    NetworkFile,
    RecordError,
    UnitId,
    UnitResult,
    epoch_line,
    read_sealed,
    seal,
)
from glifr.records.atomic import write_whole
from glifr.records.reading import folders
from glifr.records.storage import tensor_files as checkpoints
from launch.code import installed
from launch.failures import Failure
from launch.ledger.durable import append, now, publish

_CHECKPOINTS_KEPT = 2
_HANG = "hang.txt"
_ANYWHERE = ("192.0.2.1", 9)  # of no host: kept for documentation


class SupersededError(RuntimeError):
    """A later attempt at the unit exists: this one, of a driver that died or was taken over, must end."""


def attempt_folders(layout: Layout, unit: UnitId) -> list[Path]:
    """The folders of a unit's attempts, oldest first."""
    return folders(layout.attempts(unit))


def new_attempt(layout: Layout, unit: UnitId) -> Path:
    """Makes the folder of the unit's next attempt."""
    earlier = attempt_folders(layout, unit)
    number = 1 + _number(earlier[-1]) if earlier else 1
    folder = layout.attempt(unit, f"{number:04d}-{secrets.token_hex(4)}")
    folder.mkdir(parents=True)
    return folder


def open_attempt(layout: Layout, unit: UnitId) -> Path | None:
    """The folder of the unit's newest attempt, unless a failure is on record there; None if there is none."""
    newest = next(reversed(attempt_folders(layout, unit)), None)
    return None if newest is None or (newest / FAILURE_FILE).exists() else newest


def processors_of(layout: Layout, unit: UnitId) -> tuple[str, ...]:
    """The kinds of processor of a unit's attempts so far, in order and without repeats."""
    kinds = (_lease(folder).get("processor") for folder in attempt_folders(layout, unit))
    return tuple(dict.fromkeys(kind for kind in kinds if kind))


def _lease(folder: Path) -> dict[str, Any]:
    """An attempt's lease; {} if it cannot be used, or the attempt never began."""
    try:
        body = read_sealed(folder / "lease.json")
    except (FileNotFoundError, RecordError):
        return {}
    return body if isinstance(body, dict) else {}


def here() -> str:
    """This node, by its host name and address."""
    return _node(socket.gethostname(), _address())


def node_of(folder: Path) -> str:
    """The node of an attempt; '' if it is not on record."""
    body = _lease(folder)
    return _node(body.get("host", ""), body.get("address", ""))


def _node(host: str, address: str) -> str:
    return f"{host} ({address})" if address else host


@cache
def _address() -> str:
    """The address under which other nodes see this one; '' if it has a network of its own alone."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ANYWHERE)  # chooses a way there and sends nothing
        return str(probe.getsockname()[0])
    return ""


class Lease:
    """One attempt at one unit: the only writer of its folder.

    Its token begins with the number of the attempt, so that the order of attempts does not hang on any clock.
    """

    def __init__(self, layout: Layout, unit: UnitId) -> None:
        self._layout = layout
        self.unit = unit
        self.folder = new_attempt(layout, unit)
        self.token = self.folder.name
        self.started_at = now()
        write_whole(self.folder / "lease.json", seal(self._body()))

    def _body(self) -> dict[str, Any]:
        from glifr.engine.cpu.processor import processor_kind  # torch and numba, which readers of attempts do without

        who = {"pid": os.getpid(), "host": socket.gethostname(), "address": _address()}
        own = {"started_at": self.started_at, "installed": installed(), "processor": processor_kind()}
        return {"unit": str(self.unit), "token": self.token, **who, **own}

    def refuse_superseded(self) -> None:
        """Raises SupersededError if the unit has a later attempt."""
        folders = attempt_folders(self._layout, self.unit)
        if self.folder not in folders or _number(folders[-1]) > _number(self.folder):
            raise SupersededError(f"{self.unit}: a later attempt has replaced {self.token}")

    def append_epochs(self, records: Sequence[EpochRecord]) -> None:
        """Adds a line a record; a torn last line, after a crash, is left out by the reader."""
        append(self.folder / "epochs.jsonl", "".join(epoch_line(record) for record in records))

    def checkpoint(self, epoch: int, identity: str, seeds: list[dict[str, Any]]) -> None:
        """Keeps the state after `epoch`, and the one before it. identity: that of the unit's proposal."""
        checkpoints.save(self.folder / f"checkpoint-{epoch:06d}.pt", {"identity": identity, "seeds": seeds})
        for old in sorted(self.folder.glob("checkpoint-*.pt"))[:-_CHECKPOINTS_KEPT]:
            checkpoints.remove(old)

    def keep_network(self, state: dict[str, Any]) -> NetworkFile:
        """Stores the final network of the unit in the attempt's folder, so that an orphan cannot overwrite it."""
        path = self.folder / "network.pt"
        return NetworkFile(str(path.relative_to(self._layout.root)), checkpoints.save(path, state))

    def keep_file(self, name: str, content: bytes) -> NetworkFile:
        """Stores a file of the unit's final network, by `name`, beside it."""
        path = self.folder / name
        write_whole(path, content)
        return NetworkFile(str(path.relative_to(self._layout.root)), hashlib.sha256(content).hexdigest())

    def publish(self, result: UnitResult) -> bool:
        """Publishes the unit's result; False if another attempt did. Checkpoints are dropped once a result stands."""
        done = publish(self._layout.result(self.unit), seal(result.to_json()))
        for path in self._layout.attempts(self.unit).glob("*/checkpoint-*.pt"):
            checkpoints.remove(path)
        return done

    @property
    def processors(self) -> tuple[str, ...]:
        """The kinds of processor of the unit's attempts up to this one."""
        return processors_of(self._layout, self.unit)

    @property
    def hang_file(self) -> Path:
        """Where the stack goes if an epoch takes too long."""
        return self.folder / _HANG

    def fail(self, failure: Failure) -> None:
        """Records why this attempt ended, with the traceback of the exception being handled."""
        record_failure(self.folder, replace(failure, node=here()), traceback.format_exc())


def hang_of(folder: Path) -> str:
    """Where an attempt hung when it was ended for that; '' if it was not."""
    path = folder / _HANG
    return path.read_text(errors="replace") if path.exists() else ""


def record_failure(folder: Path, failure: Failure, trace: str = "") -> None:
    """Writes `failure.json` into an attempt's folder; on a full disk there is none."""
    body = {"kind": failure.kind, "message": failure.message, "node": failure.node, "traceback": trace, "at": now()}
    try:
        write_whole(folder / FAILURE_FILE, seal(body))
    except OSError:
        if failure.kind != "disk full":
            raise


def _number(folder: Path) -> int:
    head = folder.name.split("-")[0]
    return int(head) if head.isdigit() and len(head) < 8 else 0
