"""Measured rows in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


def add_row(path: Path, row: Mapping[str, object]) -> None:
    """Appends a row; a new file gets its header. The same columns are expected each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
