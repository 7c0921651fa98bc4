"""Judging a study that was disturbed: is it the undisturbed one, and what did the disturbance cost?"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from small_study import new_conductor

from glifr.records import read_epochs, scan
from launch.planning.plan import StudyPlan

# what may differ between two runs of the same study: time, attempt and host
_LEFT_OUT = ("attempts", "failures", "last_failure", "resumed", "repeated_epochs", "started_at", "finished_at")
_LEFT_OUT += ("seconds", "network", "device")
_TABLES = ("seeds", "silencing")


def comparable(root: Path) -> dict[str, bytes]:
    """The bytes of the tables of seeds and silencing, without the columns of time, attempt and host."""
    return {name: _without_columns(root / "tables" / f"{name}.csv") for name in _TABLES}


def _without_columns(path: Path) -> bytes:
    rows = list(csv.DictReader(path.read_text().splitlines()))
    out = io.StringIO()
    writer = csv.DictWriter(out, [c for c in rows[0] if c not in _LEFT_OUT], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def results(root: Path) -> dict[Path, bytes]:
    """Every published result as it stands."""
    return {path: path.read_bytes() for path in root.glob("units/*/*/*/result.json")}


@dataclass(frozen=True)
class Cost:
    """Of one study. interrupted: attempts without result. repeated: epochs of a unit recorded by two attempts."""

    interrupted: int
    repeated: int


def cost(root: Path) -> Cost:
    attempts = Counter(path.parent.parent for path in root.glob("units/*/*/*/attempts/*"))
    repeated = sum(_repeated(unit) for unit in attempts)
    return Cost(sum(attempts.values()) - len(attempts), repeated)


def _repeated(unit: Path) -> int:
    """Epochs that more than one attempt at a unit has recorded, each counted once a repetition, whatever its seeds."""
    done: Counter[int] = Counter()
    for path in unit.glob("attempts/*/epochs.jsonl"):
        done.update({record.epoch for record in read_epochs(path).records})
    return sum(count - 1 for count in done.values())


def restarted(root: Path) -> int:
    """Attempts that recorded a unit's first epoch after an earlier attempt had."""
    firsts = Counter(
        path.parents[2]
        for path in root.glob("units/*/*/*/attempts/*/epochs.jsonl")
        if any(record.epoch == 1 for record in read_epochs(path).records)
    )
    return sum(count - 1 for count in firsts.values())


def lost(root: Path, plan: StudyPlan) -> int:
    """Units that were planned and have no result."""
    done = Counter((u.unit.condition, u.unit.stage) for u in scan(root).units if u.result is not None)
    planned = {(name, stage): n for name, own in plan.conditions.items() for stage, n in own.planned.items()}
    return sum(max(0, n - done[key]) for key, n in planned.items())


def left_running(root: Path, plan: StudyPlan) -> int:
    """Trials that Optuna would hold as running, were the study opened again."""
    searches = [run._search for run in new_conductor(plan, root)._runs]
    return sum(search.running for search in searches if search is not None)
