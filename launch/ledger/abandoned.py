"""Folders that belong to one process: marked with it, and removed once it is gone."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from launch.ledger.lock import is_gone, this_process

_MARK = ".owner.json"
_UNKNOWN_SECONDS = 86400.0  # an unmarked folder, or one of another machine, is left alone for a day
_TRIES = 4


def mark(folder: Path) -> None:
    """Notes that the folder belongs to this process."""
    with contextlib.suppress(OSError):  # then it counts as unknown
        (folder / _MARK).write_text(json.dumps(this_process()))


def remove_abandoned(parent: Path, pattern: str = "*") -> None:
    """Removes the folders of processes that are gone, and old ones of which nobody knows whose they are."""
    for folder in parent.glob(pattern):
        with contextlib.suppress(OSError):
            if folder.is_dir() and not folder.is_symlink() and _abandoned(folder):
                remove(folder)


def remove(folder: Path) -> None:
    """Removes a folder into which processes that are just ending may still write."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.5)


def _abandoned(folder: Path) -> bool:
    try:
        owner = json.loads((folder / _MARK).read_bytes())
    except (OSError, ValueError):
        owner = {}
    if isinstance(owner, dict) and is_gone(owner):
        return True
    newest = max(path.lstat().st_mtime for path in (folder, *folder.glob("*"), *folder.glob("logs/*")))
    here = isinstance(owner, dict) and owner.get("machine") == this_process()["machine"]
    return not here and time.time() - newest > _UNKNOWN_SECONDS
