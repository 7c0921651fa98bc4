"""Rates from CSV files, and tables in Markdown."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from analysis.statistics.intervals import share_limits

Rates = Mapping[tuple[str, ...], tuple[int, int]]


def read_rates(path: Path, *key: str) -> Rates:
    return {tuple(row[k] for k in key): (int(row["count"]), int(row["total"])) for row in read_rows(path)}


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def share(found: tuple[int, int]) -> str:
    """In percent, with its exact 95 % limits."""
    count, total = found
    low, high = share_limits(count, total)
    digits = 1 if total >= 1000 else 0
    return f"{100 * count / total:.1f} ({100 * low:.{digits}f}–{100 * high:.{digits}f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])
