"""Before a study goes on: records that cannot be trusted are set aside and named, so that their units run again.

Many files at once that cannot be read, or that records name outside the folder, are no damage but a disk, a mount or a
permission: the study is refused, and everything is left where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glifr.errors import InputError, Problem
from glifr.records import STAGES, ForeignPathError, Layout, RecordError, UnitId, UnreadableError, read_sealed
from glifr.records.storage import tensor_files as checkpoints
from launch.ledger.durable import set_aside
from launch.ledger.units import Ledger

_UNREADABLE_AT_MOST = 3  # units; more are not bad luck with single files


@dataclass(frozen=True)
class _Fault:
    """A record of a unit that cannot be trusted. consequence: of setting it aside, in words."""

    unit: UnitId
    path: Path
    error: RecordError
    consequence: str


def set_damaged_aside(ledger: Ledger, conditions: list[str]) -> list[str]:
    """Sets damaged proposals, results, final networks' results and session records aside.

    Args:
        ledger: The ledger.
        conditions: The study's conditions.

    Returns:
        One sentence per record.

    Raises:
        InputError: A record names a file outside the folder, more than a few units cannot be read, or a file cannot be
            renamed. Nothing has then been set aside.
    """
    units = [unit for stage in STAGES for name in conditions for unit in ledger.units(stage, name)]
    faults = [fault for unit in units for fault in _faults(ledger, unit)]
    _refuse_what_is_no_damage(ledger.layout, faults)
    told = _provenance(ledger.layout)
    for fault in faults:
        _put_away(fault.path)
        told.append(f"{fault.unit}: {fault.consequence} ({fault.error})")
    for sentence in told:
        ledger.event("warning", sentence)
    return told


def _refuse_what_is_no_damage(layout: Layout, faults: list[_Fault]) -> None:
    foreign = [f for f in faults if isinstance(f.error, ForeignPathError)]
    if foreign:
        raise InputError(
            Problem(
                "a record names a file outside its results folder",
                str(foreign[0].path),
                str(foreign[0].error),
                "files in the folder itself; `units` may be a link to a folder elsewhere",
                "move the whole results folder, or only its `units`, and set a link there; nothing was changed",
            )
        )
    unreadable = [f for f in faults if isinstance(f.error, UnreadableError)]
    if len({f.unit for f in unreadable}) > _UNREADABLE_AT_MOST:
        raise InputError(
            Problem(
                f"files of {len({f.unit for f in unreadable})} units cannot be read",
                str(layout.units),
                str(unreadable[0].error),
                todo="look at the disk, the mount or the permissions, then give the same command; nothing was changed",
            )
        )


def damaged_study(layout: Layout) -> list[str]:
    """Sets a damaged study.json aside: it is written again, and each unit's own identity still guards it."""
    return _sealed(layout.study)


def _provenance(layout: Layout) -> list[str]:
    return _sealed(layout.provenance)


def _sealed(path: Path) -> list[str]:
    try:
        read_sealed(path)
    except FileNotFoundError:
        return []
    except RecordError as error:
        return [f"{error}; set aside as {_put_away(path).name}"]
    return []


def _faults(ledger: Ledger, unit: UnitId) -> Iterator[_Fault]:
    try:
        ledger.proposal(unit)
    except RecordError as error:
        yield _Fault(unit, ledger.layout.proposal(unit), error, "proposal set aside, it is made again")
    try:
        result = ledger.result(unit)
        for seed in result.seeds if result else ():
            if seed.network is not None:
                checkpoints.verify(ledger.layout.inside(seed.network.path), seed.network.sha256)
    except RecordError as error:
        yield _Fault(unit, ledger.layout.result(unit), error, "result set aside, the unit runs again")


def _put_away(path: Path) -> Path:
    """The path's new name. Raises InputError if the folder does not let it be renamed."""
    try:
        return set_aside(path)
    except OSError as error:
        todo = "mend the permissions of its folder, or remove the file"
        rule = "a record that cannot be used cannot be set aside either"
        raise InputError(Problem(rule, str(path), error.strerror or str(error), todo=todo)) from None
