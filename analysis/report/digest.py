"""A digest of everything that a study's figures are drawn from: its data, and the program with what it draws with."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import pandas as pd

import analysis
import glifr.records as records
from analysis.results.load import Results

_LIBRARIES = ("matplotlib", "numpy", "pandas", "scikit-learn", "scipy")


def figures_digest(results: Results) -> str:
    """SHA-256 of the results without their sessions, which no figure shows, and of `program`."""
    total = hashlib.sha256(program().encode())
    said = (results.info, results.finished_at, results.problems, results.kept, results.looks, results.networks is None)
    total.update(repr(said).encode())
    for name, table in (*results.tables.items(), ("counts", results.counts)):
        total.update(f"{name} {[(column, str(kind)) for column, kind in table.dtypes.items()]}".encode())
        total.update(pd.util.hash_pandas_object(table, index=True).to_numpy().tobytes())
    return total.hexdigest()


@cache
def program() -> str:
    """SHA-256 over the sources of the analysis and of what it shows of the science, and its libraries' versions."""
    total = hashlib.sha256()
    for folder in (Path(next(iter(analysis.__path__))), Path(next(iter(records.__path__))).parent):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".csv", ".json")):
            total.update(path.relative_to(folder).as_posix().encode())
            total.update(path.read_bytes())
    total.update(repr([(name, metadata.version(name)) for name in _LIBRARIES]).encode())
    return total.hexdigest()
