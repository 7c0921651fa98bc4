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


def claim(folder: Path, source: Path) -> None:
    """Refuses `folder` for what is made of `source` if it is another results folder. Raises InputError."""
    if (folder / "study.json").exists() and not (source.is_dir() and folder.resolve() == source.resolve()):
        rule, todo = "this is a results folder of its own, and keeps its own tables and figures", "say `--out DIR`"
        raise InputError(Problem(rule, str(folder), str(source), "another folder", todo))


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
            "this cannot be written",
            str(path),
            error.strerror or type(error).__name__,
            allowed="a folder you may write to, with room on its disk",
            todo="mend the folder's permissions, or say `--out DIR`",
        )
    )
