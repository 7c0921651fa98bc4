"""Makes a mirror equal to the ledger, and says whether it is: the same for every mirror.

Each trained unit should have one run: that of the attempt that gave its result, or of its last attempt. A run that is
missing or lacks a row is written from the records; runs of attempts that were replaced are removed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from glifr.records import (
    EpochRecord,
    Layout,
    Proposal,
    RecordError,
    SeedOutcome,
    StudyRecords,
    UnitRecords,
    read_sealed,
)
from launch.ledger.lock import has_driver
from launch.tracking import rows as rows
from launch.tracking.rows import Computation, TrackedStudy
from launch.tracking.tracker import Run

Row = Mapping[str, Any]
_SETTLED_SECONDS = 10.0
_NAMED = 10
_SMALLEST = 1e-30  # below it numbers of 32 bits have no digits left


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
        return key_of(rows.run_id("", self.proposal.unit, self.token))

    def is_told_by(self, run: ExistingRun, layout: Layout) -> bool:
        """True if a run has each epoch once, with these numbers, and the final ones of a complete unit."""
        told = [row for row in run.history if "epoch" in row]
        wanted = rows.epoch_rows(self.proposal.unit, self.records)
        final = rows.summary(self.proposal.unit, self.outcomes) if self.complete else {}
        return (
            len(told) == len(wanted)
            and all(_holds(row, own, run.digits) for row, own in zip(told, wanted, strict=True))
            and _holds(run.summary, final, run.digits)
            and self._is_drawn_in(run, layout)
        )

    def _is_drawn_in(self, run: ExistingRun, layout: Layout) -> bool:
        """True if the run has the histograms of a complete unit, where it is known which it has."""
        if run.drawn is None or not self.complete:
            return True
        return rows.histograms(layout, self.proposal, self.outcomes).keys() <= set(run.drawn)

    def fill(self, run: Run) -> None:
        """Writes all of it into a run that is empty."""
        try:
            run.epochs(self.records)
            if self.outcomes:
                run.outcomes(self.outcomes)
        finally:
            run.finish(exit_code=0 if self.outcomes else 1)


@dataclass(frozen=True)
class ExistingRun:
    """A run that a mirror has.

    Attributes:
        digits: To how many digits it keeps numbers.
        drawn: The names of its histograms; None where these are not read.
    """

    history: Sequence[Row]
    summary: Row
    digits: int = 9
    drawn: Collection[str] | None = None

    @classmethod
    def of_series(
        cls,
        series: Mapping[str, Sequence[tuple[int, float]]],
        measures: Collection[str],
        digits: int,
        drawn: Collection[str],
    ) -> ExistingRun:
        """That of a mirror with one series a name, of steps and numbers; without rows if a step is there twice.

        Args:
            series: By name, each in the order in which it was written.
            measures: What rows of epochs have (`TrackedStudy.measures`); other series are final numbers.
            digits: See above.
            drawn: See above.
        """
        if any(len({step for step, _ in own}) < len(own) for own in series.values()):
            return NOTHING_OF_USE
        by_epoch: dict[int, dict[str, Any]] = {}
        for name, own in series.items():
            if name.partition("/")[0] in (*measures, rows.DIVERGED):
                for step, value in own:
                    by_epoch.setdefault(step, {"epoch": step})[name] = value
        history = [by_epoch[step] for step in sorted(by_epoch)]
        return cls(history, {name: own[-1][1] for name, own in series.items()}, digits, drawn)


NOTHING_OF_USE = ExistingRun((), {})  # a run that is there, but damaged, twice, or cut short


class Mirror(Protocol):
    """Where the runs are."""

    def standing(self) -> dict[str, ExistingRun]:
        """Every run, by its key; one that is there twice, or cannot be read, has no history."""
        ...

    def remove(self, key: str) -> None:
        """Takes a run away."""
        ...

    def make_room(self, key: str) -> None:
        """Called before a run is written that may be there in part."""
        ...

    def begin(self, tracked: TrackedStudy, wanted: ExpectedRun) -> Run:
        """An empty run, to be filled."""
        ...


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
    missing = [w for key, w in wanted.items() if key not in before or not w.is_told_by(before[key], records.layout)]
    for one in missing:
        mirror.make_room(one.key)
        one.fill(mirror.begin(tracked, one))
    superseded = set(_keys_of_attempts(records.layout, settled)) - set(wanted)
    replaced = [key for key in before if key in superseded]
    for key in replaced:
        mirror.remove(key)
    after, wrong = _read_again(mirror, wanted, records.layout)
    return Outcome(
        kept=len(wanted) - len(missing),
        written=tuple(str(w.proposal.unit) for w in missing),
        removed=tuple(replaced),
        different=(*wrong, *(key for key in replaced if key in after)),
        left_out=len(trained) - len(settled),
    )


def _read_again(
    mirror: Mirror, wanted: dict[str, ExpectedRun], layout: Layout
) -> tuple[dict[str, ExistingRun], list[str]]:
    """Every run, and the units whose run is not as wanted: W&B may still be writing for a moment after a run's end."""
    until = time.monotonic() + _SETTLED_SECONDS
    while True:
        after = mirror.standing()
        wrong = [
            str(w.proposal.unit)
            for key, w in wanted.items()
            if key not in after or not w.is_told_by(after[key], layout)
        ]
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
    return (key_of(rows.run_id("", u.unit, token)) for u in units for token in _tokens(layout, u))


def key_of(run_id: str) -> str:
    """What is left of a run's id without the study's hash, which changes when the study is extended."""
    return run_id.partition("-")[2]


def _holds(row: Row, wanted: Row, digits: int) -> bool:
    return all(value is None or (key in row and _equal(row[key], value, digits)) for key, value in wanted.items())


def _equal(told: Any, wanted: Any, digits: int) -> bool:
    if isinstance(told, int | float) and isinstance(wanted, int | float):
        return math.isclose(told, wanted, rel_tol=10.0**-digits, abs_tol=_SMALLEST)
    return bool(told == wanted)
