"""Executes docs/library.ipynb against a results folder.

`python tests/support/run_notebook.py RESULTS` stores what it shows in the file, for the site and for readers of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from paths import ROOT

NOTEBOOK = ROOT / "docs" / "library.ipynb"


def execute(results: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; nbclient.exceptions.CellExecutionError if a cell fails."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False, coalesce_streams=True)
    client.resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    surroundings = {"GLIFR_RESULTS": str(results.resolve()), "PYTHONPATH": os.pathsep.join(paths)}
    client.execute(env={**os.environ, **surroundings})
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(Path(sys.argv[1])), NOTEBOOK)
