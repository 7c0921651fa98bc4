"""An attempt at a unit: a folder and a token of its own, and the right to publish unless a later attempt exists."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glifr.records import EpochRecord, Layout, NetworkFile, UnitId, UnitResult, epoch_line, seal
from glifr.records.atomic import write_whole
from glifr.records.reading import folders
from glifr.records.storage import tensor_files as checkpoints
from launch.code import installed
from launch.failures import Failure
from launch.ledger.durable import append, now, publish

_CHECKPOINTS_KEPT = 2
_HANG = "hang.txt"


class SupersededError(RuntimeError):
    """A later attempt at the unit exists: this one, of a driver that died or was taken over, must end."""


def attempt_folders(layout: Layout, unit: UnitId) -> list[Path]:
    """The folders of a unit's attempts, oldest first."""
    return folders(layout.attempts(unit))


class Lease:
    """One attempt at one unit: the only writer of its folder.

    Its token begins with the number of the attempt, so that the order of attempts does not hang on any clock.
    """

    def __init__(self, layout: Layout, unit: UnitId) -> None:
        self._layout = layout
        self.unit = unit
        earlier = attempt_folders(layout, unit)
        number = 1 + _number(earlier[-1]) if earlier else 1
        self.token = f"{number:04d}-{secrets.token_hex(4)}"
        self.folder = layout.attempt(unit, self.token)
        self.folder.mkdir(parents=True)
        self.started_at = now()
        write_whole(self.folder / "lease.json", seal(self._body()))

    def _body(self) -> dict[str, Any]:
        who = {"pid": os.getpid(), "host": socket.gethostname()}
        own = {"started_at": self.started_at, "installed": installed()}
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
    def hang_file(self) -> Path:
        """Where the stack goes if an epoch takes too long."""
        return self.folder / _HANG

    def fail(self, failure: Failure) -> None:
        """Records why this attempt ended, with the traceback of the exception being handled."""
        record_failure(self.folder, failure, traceback.format_exc())


def hang_of(folder: Path) -> str:
    """Where an attempt hung when it was ended for that; '' if it was not."""
    path = folder / _HANG
    return path.read_text(errors="replace") if path.exists() else ""


def record_failure(folder: Path, failure: Failure, trace: str = "") -> None:
    """Writes `failure.json` into an attempt's folder; on a full disk there is none."""
    body = {"kind": failure.kind, "message": failure.message, "traceback": trace, "at": now()}
    try:
        write_whole(folder / "failure.json", seal(body))
    except OSError:
        if failure.kind != "disk full":
            raise


def _number(folder: Path) -> int:
    head = folder.name.split("-")[0]
    return int(head) if head.isdigit() and len(head) < 8 else 0
