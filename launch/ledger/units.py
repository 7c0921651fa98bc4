"""The ledger: our own files are the only truth of a study. Ray executes; Optuna and W&B are projections of this.

A proposal is written before its unit starts. Each attempt works in a folder of its own under a lease token. A result is
published once: written aside, synced, then linked to its name, which fails if the name is taken, so an orphan of a
killed driver can finish but never publish twice. Resuming is a scan of these files.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from glifr.records import (
    FAILURE_FILE,
    EpochRecord,
    Layout,
    Look,
    Proposal,
    RecordError,
    UnitId,
    UnitResult,
    read_epochs,
    read_looks,
    read_sealed,
    seal,
)
from glifr.records.reading import listing, read_bytes
from glifr.records.storage import tensor_files as checkpoints
from launch.failures import Failure
from launch.ledger.attempts import Lease, attempt_folders
from launch.ledger.durable import append, now, publish, set_aside

_Record = TypeVar("_Record", Proposal, UnitResult)


class Ledger:
    """Reads and writes the units of one results folder."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)

    def propose(self, proposal: Proposal) -> Proposal:
        """Writes a proposal durably, before its unit starts.

        Args:
            proposal: The proposal.

        Returns:
            The one that is on record, this or an earlier one.

        Raises:
            RecordError: Another is on record under the same name.
        """
        if publish(self.layout.proposal(proposal.unit), seal(proposal.to_json())):
            return proposal
        standing = self.proposal(proposal.unit)
        if standing is None or standing.identity != proposal.identity:
            raise RecordError(f"{proposal.unit}: another proposal stands under this name")
        return standing

    def proposal(self, unit: UnitId) -> Proposal | None:
        """The unit's proposal; None if there is none. RecordError if it cannot be trusted."""
        path = self.layout.proposal(unit)
        try:
            return _as_record(path, Proposal, unit)
        except FileNotFoundError:
            return None

    def result(self, unit: UnitId) -> UnitResult | None:
        """The unit's published result; None if it is not done. RecordError if it cannot be trusted."""
        path = self.layout.result(unit)
        try:
            return _as_record(path, UnitResult, unit)
        except FileNotFoundError:
            return None

    def looks(self) -> tuple[Look, ...]:
        """The looks that were taken, in order. RecordError if one cannot be trusted: none is ever taken again."""
        return read_looks(self.layout)

    def keep_look(self, look: Look) -> Look:
        """Writes a look durably, before any unit that it asks for; returns the one that stands, this or an earlier."""
        publish(self.layout.look(look.number), seal(look.to_json()))
        return self.looks()[look.number - 1]

    def units(self, stage: str, condition: str) -> list[UnitId]:
        """Units of a stage and condition that have a folder, in order of their repeats and numbers."""
        found = []
        for search in listing(self.layout.units / stage):
            if search.name == condition or search.name.startswith(f"{condition}@"):
                for path in listing(search):
                    with contextlib.suppress(ValueError):  # a foreign folder
                        found.append(self.layout.unit_at(path))
        return sorted(found, key=lambda unit: (unit.repeat, unit.number))

    def lease(self, unit: UnitId) -> Lease:
        """Starts an attempt."""
        return Lease(self.layout, unit)

    def last_checkpoint(self, proposal: Proposal) -> tuple[dict[str, Any], tuple[EpochRecord, ...]] | None:
        """The newest state that can be trusted over all attempts, with the epoch records up to it."""
        unit = proposal.unit
        found = sorted(self.layout.attempts(unit).glob("*/checkpoint-*.pt"), key=lambda p: p.name, reverse=True)
        for path in found:
            try:
                state = checkpoints.load(path)
                if state["identity"] != proposal.identity:
                    raise RecordError(f"{path}: the state of other settings")
                return state, self._records_until(proposal, {saved["seed"]: saved["epoch"] for saved in state["seeds"]})
            except RecordError as error:
                self._set_checkpoint_aside(unit, path, error)
        return None

    def _set_checkpoint_aside(self, unit: UnitId, path: Path, error: Exception) -> None:
        with contextlib.suppress(FileNotFoundError):  # an orphan that still runs may have dropped it
            set_aside(path)
        self.event("warning", f"{unit}: checkpoint set aside, the one before it is used ({error})")

    def _records_until(self, proposal: Proposal, done: Mapping[int, int]) -> tuple[EpochRecord, ...]:
        """The records of the epochs that each seed has done; RecordError if one is missing."""
        records = tuple(r for r in self.epochs(proposal.unit) if r.epoch <= done.get(r.seed, 0))
        if len(records) != sum(done.values()):
            raise RecordError(f"{len(records)} of {sum(done.values())} epoch records up to the checkpoint")
        return records

    def put_aside(self, unit: UnitId) -> None:
        """Moves a unit out of the study, with all that its attempts left, so that it can be proposed anew."""
        to = self.layout.aside / unit.stage / unit.search_name / f"{unit.number}-{secrets.token_hex(4)}"
        to.parent.mkdir(parents=True, exist_ok=True)
        self.layout.unit(unit).rename(to)

    def epochs(self, unit: UnitId) -> tuple[EpochRecord, ...]:
        """All epoch records of a unit that can be trusted, over all attempts, one per seed and epoch."""
        records: dict[tuple[int, int], EpochRecord] = {}
        for folder in attempt_folders(self.layout, unit):
            records.update({(r.seed, r.epoch): r for r in read_epochs(folder / "epochs.jsonl").records})
        return tuple(records[key] for key in sorted(records))

    def failures(self, unit: UnitId) -> list[Failure]:
        """Failed attempts, oldest first."""
        found = []
        for folder in attempt_folders(self.layout, unit):
            with contextlib.suppress(FileNotFoundError, RecordError):
                body = read_sealed(folder / FAILURE_FILE)
                found.append(Failure(body["kind"], body["message"]))
        return found

    def event(self, kind: str, message: str, **more: Any) -> None:
        """Adds a line to the study's log; what cannot be written, on a full disk, is left out.

        Args:
            kind: The kind of event.
            message: A sentence.
            **more: What must be found again without reading the message, in words and numbers.
        """
        with contextlib.suppress(OSError):
            append(self.layout.events, json.dumps({"at": now(), "kind": kind, "message": message, **more}) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """The study's log; without lines that a crash tore. RecordError if it cannot be read."""
        try:
            lines = read_bytes(self.layout.events).decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [event for line in lines if isinstance(event := _parsed(line), dict)]


def _parsed(line: str) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(line)


def _as_record(path: Path, kind: type[_Record], unit: UnitId) -> _Record:
    body = read_sealed(path)
    try:
        record = kind.from_json(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path}: not a record of this version ({error})") from None
    if record.unit != unit:
        raise RecordError(f"{path}: the record of another unit, {record.unit}")
    return record
