"""`--status`: where a study stands, read from its folder by another shell, while it runs or after it has ended.

The table is the one of the live view; here it is made from the ledger alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from glifr.errors import InputError, Problem
from glifr.records import STAGES, Layout, Stage, StudyRecords, UnitId, UnitRecords, scan
from glifr.records.reading import RecordError, folders
from glifr.tasks import TASKS
from glifr.tasks.task import recorded_task
from launch.continuing import failures_command
from launch.jobs import Snapshot, StageCount
from launch.ledger.lock import has_driver
from launch.ledger.units import Ledger
from launch.planning.plan import Sizes, StudyPlan, make_plan
from launch.studyfile import Study
from launch.studyfile.conditions import ConditionSpec
from launch.terminal.failed_attempts import show_failures
from launch.terminal.progress import TimeLeft, clock, minute, table, totals

COMPLETE, INCOMPLETE = 0, 1
_WARNINGS = 5


@dataclass(frozen=True)
class StudyStatus:
    """A study, seen from outside.

    Attributes:
        driven: Whether a driver is at work.
        since: Start of the last session, in UTC.
        busy: Jobs that were computing at the same time in the last session, on average.
        seconds_left: None if unknown.
    """

    snapshot: Snapshot
    driven: bool
    since: datetime | None
    busy: float
    seconds_left: float | None
    warnings: tuple[str, ...]


def show_status(study: Study, root: Path, console: Console, given: Sequence[str] = (), failures: bool = False) -> int:
    """Prints where the study stands; 0 if every final network and its silencing is done, else 1.

    A task that is not of this project is the one on record: its code is not imported, its data are not read. given: the
    command's words. failures: whether each failed attempt is printed, too.
    """
    if not os.path.lexists(Layout(root).study):
        todo = "start it with the same command without --status"
        raise InputError(Problem("this study has no results yet", str(root), "no study.json", todo=todo))
    records = scan(root)
    if study.spec.task.name not in TASKS:
        study.spec.task.take_recorded(recorded_task(records.study["task"]))
    study, sizes = _with_recorded_networks(study, records.study)
    plan = make_plan(study, "", sizes)  # sizes are not computed: that takes torch
    plan = plan.asking(records.looks[-1].asks) if records.looks else plan
    found = standing(plan, records)
    console.print(table(found.snapshot))
    for line in _lines(found):
        console.print(Text(line, style="dim"))
    if failures:
        show_failures(records, found.driven, console)
    elif count := sum(len(unit.failures) for unit in records.units):
        console.print(f"{count} failed attempts; each with its traceback: {failures_command(given)}", soft_wrap=True)
    counts = [stages[s] for stages in found.snapshot.counts.values() for s in ("final", "silencing")]
    return COMPLETE if all(count.complete >= count.planned for count in counts) else INCOMPLETE


def _with_recorded_networks(study: Study, body: Mapping[str, Any]) -> tuple[Study, dict[str, Sizes]]:
    """The study with what is on record of its networks from outside, and the sizes of all networks.

    A condition that is not on record yet has no size.
    """
    conditions, recorded = dict(study.spec.conditions), body["conditions"]
    for name in [name for name, own in conditions.items() if own.network is not None]:
        known = body["spec"]["conditions"].get(name, {}).get("network")
        if known is not None and known["name"] == conditions[name].network_name:
            given = {**conditions[name].given, "network": known}
            conditions[name] = ConditionSpec.model_construct(_fields_set=set(given), **given)
    sizes = {n: Sizes(own["hidden_size"], own["trained_parameters"]) for n, own in recorded.items()}
    read = replace(study, spec=study.spec.model_copy(update={"conditions": conditions}))
    return read, dict.fromkeys(conditions, Sizes(0, 0)) | sizes


def standing(plan: StudyPlan, records: StudyRecords, now: datetime | None = None) -> StudyStatus:
    """What the folder says of the study. now: for tests; else the driver's time at its last heartbeat."""
    driven = has_driver(records.layout.lock)
    since = datetime.fromisoformat(records.sessions[-1]["started_at"]) if records.sessions else None
    if driven and since is not None:
        now = now or since + timedelta(seconds=_stamp(records.layout.lock) - _stamp(records.layout.provenance))
    units = [u for u in records.units if u.unit.condition in plan.conditions]
    running = [u for u in units if driven and _runs(records.layout, u)]
    snapshot = _snapshot(plan, units, running)
    busy = _busy(units, running, since, now if driven else None)
    work_left = _work_left(plan, units).seconds(snapshot)
    left = work_left / busy if driven and work_left is not None and busy else None
    return StudyStatus(snapshot, driven, since, busy, left, tuple(_warnings(records.layout)))


def _stamp(path: Path) -> float:
    """When the file was last written, in seconds by the file system's clock: a host's own may be minutes off."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _runs(layout: Layout, unit: UnitRecords) -> bool:
    """True if the unit has an attempt of this session, whose start wrote provenance.json, that has not ended."""
    if unit.result is not None or unit.attempts <= len(unit.failures):
        return False
    return max(map(_stamp, _attempts(layout, unit.unit)), default=0.0) >= _stamp(layout.provenance)


def _attempts(layout: Layout, unit: UnitId) -> list[Path]:
    try:
        return folders(layout.attempts(unit))
    except RecordError:  # named by `scan`
        return []


def _snapshot(plan: StudyPlan, units: Sequence[UnitRecords], running: Sequence[UnitRecords]) -> Snapshot:
    def of(some: Iterable[UnitRecords], name: str, stage: Stage) -> list[UnitRecords]:
        return [u for u in some if (u.unit.condition, u.unit.stage) == (name, stage)]

    def count(name: str, stage: Stage) -> StageCount:
        own = of(units, name, stage)
        ended = [u.result.status for u in own if u.result is not None]
        failed = sum(u.result is None and 0 < u.attempts <= len(u.failures) for u in own)
        planned = plan.conditions[name].planned[stage]
        return StageCount(
            planned, len(of(running, name, stage)), ended.count("complete"), ended.count("pruned"), failed
        )

    return Snapshot(
        counts={name: {stage: count(name, stage) for stage in STAGES} for name in plan.conditions},
        under_way={
            name: {stage: sum(_done(plan, u) for u in of(running, name, stage)) for stage in STAGES}
            for name in plan.conditions
        },
        best={name: _best(of(units, name, "search") + of(units, name, "confirm")) for name in plan.conditions},
        failures={},
        errors={},
    )


def _done(plan: StudyPlan, unit: UnitRecords) -> float:
    """The share of a unit's epochs that it has done."""
    if unit.unit.stage == "silencing":
        return float(unit.result is not None)
    return max((e.epoch for e in unit.epochs), default=0) / plan.study.spec.epochs(unit.unit.stage, unit.unit.condition)


def _best(tuned: Iterable[UnitRecords]) -> float | None:
    values = [u.result.value for u in tuned if u.result is not None and u.result.status == "complete"]
    return min((v for v in values if v is not None), default=None)


def _work_left(plan: StudyPlan, units: Iterable[UnitRecords]) -> TimeLeft:
    """The time left on one slot, from what every unit so far took."""
    found = TimeLeft(plan, slots=1, live=False)
    for unit in units:
        if done := _done(plan, unit):
            found.worked(unit.unit.condition, unit.unit.stage, done, _seconds(unit))
    return found


def _seconds(unit: UnitRecords) -> float:
    return unit.result.seconds if unit.result is not None else sum(e.seconds for e in unit.epochs)


def _busy(
    units: Iterable[UnitRecords], running: Iterable[UnitRecords], since: datetime | None, now: datetime | None
) -> float:
    """Seconds computed in the last session by second of it; until `now`, or the last result of an ended session."""
    if since is None:
        return 0.0
    ended = [(datetime.fromisoformat(u.result.finished_at), u) for u in units if u.result is not None]
    own = [(at, u) for at, u in ended if at >= since]
    until = now or max((at for at, _ in own), default=since)
    seconds = sum(_seconds(u) for _, u in own) + sum(_seconds(u) for u in running)
    return seconds / wall if (wall := (until - since).total_seconds()) > 0 else 0.0


def _warnings(layout: Layout) -> list[str]:
    """The last warnings and errors of the driver, newest last; a line that a crash tore is left out."""
    try:
        events = Ledger(layout.root).events()
    except RecordError as error:
        return [str(error)]
    told = [event for event in events if event.get("kind") in ("warning", "error")][-_WARNINGS:]
    return [f"{minute(event.get('at'))}  {str(event.get('message')).splitlines()[0]}" for event in told]


def _lines(found: StudyStatus) -> list[str]:
    ended, planned = totals(found.snapshot)
    since = f" since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else ""
    at_work = f"running{since}" if found.driven else "not running"
    left = clock(0.0 if ended >= planned else found.seconds_left)
    lines = [
        f"{ended}/{planned} units   {at_work}   {found.busy:.1f} jobs computing at a time   left about {left}",
    ]
    return [*lines, *(["last warnings:"] if found.warnings else []), *(f"  {text}" for text in found.warnings)]
