"""Reads a results folder back: every unit with its proposal, result, epochs and failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glifr.errors import InputError, Problem
from glifr.records.envelope import read_sealed
from glifr.records.epochs import missing_epochs, read_epochs
from glifr.records.layout import FAILURE_FILE, Layout
from glifr.records.looks import Look
from glifr.records.reading import RecordError, folders, listing
from glifr.records.schema import STAGES, EpochRecord, FailureRecord, Proposal, UnitId, UnitResult


@dataclass(frozen=True)
class UnitRecords:
    """Everything on disk about one unit.

    Attributes:
        unit: The unit.
        proposal: What it was to run.
        result: Its result, None where there is none.
        epochs: Its epoch records.
        attempts: Number of attempts.
        failures: Why attempts failed, oldest first.
        resumed: Attempts that went on from a checkpoint.
        repeated_epochs: Epoch records that a later attempt wrote again.
    """

    unit: UnitId
    proposal: Proposal
    result: UnitResult | None
    epochs: tuple[EpochRecord, ...]
    attempts: int
    failures: tuple[FailureRecord, ...]
    resumed: int = 0
    repeated_epochs: int = 0


@dataclass(frozen=True)
class StudyRecords:
    """One results folder. `study` is the body of study.json; `problems` names each file that could not be trusted."""

    layout: Layout
    study: dict[str, Any]
    sessions: list[dict[str, Any]]
    units: tuple[UnitRecords, ...]
    problems: tuple[str, ...] = field(default_factory=tuple)
    looks: tuple[Look, ...] = ()


_UNUSABLE = (RecordError, KeyError, TypeError, ValueError, AttributeError)  # damaged, or of another version


def _unit(layout: Layout, unit: UnitId, problems: list[str]) -> UnitRecords | None:
    try:
        proposal = Proposal.from_json(read_sealed(layout.proposal(unit)))
    except (FileNotFoundError, *_UNUSABLE) as error:
        problems.append(f"{unit}: no usable proposal ({_said(error)})")
        return None
    result = None
    try:
        result = UnitResult.from_json(read_sealed(layout.result(unit)))
    except FileNotFoundError:
        pass
    except _UNUSABLE as error:
        problems.append(f"{unit}: result not used ({_said(error)})")
    attempts = _attempts(layout, unit, problems)
    epochs: dict[tuple[int, int], EpochRecord] = {}
    failures: list[FailureRecord] = []
    written = resumed = 0
    # the publishing attempt last: where two attempts ran the same epoch, its records are the ones that count
    attempts.sort(key=lambda p: (result is not None and p.name == result.attempt, p.name))
    for folder in attempts:
        lines = read_epochs(folder / "epochs.jsonl")
        epochs.update({(e.seed, e.epoch): e for e in lines.records})
        problems += [f"{unit}: {problem}" for problem in lines.problems]
        written += len(lines.records)
        resumed += bool(lines.records) and min(e.epoch for e in lines.records) > 1
        try:
            with suppress(FileNotFoundError):
                failures.append(FailureRecord.from_json(folder.name, read_sealed(folder / FAILURE_FILE)))
        except _UNUSABLE as error:
            problems.append(f"{unit}: failure of {folder.name} not used ({_said(error)})")
    ordered = tuple(epochs[key] for key in sorted(epochs))
    if result is not None:
        problems += [f"{unit}: {missing}" for missing in missing_epochs(result, ordered)]
    repeated = written - len(ordered)
    return UnitRecords(unit, proposal, result, ordered, len(attempts), tuple(failures), resumed, repeated)


def _said(error: Exception) -> str:
    """What is wrong with a record; a field too many or too few is the mark of another version."""
    if isinstance(error, KeyError | TypeError):
        return f"written by another version of this project: {str(error).removeprefix('UnitResult.__init__() ')}"
    return str(error)


def scan(root: Path) -> StudyRecords:
    """Reads a results folder.

    Args:
        root: The folder. Single units in it that cannot be read are named in `problems` and left out.

    Returns:
        Its records.

    Raises:
        InputError: It is not a results folder, or its study.json cannot be trusted.
    """
    layout = Layout(root)
    try:
        study = read_sealed(layout.study)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            Problem(
                "this is not a results folder",
                str(root),
                _what_is_there(root),
                allowed="a folder with a study.json, as results/<study>/<profile>/",
                todo="give the folder that `python launch/study.py` printed",
            )
        ) from None
    except RecordError as error:
        allowed, todo = "the file as it was written", "give the study's command again, which writes it anew"
        rule = "the results folder's study.json cannot be used"
        found = str(error).removeprefix(f"{layout.study}: ")
        raise InputError(Problem(rule, str(layout.study), found, allowed, todo)) from None
    problems: list[str] = []
    try:
        sessions = read_sealed(layout.provenance)
    except (FileNotFoundError, RecordError) as error:
        sessions = []
        problems.append(f"provenance not used ({error})")
    units = tuple(_units(layout, problems))
    looks: tuple[Look, ...] = ()
    try:
        looks = read_looks(layout)
    except RecordError as error:
        problems.append(f"looks not used ({error})")
    return StudyRecords(layout, study, sessions, units, tuple(problems), looks)


def read_looks(layout: Layout) -> tuple[Look, ...]:
    """The looks that a study has taken, in order; RecordError if one cannot be trusted or is missing between others."""
    numbers = sorted(int(path.stem) for path in listing(layout.looks) if path.suffix == ".json" and path.stem.isdigit())
    if numbers != list(range(1, len(numbers) + 1)):
        raise RecordError(f"{layout.looks}: the looks are numbered {numbers}, so one is missing")
    return tuple(_look(layout, number) for number in numbers)


def _look(layout: Layout, number: int) -> Look:
    path = layout.look(number)
    try:
        look = Look.from_json(read_sealed(path))
    except (FileNotFoundError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path}: not a look of this version ({error})") from None
    if look.number != number:
        raise RecordError(f"{path}: the record of another look, {look.number}")
    return look


def _what_is_there(root: Path) -> str:
    if not root.exists():
        return "nothing of that name"
    return "a folder without a study.json" if root.is_dir() else "a file"


def _units(layout: Layout, problems: list[str]) -> Iterator[UnitRecords]:
    for stage in STAGES:
        units = []
        for path in (path for search in _listed(layout.units / stage, problems) for path in _listed(search, problems)):
            try:
                units.append(layout.unit_at(path))
            except ValueError:
                problems.append(f"{path.relative_to(layout.root)}: not a unit's folder, left out")
        for unit in sorted(units, key=lambda u: (u.condition, u.repeat, u.number)):
            if found := _unit(layout, unit, problems):
                yield found


def _listed(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return listing(folder)
    except RecordError as error:
        problems.append(str(error))
        return []


def _attempts(layout: Layout, unit: UnitId, problems: list[str]) -> list[Path]:
    try:
        return folders(layout.attempts(unit))
    except RecordError as error:
        problems.append(f"{unit}: {error}")
        return []
