"""Writes what the analysis makes, each file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from glifr.records import InputError, Problem


def write_whole(path: Path, content: bytes) -> Path:
    """Puts `content` at `path`, over what is there. Raises InputError if the place cannot be written."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_bytes(content)
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from None
    return path


def remove(*paths: Path) -> None:
    """Removes what an earlier report left and this one does not have."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(
        Problem(
            "the results folder cannot be written",
            str(path),
            error.strerror or type(error).__name__,
            allowed="a folder you may write to, with room on its disk",
            todo="mend the folder's permissions, or copy the results folder to where you may write",
        )
    )
