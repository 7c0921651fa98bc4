"""Says whether an error means a full disk, and which folder's disk that is."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOTHING_FREE = 2**20  # bytes; a file system keeps some back


def disk_is_full(error: BaseException | None) -> bool:
    """True if the error, or one that caused it, says that there is no space left."""
    return any(_no_space(error))


def full_disk(error: BaseException | None, results: Path) -> str:
    """The sentence on a full disk: names the folder that the error names, else one of ours whose disk has no space.

    Call it on the machine where the error was raised. results: the results folder, named where nothing else fits.
    """
    named = next((Path(e.filename).parent for e in _no_space(error) if isinstance(e.filename, str)), None)
    folder = named or next((f for f in (results, *_written_to()) if _is_full(f)), results)
    if _below(folder, results):
        return f"the disk of the results folder is full: free some space ({results})"
    move = ", or set TMPDIR to a folder on another disk" if _below(folder, Path(tempfile.gettempdir())) else ""
    return f"the disk of {folder} is full: free some space there{move}"


def _no_space(error: BaseException | None) -> Iterator[OSError]:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            yield error
        error = error.__cause__ or error.__context__


def _written_to() -> Iterator[Path]:
    """Folders other than the results' that a session writes to."""
    yield Path(tempfile.gettempdir())
    for variable in ("NUMBA_CACHE_DIR", "TRITON_CACHE_DIR", "WANDB_DIR", "XDG_CACHE_HOME", "HOME"):
        if variable in os.environ:
            yield Path(os.environ[variable])
    yield Path("/dev/shm")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _NOTHING_FREE
    except OSError:
        return False


def _below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
