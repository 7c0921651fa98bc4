"""`--status --failures`: each failed attempt at a unit, what followed, and its traceback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from glifr.records import FAILURE_FILE, FailureRecord, StudyRecords, UnitId, UnitRecords
from glifr.records.reading import RecordError
from launch.continuing import short
from launch.ledger.units import Ledger
from launch.terminal.progress import minute

_INDENT = "    "


@dataclass(frozen=True)
class FailedAttempt:
    """A failed attempt.

    Attributes:
        followed: What became of the unit.
        file: The record of the failure.
    """

    unit: UnitId
    failure: FailureRecord
    followed: str
    file: Path


def failed_attempts(records: StudyRecords, driven: bool) -> list[FailedAttempt]:
    """All that are on record, oldest first. driven: whether a driver is at work."""
    given_up = _given_up(Ledger(records.layout.root))
    found = [one for unit in records.units for one in _of(unit, records, given_up, driven)]
    return sorted(found, key=lambda one: (one.failure.at, one.unit, one.failure.attempt))


def _given_up(ledger: Ledger) -> set[str]:
    """The units whose last failure, as far as the study's log says, was not to be tried again in that session."""
    try:
        verdicts = {event["unit"]: event["again"] for event in ledger.events() if "unit" in event and "again" in event}
    except RecordError:
        return set()
    return {str(unit) for unit, again in verdicts.items() if not again}


def _of(unit: UnitRecords, records: StudyRecords, given_up: set[str], driven: bool) -> Iterator[FailedAttempt]:
    for number, failure in enumerate(unit.failures, 1):
        last = number == len(unit.failures)
        if unit.result is not None:
            followed = "tried again, and done since" if last else "tried again"
        elif not last or unit.attempts > len(unit.failures):
            followed = "tried again"
        elif str(unit.unit) in given_up:
            followed = "given up; the same command tries it again"
        else:
            followed = "waits for its next attempt" if driven else "the same command tries it again"
        file = records.layout.attempt(unit.unit, failure.attempt) / FAILURE_FILE
        yield FailedAttempt(unit.unit, failure, followed, file)


def show_failures(records: StudyRecords, driven: bool, console: Console) -> None:
    """Prints them. A traceback that several have is printed once."""
    found = failed_attempts(records, driven)
    console.print(f"\n{len(found) or 'no'} failed {'attempt' if len(found) == 1 else 'attempts'}")
    shown: dict[str, str] = {}
    for one in found:
        console.print(Text(f"\n{_head(one)}", style="bold"), soft_wrap=True)
        for line in _body(one, shown):
            console.print(Text(f"{_INDENT}{line}"), soft_wrap=True)
    for problem in (problem for problem in records.problems if FAILURE_FILE in problem):
        console.print(Text(f"\n{problem}"), soft_wrap=True)


def _name(one: FailedAttempt) -> str:
    return f"{one.unit}, attempt {one.failure.attempt.split('-')[0].lstrip('0')}"


def _head(one: FailedAttempt) -> str:
    where = f" on {one.failure.node}" if one.failure.node else ""
    return f"{_name(one)}: {one.failure.kind}{where}, {minute(one.failure.at)} UTC; {one.followed}"


def _body(one: FailedAttempt, shown: dict[str, str]) -> Iterator[str]:
    yield one.failure.message
    trace = one.failure.traceback.strip()
    if not trace:
        yield f"no traceback is on record ({short(one.file)})"
    elif trace in shown:
        yield f"traceback as of {shown[trace]} ({short(one.file)})"
    else:
        shown[trace] = _name(one)
        yield f"traceback ({short(one.file)}):"
        yield from (f"{_INDENT}{line}" for line in trace.splitlines())
