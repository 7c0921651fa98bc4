"""Questions to each node before a study starts. Imports little: every node starts a worker for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from launch.code import code_version, installed

ASKED = "driver"


@dataclass(frozen=True)
class NodeReport:
    """What a node reports of itself.

    Attributes:
        wrong: What went wrong, '' for nothing.
        code: Version of the code that the node imports.
    """

    wrong: str
    code: str
    installed: dict[str, str]


def touch(folder: str, node: str, word: str) -> NodeReport:
    """Runs on a node: reads what the driver wrote, writes for it to read."""
    return NodeReport(_touch(Path(folder), node, word), code_version(), installed())


def _touch(place: Path, node: str, word: str) -> str:
    try:
        if (place / ASKED).read_text() != word:
            return "another folder lies there"
        (place / node).write_text(word)
    except OSError as error:
        return f"{error.strerror}: {place}"
    return ""
