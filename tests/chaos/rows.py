"""The CSV files that `make chaos` fills, row by row, so that it can be stopped and goes on where it was."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reliability"


class Rows:
    """One CSV file; a row is on the disk when `add` returns."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path, self._columns = path, columns

    def all(self) -> list[dict[str, str]]:
        """What is there."""
        if not self._path.exists():
            return []
        with self._path.open(newline="") as stream:
            return list(csv.DictReader(stream))

    def add(self, row: Mapping[str, Any]) -> None:
        """One row more."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self._path.exists()
        with self._path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, self._columns, lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerow(row)


@dataclass(frozen=True)
class Record:
    """All files of one campaign."""

    folder: Path = FOLDER

    @property
    def kills(self) -> Rows:
        return Rows(self.folder / "kills.csv", ("part", "study", "what", "after_s", "units_done"))

    @property
    def studies(self) -> Rows:
        """One row a study that was disturbed by kills."""
        counts = ("kills", "exit_code", "same", "lost", "changed", "interrupted", "repeated", "optuna_running")
        return Rows(self.folder / "studies.csv", ("part", "study", *counts))

    @property
    def write_points(self) -> Rows:
        return Rows(
            self.folder / "write_points.csv", ("operation", "number", "of", "killed", "exit_code", "same", "lost")
        )

    @property
    def corruptions(self) -> Rows:
        return Rows(self.folder / "corruptions.csv", ("number", "file", "kind", "named", "used"))

    @property
    def bare_tune(self) -> Rows:
        return Rows(self.folder / "bare_tune.csv", ("system", "kills", "trials", "lost", "twice", "restarted"))

    @property
    def mishaps(self) -> Rows:
        counts = ("exit_code", "units_done", "units_planned", "same", "ledger_intact", "seen")
        return Rows(self.folder / "mishaps.csv", ("mishap", *counts))
