"""The command that continues a study, as it can be typed here."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def continue_command(given: Sequence[str]) -> str:
    """The command that goes on with a study, as it can be typed here."""
    return shlex.join([*program(), *given])


def program() -> list[str]:
    """How this program was started: the interpreter and the script, relative to this folder where they lie in it."""
    return [short(Path(sys.executable)), short(Path(__file__).resolve().with_name("study.py"))]


def short(path: Path) -> str:
    """The path, relative to the current folder where it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
