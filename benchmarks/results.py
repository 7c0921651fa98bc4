"""The files of a run: one CSV a table, one row a measurement, each row with the machine's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import LIBRARIES, load

TABLES: Mapping[str, tuple[str, ...]] = {
    "gate": ("case", "network", "backend", "dtype", "worst", "error", "allowed"),
    "steps": (
        *("shape", "title", "B", "T", "I", "H", "O", "readout", "candidate", "group", "D"),
        *("round", "steps", "seconds"),
    ),
    "epochs": ("way", "data", "images", "images_timed", "round", "seconds", "epoch_seconds"),
    "seeds": ("shape", "title", "R", "graph", "round", "steps", "seconds"),
    "memory": ("shape", "title", "B", "T", "H", "candidate", "group", "D", "bytes"),
    "growth": ("axis", "value", "B", "T", "R", "round", "steps", "seconds"),
    "floors": ("shape", "title", "operations", "operations_per_second"),
    "ceilings": ("what", "unit", "achieved", "ceiling"),
    "notes": ("what", "why"),
}


_TEXTS = ("python", *LIBRARIES, "processor", "gpu", "training", "what", "why")  # a version may look like a number


class Results:
    """A folder of CSVs of one run on one kind of device."""

    def __init__(self, folder: Path, facts: Mapping[str, Any] | None = None) -> None:
        self.folder, self._facts = folder, dict(facts or {})

    def clear(self) -> None:
        """Removes the tables of an earlier run, so that no two runs mix."""
        for name in TABLES:
            (self.folder / f"{name}.csv").unlink(missing_ok=True)

    def write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Stores a table, also an empty one, and returns it."""
        table = pd.DataFrame(list(rows), columns=list(TABLES[name])).assign(**self._facts, load=load())
        self.folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(self.folder / f"{name}.csv", index=False)
        return table

    def read(self, name: str) -> pd.DataFrame:
        """A table as it was stored; without rows where it was not."""
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            return pd.DataFrame(columns=list(TABLES[name]))
        return pd.read_csv(path, dtype={name: str for name in _TEXTS}, keep_default_na=False)
