"""Folders in which tasks look for their files: one that the user named, else this user's cache."""

from __future__ import annotations

import os
from pathlib import Path

from glifr.errors import InputError, Problem

DATA_ROOT_ENV = "GLIFR_DATA"


def cache_folder() -> Path:
    """Where downloads, and what is costly to compute from them, are kept; need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glifr"


def named_folder(data_root: Path | None, data_set: str, ways: str) -> Path | None:
    """Finds the folder that the user named.

    Args:
        data_root: The folder, as the study names it; else $GLIFR_DATA counts.
        ways: How the user can provide the data set.
        data_set: Its name.

    Returns:
        The folder; None if none was named.

    Raises:
        InputError: It does not exist.
    """
    named = data_root or (Path(os.environ[DATA_ROOT_ENV]) if os.environ.get(DATA_ROOT_ENV) else None)
    if named is not None and not named.is_dir():
        place = "task.data_root" if data_root else f"environment variable {DATA_ROOT_ENV}"
        raise InputError(
            Problem(f"the {data_set} folder does not exist", place, str(named), "an existing folder", ways)
        )
    return named
