"""The machine's facts of a table's row, as a sentence."""

from __future__ import annotations

import pandas as pd

from benchmarks.machine import LIBRARIES


def machine_words(row: pd.Series) -> str:
    """Where and when a run was, and with what."""
    where = f"{row['gpu']}, host {row['processor']}" if row["gpu"] else str(row["processor"])
    versions = [f"{name} {row[name]}" for name in LIBRARIES if row[name]]
    sentences = [
        f"{where}, cores: {row['cores']}, threads: {row['threads']}, load before the run {row['load_before']}",
        f"Python {row['python']}, {', '.join(versions)}",
        str(row["date"]),
    ]
    if str(row["quick"]) == "True":
        sentences.append("A quick run: few samples, not to be cited")
    return ". ".join(sentences) + "."
