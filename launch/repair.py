"""Before a study goes on: records that cannot be trusted are set aside and named, so that their units run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from glifr import checkpoints
from glifr.records import STAGES, Layout, RecordError, UnitId, read_sealed
from launch.durable import set_aside
from launch.ledger import Ledger


def set_damaged_aside(ledger: Ledger, conditions: list[str]) -> list[str]:
    """Sets damaged proposals, results, final networks' results and session records aside; a sentence for each."""
    units = [unit for stage in STAGES for name in conditions for unit in ledger.units(stage, name)]
    told = [*_provenance(ledger.layout), *(sentence for unit in units for sentence in _unit(ledger, unit))]
    for sentence in told:
        ledger.event("warning", sentence)
    return told


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
        return [f"{error}; set aside as {set_aside(path).name}"]
    return []


def _unit(ledger: Ledger, unit: UnitId) -> Iterator[str]:
    try:
        ledger.proposal(unit)
    except RecordError as error:
        yield f"{unit}: proposal set aside, it is made again ({_put_away(ledger.layout.proposal(unit), error)})"
    try:
        result = ledger.result(unit)
        for seed in result.seeds if result else ():
            if seed.network is not None:
                checkpoints.verify(ledger.layout.inside(seed.network.path), seed.network.sha256)
    except (RecordError, checkpoints.CheckpointError, ValueError) as error:
        yield f"{unit}: result set aside, the unit runs again ({_put_away(ledger.layout.result(unit), error)})"


def _put_away(path: Path, error: Exception) -> str:
    set_aside(path)
    return str(error)
