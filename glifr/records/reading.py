"""Reading the files of a results folder: each is there whole, absent, damaged, or cannot be read."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_WAITS = (0.02, 0.2)  # s, before each further try: a network file system forgets a handle now and then
_OF_ANOTHER_KIND = {
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "is, or lies in, what is no folder",
    errno.ELOOP: "is a link that leads in a circle",
}
_Found = TypeVar("_Found")


class RecordError(Exception):
    """A file that cannot be trusted: torn, altered, or of another format. Names the file and why."""


class UnreadableError(RecordError):
    """A file that the file system did not give, though tried again: what it holds is not known."""


def read_bytes(path: Path) -> bytes:
    """Reads the content of a file.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: Nothing has that name.
        RecordError: It is not a file but a folder, a link to nothing or a link to itself.
        UnreadableError: It cannot be read now.
    """
    try:
        return _patiently(path.read_bytes, path)
    except FileNotFoundError:
        if not path.is_symlink():
            raise
        raise RecordError(f"{path}: is a link to nothing") from None


def listing(parent: Path) -> list[Path]:
    """Lists what lies in a folder, by name.

    Args:
        parent: The folder.

    Returns:
        The paths; none if the folder does not exist.

    Raises:
        RecordError: It is not a folder.
        UnreadableError: It cannot be read now.
    """
    try:
        return [parent / name for name in sorted(_patiently(lambda: os.listdir(parent), parent))]
    except FileNotFoundError:
        return []


def folders(parent: Path) -> list[Path]:
    """The folders of `listing`."""
    return [path for path in listing(parent) if os.path.isdir(path)]


def _patiently(read: Callable[[], _Found], path: Path) -> _Found:
    for wait in (*_WAITS, None):
        try:
            return read()
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in _OF_ANOTHER_KIND:
                raise RecordError(f"{path}: {_OF_ANOTHER_KIND[error.errno]}") from None
            if wait is None:
                raise UnreadableError(f"{path}: cannot be read ({error.strerror or error})") from None
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")
