"""What a node of a cluster is asked before a study starts. Imports little: each node starts a worker for it."""

from __future__ import annotations

from pathlib import Path

from launch.code import code_version

ASKED = "driver"


def touch(folder: str, node: str, word: str) -> tuple[str, str]:
    """Runs on a node: reads what the driver wrote, writes for it to read.

    Returns what went wrong ('' for nothing) and the version of the code that the node imports.
    """
    place = Path(folder)
    try:
        if (place / ASKED).read_text() != word:
            return "another folder lies there", code_version()
        (place / node).write_text(word)
    except OSError as error:
        return f"{error.strerror}: {folder}", code_version()
    return "", code_version()
