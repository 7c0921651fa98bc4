"""The ledger: our own files are the only truth of a study. Ray executes; Optuna and W&B are projections of this.

A proposal is written before its unit starts. Each attempt works in a folder of its own under a lease token. A result is
published once: written aside, synced, then linked to its name, which fails if the name is taken, so an orphan of a
killed driver can finish but never publish twice. Resuming is a scan of these files.
"""

from __future__ import annotations

import json
import os
import secrets
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from glifr import checkpoints
from glifr.records import (
    STAGES,
    EpochRecord,
    Layout,
    NetworkFile,
    Proposal,
    RecordError,
    UnitId,
    UnitResult,
    read_epochs,
    read_sealed,
    seal,
)

FailureKind = Literal["out of memory", "bug", "node lost", "bad input"]
_CHECKPOINTS_KEPT = 2


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(path: Path, content: bytes) -> bool:
    """Puts `content` at `path` if nothing is there; returns whether it did. Whole or not at all, and durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        _sync_folder(path.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended without a result. Its traceback is kept in the attempt's folder."""

    kind: FailureKind
    message: str


class Lease:
    """One attempt at one unit: the only writer of its folder."""

    def __init__(self, layout: Layout, unit: UnitId) -> None:
        self._layout = layout
        self.unit = unit
        self.token = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self.folder = layout.attempt(unit, self.token)
        self.folder.mkdir(parents=True)
        self.started_at = now()
        body = {"unit": str(unit), "token": self.token, "pid": os.getpid(), "started_at": self.started_at}
        checkpoints.write_whole(self.folder / "lease.json", seal(body))

    def append_epochs(self, records: Sequence[EpochRecord]) -> None:
        """Adds a line a record; a torn last line, after a crash, is left out by the reader."""
        lines = "".join(json.dumps(record.to_json(), allow_nan=False) + "\n" for record in records)
        with (self.folder / "epochs.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(lines)

    def checkpoint(self, epoch: int, state: dict[str, Any]) -> None:
        """Keeps the state after `epoch`, and the one before it."""
        checkpoints.save(self.folder / f"checkpoint-{epoch:06d}.pt", state)
        for old in sorted(self.folder.glob("checkpoint-*.pt"))[:-_CHECKPOINTS_KEPT]:
            checkpoints.remove(old)

    def keep_network(self, state: dict[str, Any]) -> NetworkFile:
        """Stores the final network of the unit in the attempt's folder, so that an orphan cannot overwrite it."""
        path = self.folder / "network.pt"
        return NetworkFile(str(path.relative_to(self._layout.root)), checkpoints.save(path, state))

    def publish(self, result: UnitResult) -> bool:
        """Publishes the unit's result; False if another attempt did. Checkpoints are dropped once a result stands."""
        done = publish(self._layout.result(self.unit), seal(result.to_json()))
        for path in self.folder.glob("checkpoint-*.pt"):
            checkpoints.remove(path)
        return done

    def fail(self, kind: FailureKind, error: BaseException) -> Failure:
        """Records why this attempt ended."""
        return record_failure(self.folder, Failure(kind, f"{type(error).__name__}: {error}"), traceback.format_exc())


def record_failure(folder: Path, failure: Failure, trace: str = "") -> Failure:
    """Writes `failure.json` into an attempt's folder."""
    body = {"kind": failure.kind, "message": failure.message, "traceback": trace, "at": now()}
    checkpoints.write_whole(folder / "failure.json", seal(body))
    return failure


class Ledger:
    """Reads and writes the units of one results folder."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)

    def propose(self, proposal: Proposal) -> Proposal:
        """Writes the proposal durably, before its unit starts; returns the one that stands, this or an earlier one.

        RecordError if another stands under the same name.
        """
        if publish(self.layout.proposal(proposal.unit), seal(proposal.to_json())):
            return proposal
        standing = self.proposal(proposal.unit)
        if standing is None or standing.identity != proposal.identity:
            raise RecordError(f"{proposal.unit}: another proposal stands under this name")
        return standing

    def proposed(self, condition: str) -> int:
        """How many units of a condition have a proposal."""
        return sum(self.layout.proposal(unit).exists() for stage in STAGES for unit in self.units(stage, condition))

    def proposal(self, unit: UnitId) -> Proposal | None:
        """The unit's proposal; None if there is none. RecordError if it cannot be trusted."""
        try:
            return Proposal.from_json(read_sealed(self.layout.proposal(unit)))
        except FileNotFoundError:
            return None

    def result(self, unit: UnitId) -> UnitResult | None:
        """The unit's published result; None if it is not done. RecordError if it cannot be trusted."""
        try:
            return UnitResult.from_json(read_sealed(self.layout.result(unit)))
        except FileNotFoundError:
            return None

    def units(self, stage: str, condition: str) -> list[UnitId]:
        """Units of a stage and condition that have a folder, in order of their numbers."""
        folder = self.layout.units / stage / condition
        numbers = sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit())
        return [UnitId(stage, condition, n) for n in numbers]  # type: ignore[arg-type]

    def lease(self, unit: UnitId) -> Lease:
        """Starts an attempt."""
        return Lease(self.layout, unit)

    def last_checkpoint(self, unit: UnitId) -> tuple[dict[str, Any], tuple[EpochRecord, ...]] | None:
        """The newest state that can be trusted over all attempts, with the epoch records up to it."""
        found = sorted(self.layout.attempts(unit).glob("*/checkpoint-*.pt"), key=lambda p: p.name, reverse=True)
        for path in found:
            epoch = int(path.stem.split("-")[1])
            try:
                state = checkpoints.load(path)
            except checkpoints.CheckpointError as error:
                self.event("warning", f"{unit}: checkpoint set aside ({error})")
                continue
            return state, self._epochs_until(unit, epoch)
        return None

    def _epochs_until(self, unit: UnitId, epoch: int) -> tuple[EpochRecord, ...]:
        records: dict[tuple[int, int], EpochRecord] = {}
        for folder in sorted(self.layout.attempts(unit).glob("*")):
            records.update({(r.seed, r.epoch): r for r in read_epochs(folder / "epochs.jsonl") if r.epoch <= epoch})
        return tuple(records[key] for key in sorted(records))

    def epochs(self, unit: UnitId) -> tuple[EpochRecord, ...]:
        """All epoch records of a unit, over all attempts, one per seed and epoch."""
        return self._epochs_until(unit, epoch=10**9)

    def failures(self, unit: UnitId) -> list[Failure]:
        """Failed attempts, oldest first."""
        bodies = [read_sealed(p) for p in sorted(self.layout.attempts(unit).glob("*/failure.json"))]
        return [Failure(body["kind"], body["message"]) for body in bodies]

    def event(self, kind: str, message: str) -> None:
        """Adds a line to the study's log."""
        with self.layout.events.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"at": now(), "kind": kind, "message": message}) + "\n")
