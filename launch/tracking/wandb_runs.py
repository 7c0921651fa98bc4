"""W&B's runs as they stand: in the files below RESULTS/wandb, or in the project on the server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import wandb

from glifr.records import Layout, StudyRecords
from launch.tracking import rows as rows
from launch.tracking.back_fill import NOTHING_OF_USE, ExistingRun, ExpectedRun, key_of
from launch.tracking.login import Mode
from launch.tracking.offline_files import DamagedError, read_run
from launch.tracking.rows import TrackedStudy
from launch.tracking.tracker import Run
from launch.tracking.wandb_run import UnitRun

SENT_SECONDS = 120.0  # for a run to be sent: here somebody waits for just that


class OfflineFiles:
    """The files below RESULTS/wandb."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._runs: dict[str, list[Path]] = {}

    def standing(self) -> dict[str, ExistingRun]:
        self._runs = {}
        for path in sorted(self._layout.wandb.glob("*run-*/run-*.wandb")):
            self._runs.setdefault(key_of(path.stem.removeprefix("run-")), []).append(path)
        return {k: _read(paths[0]) if len(paths) == 1 else NOTHING_OF_USE for k, paths in self._runs.items()}

    def remove(self, key: str) -> None:
        for path in self._runs.pop(key, ()):
            shutil.rmtree(path.parent)

    def make_room(self, key: str) -> None:
        self.remove(key)

    def begin(self, tracked: TrackedStudy, wanted: ExpectedRun) -> Run:
        return _begun(self._layout, tracked, wanted, "offline")


class Server:
    """The study's project on W&B's server. api: a `wandb.Api`."""

    def __init__(self, records: StudyRecords, api: Any = None) -> None:
        self._layout, tracked = records.layout, rows.tracked(records.study)
        given = tracked.spec.tracking.wandb
        self._api = api or wandb.Api()
        self._path = f"{given.entity}/{given.project}" if given.entity else given.project
        hashes = rows.hashes(records.study, records.sessions)
        self._filters = {"config.study_hash": {"$in": hashes}, "config.profile": tracked.profile}
        self._runs: dict[str, Any] = {}

    def standing(self) -> dict[str, ExistingRun]:
        self._runs = {key_of(run.id): run for run in self._found()}
        return {key: ExistingRun(list(run.scan_history()), dict(run.summary)) for key, run in self._runs.items()}

    def _found(self) -> list[Any]:
        try:
            return list(self._api.runs(self._path, filters=self._filters))
        except ValueError as error:  # W&B's word for a project without a run
            if "could not find project" in str(error).lower():
                return []
            raise

    def remove(self, key: str) -> None:
        self._runs[key].delete()

    def make_room(self, key: str) -> None:
        """Nothing: a run that is written under an id that stands replaces it; a deleted id could not be used again."""

    def begin(self, tracked: TrackedStudy, wanted: ExpectedRun) -> Run:
        return _begun(self._layout, tracked, wanted, "online")


def _begun(layout: Layout, tracked: TrackedStudy, wanted: ExpectedRun, mode: Mode) -> Run:
    return UnitRun(layout, tracked, wanted.computed, mode, wanted.proposal, wanted.token, SENT_SECONDS)


def _read(path: Path) -> ExistingRun:
    try:
        run = read_run(path)
    except DamagedError:
        return NOTHING_OF_USE
    return ExistingRun(run.history, run.summary)
