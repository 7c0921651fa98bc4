"""Run under `faulty_files.c`: the same finished study again and again, each time with another file that fails.

Prints a JSON object per case: what was told, whether the study is complete and equal, what analysis and status said.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from small_study import NOT_COMPILED, TINY, conduct, published, small_plan

from analysis import load
from launch.ledger.repair import damaged_study, set_damaged_aside
from launch.ledger.units import Ledger
from launch.terminal.status import show_status

FILES = {
    "search proposal": "units/search/RNN/0/proposal.json",
    "search result": "units/search/RNN/1/result.json",
    "final proposal": "units/final/LHetA/1/proposal.json",
    "final result": "units/final/RNN/1/result.json",
    "epochs": "units/final/RNN/2/attempts/*/epochs.jsonl",
    "attempts": "units/final/LHetA/2/attempts",
    "network": "units/final/RNN/2/attempts/*/network.pt",
    "study": "study.json",
    "provenance": "provenance.json",
}
CONDITIONS = ("RNN", "LHetA")


@contextmanager
def fault(**settings: object) -> Iterator[None]:
    """The preloaded library reads the environment at each call."""
    os.environ.update({f"FAULT_{name.upper()}": str(value) for name, value in settings.items()})
    try:
        yield
    finally:
        for name in settings:
            del os.environ[f"FAULT_{name.upper()}"]


def session(place: Path, root: Path) -> dict[str, Any]:
    """What a session of the command does in the folder, and what the two readers say of it before."""
    plan = small_plan(place, NOT_COMPILED, text=TINY)
    shown = io.StringIO()
    try:
        problems = list(load(root).problems)
    except ValueError as error:
        problems = [str(error)]
    try:
        show_status(plan.study, root, Console(file=shown, width=200))
    except ValueError as error:
        shown.write(str(error))
    told = damaged_study(Ledger(root).layout) + set_damaged_aside(Ledger(root), list(CONDITIONS))
    return {"told": told, "problems": problems, "status": shown.getvalue(), "complete": conduct(plan, root).complete}


def case(place: Path, finished: Path, name: str, **settings: object) -> dict[str, Any]:
    root = place / "own"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(finished, root)
    if name in FILES:
        (path,) = root.glob(FILES[name])
        settings["inode"] = path.stat().st_ino
    with fault(**settings):
        found = session(place, root)
    return {"case": name, **found, "same": published(root, CONDITIONS) == published(finished, CONDITIONS)}


def main() -> None:
    place, finished = Path(sys.argv[1]), Path(sys.argv[2])
    for name in FILES:
        print(json.dumps({"errno": errno.EIO, **case(place, finished, name, errno=errno.EIO)}), flush=True)
    stale = case(place, finished, "one in a hundred", errno=errno.ESTALE, below=str(place / "own"), every=100)
    print(json.dumps({"errno": errno.ESTALE, **stale}), flush=True)


if __name__ == "__main__":
    main()
