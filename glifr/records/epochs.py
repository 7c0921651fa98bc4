"""The epoch records of an attempt: a line an epoch and seed, appended while it runs, each with a sum of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glifr.records.reading import RecordError, read_bytes
from glifr.records.schema import EpochRecord, UnitResult

_END = re.compile(rb', "sum": "([0-9a-f]{16})"}$')


@dataclass(frozen=True)
class EpochLines:
    """What an `epochs.jsonl` holds.

    Attributes:
        records: The records that can be trusted.
        problems: The lines that cannot be trusted, which are left out.
    """

    records: tuple[EpochRecord, ...]
    problems: tuple[str, ...]


def epoch_line(record: EpochRecord) -> str:
    """The record as a line of JSON, which ends with the sum of what stands before."""
    body = json.dumps(record.to_json(), allow_nan=False)
    return f'{body[:-1]}, "sum": "{_sum(body.encode())}"}}\n'


def read_epochs(path: Path) -> EpochLines:
    """An attempt's epoch records. An absent file is empty; a last line without an end was torn by a crash."""
    records, problems = [], []
    try:
        *lines, _torn = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return EpochLines((), ())
    except RecordError as error:
        return EpochLines((), (str(error),))
    for number, line in enumerate(lines, 1):
        try:
            records.append(_record(line))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            problems.append(f"{path}: line {number} cannot be trusted ({error})")
    return EpochLines(tuple(records), tuple(problems))


def _record(line: bytes) -> EpochRecord:
    end = _END.search(line)
    if end is None:  # folders of earlier versions have no sum
        return EpochRecord.from_json(json.loads(line))
    body = line[: end.start()] + b"}"
    if _sum(body) != end[1].decode():
        raise ValueError("its sum does not fit")
    return EpochRecord.from_json(json.loads(body))


def _sum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


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
