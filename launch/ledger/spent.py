"""What a study's earlier sessions have cost, from its records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glifr.records import Layout, RecordError, UnitResult, read_sealed


@dataclass(frozen=True)
class Spent:
    """What earlier sessions have spent.

    Attributes:
        hours: Wall time.
        slot_hours: How long jobs held a slot, that is, what one trial takes of a machine.
    """

    hours: float = 0.0
    slot_hours: float = 0.0


def spent(layout: Layout) -> Spent:
    """Over all sessions on record. One that was killed counts until the last unit that ended in it."""
    try:
        sessions: list[dict[str, Any]] = read_sealed(layout.provenance)
    except (FileNotFoundError, RecordError):
        return Spent()
    hours = slot_hours = 0.0
    for number, session in enumerate(sessions):
        start, used = _time(session["started_at"]), session.get("utilisation")
        if session.get("finished_at") and used:
            hours += (_time(session["finished_at"]) - start) / 3600
            slot_hours += used["occupied"] / 3600
        else:
            later = sessions[number + 1 :]
            ended = _ended_between(layout, start, _time(later[0]["started_at"]) if later else float("inf"))
            hours += max((_time(result.finished_at) - start for result in ended), default=0.0) / 3600
            slot_hours += sum(result.seconds for result in ended) / 3600
    return Spent(hours, slot_hours)


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _ended_between(layout: Layout, start: float, end: float) -> list[UnitResult]:
    found = []
    for path in layout.units.glob("*/*/*/result.json"):
        try:
            result = UnitResult.from_json(read_sealed(path))
        except (OSError, RecordError, KeyError, TypeError, ValueError):
            continue  # what damaged records become is told when the session begins
        if start <= _time(result.finished_at) < end:
            found.append(result)
    return found
