"""The epoch records of an attempt: a line an epoch and seed, appended while it runs, each with a sum of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glifr.records.envelope import digest
from glifr.records.schema import EpochRecord, UnitResult

_SUM = "sum"
_SUM_DIGITS = 16


@dataclass(frozen=True)
class EpochLines:
    """What an `epochs.jsonl` holds. problems: the lines that cannot be trusted, which are left out."""

    records: tuple[EpochRecord, ...]
    problems: tuple[str, ...]


def epoch_line(record: EpochRecord) -> str:
    """The record as a line of JSON with its sum."""
    body = record.to_json()
    return json.dumps({**body, _SUM: digest(body)[:_SUM_DIGITS]}, allow_nan=False) + "\n"


def read_epochs(path: Path) -> EpochLines:
    """An attempt's epoch records. An absent file is empty; a last line without an end was torn by a crash."""
    if not path.exists():
        return EpochLines((), ())
    records, problems = [], []
    *lines, _torn = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            records.append(_record(line))
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"{path}: line {number} cannot be trusted ({error})")
    return EpochLines(tuple(records), tuple(problems))


def _record(line: bytes) -> EpochRecord:
    row = json.loads(line)
    summed = row.pop(_SUM, None) is not None  # folders of earlier versions have none
    record = EpochRecord.from_json(row)
    if summed and epoch_line(record).encode() != line + b"\n":
        raise ValueError("its sum does not fit")
    return record


def missing_epochs(result: UnitResult, records: Iterable[EpochRecord]) -> list[str]:
    """For each seed of a result whose records are not complete, what is missing."""
    found: dict[int, set[int]] = {}
    for record in records:
        found.setdefault(record.seed, set()).add(record.epoch)
    told = []
    for outcome in result.seeds:
        there = len(found.get(outcome.seed, set()) & set(range(1, outcome.epochs + 1)))
        if there < outcome.epochs:
            told.append(f"seed {outcome.seed} has {there} of {outcome.epochs} epoch records")
    return told
