"""`python -m launch.tracking sync RESULTS`: makes W&B equal to the ledger, and says whether it is.

Each trained unit should have one run: that of the attempt that gave its result, or of its last attempt. A run that is
missing or lacks a row is written from the records; runs of attempts that were replaced are removed. Offline that means
the files below RESULTS/wandb, else the project on the server.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import wandb

from glifr.errors import InputError, Problem
from glifr.records import (
    EpochRecord,
    Layout,
    Proposal,
    RecordError,
    SeedOutcome,
    StudyRecords,
    UnitRecords,
    read_sealed,
    scan,
)
from launch.ledger.lock import has_driver
from launch.tracking import rows as rows
from launch.tracking.login import Mode, decide_mode, is_of_wandb
from launch.tracking.offline_files import DamagedError, read_run
from launch.tracking.rows import Computation, TrackedStudy
from launch.tracking.wandb_run import UnitRun, leave, log_report

Row = Mapping[str, Any]
EQUAL, DIFFERENT, REFUSED = 0, 1, 2
_SETTLED_SECONDS = 10.0
_SENT_SECONDS = 120.0  # for a run to be sent: here somebody waits for just that
_NAMED = 10


@dataclass(frozen=True)
class ExpectedRun:
    """The run that a unit should have.

    Attributes:
        outcomes: () without a result.
    """

    computed: Computation
    proposal: Proposal
    token: str
    records: tuple[EpochRecord, ...]
    outcomes: tuple[SeedOutcome, ...]
    complete: bool

    @property
    def key(self) -> str:
        return _key(rows.run_id("", self.proposal.unit, self.token))

    def is_told_by(self, run: ExistingRun) -> bool:
        """True if a run has each epoch once, with these numbers, and the final ones of a complete unit."""
        told = [row for row in run.history if "epoch" in row]
        wanted = rows.epoch_rows(self.proposal.unit, self.records)
        final = rows.summary(self.proposal.unit, self.outcomes) if self.complete else {}
        return (
            len(told) == len(wanted)
            and all(_holds(row, own) for row, own in zip(told, wanted, strict=True))
            and _holds(run.summary, final)
        )


@dataclass(frozen=True)
class ExistingRun:
    """A run that W&B has."""

    history: Sequence[Row]
    summary: Row


class Mirror(Protocol):
    """Where the runs are.

    Attributes:
        mode: W&B's mode in which they are written there.
    """

    mode: str

    def standing(self) -> dict[str, ExistingRun]:
        """Every run, by its key; one that is there twice, or cannot be read, has no history."""
        ...

    def remove(self, key: str) -> None:
        """Takes a run away."""
        ...

    def make_room(self, key: str) -> None:
        """Called before a run is written that may be there in part."""
        ...


class OfflineFiles:
    """The files below RESULTS/wandb."""

    mode = "offline"

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.wandb
        self._runs: dict[str, list[Path]] = {}

    def standing(self) -> dict[str, ExistingRun]:
        self._runs = {}
        for path in sorted(self._folder.glob("*run-*/run-*.wandb")):
            self._runs.setdefault(_key(path.stem.removeprefix("run-")), []).append(path)
        return {k: _read(paths[0]) if len(paths) == 1 else ExistingRun((), {}) for k, paths in self._runs.items()}

    def remove(self, key: str) -> None:
        for path in self._runs.pop(key, ()):
            shutil.rmtree(path.parent)

    def make_room(self, key: str) -> None:
        self.remove(key)


class Server:
    """The study's project on W&B's server. api: a `wandb.Api`."""

    mode = "online"

    def __init__(self, records: StudyRecords, api: Any = None) -> None:
        tracked = rows.tracked(records.study)
        given = tracked.spec.tracking.wandb
        self._api = api or wandb.Api()
        self._path = f"{given.entity}/{given.project}" if given.entity else given.project
        hashes = rows.hashes(records.study, records.sessions)
        self._filters = {"config.study_hash": {"$in": hashes}, "config.profile": tracked.profile}
        self._runs: dict[str, Any] = {}

    def standing(self) -> dict[str, ExistingRun]:
        self._runs = {_key(run.id): run for run in self._found()}
        return {key: ExistingRun(list(run.scan_history()), dict(run.summary)) for key, run in self._runs.items()}

    def _found(self) -> list[Any]:
        try:
            return list(self._api.runs(self._path, filters=self._filters))
        except ValueError as error:  # W&B's word for a project without a run
            if "could not find project" in str(error).lower():
                return []
            raise

    def remove(self, key: str) -> None:
        self._runs[key].delete()

    def make_room(self, key: str) -> None:
        """Nothing: a run that is written under an id that stands replaces it; a deleted id could not be used again."""


@dataclass(frozen=True)
class Outcome:
    """What a synchronisation did, by unit.

    Attributes:
        different: Units whose run still differs from the ledger.
    """

    kept: int
    written: tuple[str, ...]
    removed: tuple[str, ...]
    different: tuple[str, ...]
    left_out: int

    def __str__(self) -> str:
        lines = [f"{self.kept} runs were right, {len(self.written)} written, {len(self.removed)} removed"]
        if self.left_out:
            lines.append(f"{self.left_out} units that are being trained were left out")
        if self.different:
            more = f" and {len(self.different) - _NAMED} more" if len(self.different) > _NAMED else ""
            lines.append(f"not as in the ledger: {', '.join(self.different[:_NAMED])}{more}")
        else:
            lines.append("every epoch of every unit is there once, as in the ledger")
        return "\n".join(lines)


def synchronise(records: StudyRecords, mirror: Mirror) -> Outcome:
    """Writes and removes runs until the mirror says what the ledger does, then reads it again."""
    tracked = rows.tracked(records.study)
    trained = [u for u in records.units if tracked.has_run(u.unit) and u.epochs]
    settled = [u for u in trained if u.result is not None] if has_driver(records.layout.lock) else trained
    wanted = {w.key: w for w in (_wanted(records, u) for u in settled)}
    before = mirror.standing()
    missing = [w for key, w in wanted.items() if key not in before or not w.is_told_by(before[key])]
    for one in missing:
        mirror.make_room(one.key)
        _write(records.layout, tracked, mirror.mode, one)
    superseded = set(_keys_of_attempts(records.layout, settled)) - set(wanted)
    replaced = [key for key in before if key in superseded]
    for key in replaced:
        mirror.remove(key)
    after, wrong = _read_again(mirror, wanted)
    return Outcome(
        kept=len(wanted) - len(missing),
        written=tuple(str(w.proposal.unit) for w in missing),
        removed=tuple(replaced),
        different=(*wrong, *(key for key in replaced if key in after)),
        left_out=len(trained) - len(settled),
    )


def _read_again(mirror: Mirror, wanted: dict[str, ExpectedRun]) -> tuple[dict[str, ExistingRun], list[str]]:
    """Every run, and the units whose run is not as wanted: W&B may still be writing for a moment after a run's end."""
    until = time.monotonic() + _SETTLED_SECONDS
    while True:
        after = mirror.standing()
        wrong = [str(w.proposal.unit) for key, w in wanted.items() if key not in after or not w.is_told_by(after[key])]
        if not wrong or time.monotonic() > until:
            return after, wrong
        time.sleep(0.2)


def _wanted(records: StudyRecords, unit: UnitRecords) -> ExpectedRun:
    result, layout = unit.result, records.layout
    token = result.attempt if result else max(_tokens(layout, unit))
    complete = result is not None and result.status == "complete"
    commit = rows.commit_of(records.sessions, _started_at(layout, unit, token))
    computed = Computation(result.backend, result.device, commit) if result else Computation(commit=commit)
    return ExpectedRun(computed, unit.proposal, token, unit.epochs, result.seeds if result else (), complete)


def _started_at(layout: Layout, unit: UnitRecords, token: str) -> str:
    try:
        return str(read_sealed(layout.attempt(unit.unit, token) / "lease.json")["started_at"])
    except (FileNotFoundError, RecordError, KeyError):
        return unit.proposal.proposed_at


def _tokens(layout: Layout, unit: UnitRecords) -> list[str]:
    return [path.name for path in layout.attempts(unit.unit).iterdir() if path.is_dir()]


def _keys_of_attempts(layout: Layout, units: Sequence[UnitRecords]) -> Iterator[str]:
    return (_key(rows.run_id("", u.unit, token)) for u in units for token in _tokens(layout, u))


def _key(run_id: str) -> str:
    """What is left of a run's id without the study's hash, which changes when the study is extended."""
    return run_id.partition("-")[2]


def _write(layout: Layout, tracked: TrackedStudy, mode: str, wanted: ExpectedRun) -> None:
    run = UnitRun(layout, tracked, wanted.computed, mode, wanted.proposal, wanted.token, _SENT_SECONDS)
    try:
        run.epochs(wanted.records)
        if wanted.outcomes:
            run.outcomes(wanted.outcomes)
    finally:
        run.finish(exit_code=0 if wanted.outcomes else 1)


def _read(path: Path) -> ExistingRun:
    try:
        run = read_run(path)
    except DamagedError:
        return ExistingRun((), {})
    return ExistingRun(run.history, run.summary)


def _holds(row: Row, wanted: Row) -> bool:
    return all(value is None or (key in row and _equal(row[key], value)) for key, value in wanted.items())


def _equal(told: Any, wanted: Any) -> bool:
    if isinstance(told, int | float) and isinstance(wanted, int | float):
        return math.isclose(told, wanted, rel_tol=1e-9)
    return bool(told == wanted)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 W&B says what the ledger does, 1 it does not, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m launch.tracking", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["sync"])
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>")
    parser.add_argument("--mode", choices=["auto", "online", "offline"], default="auto", help="default: the study's")
    given = parser.parse_args(arguments)
    try:
        records = scan(given.results)
        mode, reason = _mode(records, given.mode)
        outcome = synchronise(records, Server(records) if mode == "online" else OfflineFiles(records.layout))
        log_report(records, mode, _SENT_SECONDS)
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except Exception as error:
        if not is_of_wandb(error):
            raise
        print(_refusal(given.results, error), file=sys.stderr)
        return REFUSED
    finally:
        leave()
    print(f"W&B {mode} ({reason}): {outcome}")
    return DIFFERENT if outcome.different else EQUAL


def _mode(records: StudyRecords, given: str) -> tuple[Mode, str]:
    """Where the runs are, and why there. InputError where they should be on the server and cannot be."""
    decision = decide_mode(rows.tracked(records.study).spec.tracking.wandb.mode if given == "auto" else given)
    if given == "online" and decision.mode != "online":
        todo = "log in with `wandb login`, or leave --mode out"
        raise InputError(Problem(f"W&B cannot be reached ({decision.reason})", "--mode", given, todo=todo))
    return ("online" if decision.mode == "online" else "offline"), decision.reason


def _refusal(results: Path, error: Exception) -> InputError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    todo = "give the same command again when W&B answers; what it has by now is kept"
    return InputError(Problem("W&B refused, or cannot be reached", str(results), reason, todo=todo))
