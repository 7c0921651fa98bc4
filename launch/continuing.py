"""The command that continues a study, as it can be typed here."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_NOTICE = re.compile(r"^((?:--set=)?notify(?:\.\w+)?)=.*", re.DOTALL)
_LIMITS = ("--max-hours", "--stop-after")
INSTALLED = "glifr-study"  # the command that pyproject.toml installs


def continue_command(given: Sequence[str]) -> str:
    """The command that goes on with a study, as it can be typed here."""
    return shlex.join([*program(), *without_secrets(_without_limits(given))])


def failures_command(given: Sequence[str]) -> str:
    """The command that prints each failed attempt of a study."""
    return shlex.join(
        [*program(), *(word for word in without_secrets(given) if word != "--status"), "--status", "--failures"]
    )


def without_secrets(given: Sequence[str]) -> list[str]:
    """The arguments without the values of a notice, of which a URL may be a secret: `--set notify.url=...`."""
    return [_NOTICE.sub(r"\1=...", word) for word in given]


def program() -> list[str]:
    """How this program was started: the installed command, or the interpreter and the script; see `short`."""
    command = Path(sys.argv[0])
    if command.name == INSTALLED:
        return [INSTALLED if shutil.which(INSTALLED) else short(command)]
    return [interpreter(), short(Path(__file__).resolve().with_name("study.py"))]


def interpreter() -> str:
    """The Python that runs this program, to run others of its modules with; see `short`."""
    return short(Path(sys.executable))


def short(path: Path) -> str:
    """The path, relative to the current folder where it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _without_limits(given: Sequence[str]) -> list[str]:
    """The arguments without the limit that has just been reached."""
    left, kept = list(given), []
    while left:
        word = left.pop(0)
        if word in _LIMITS:
            left[:1] = []
        elif word.partition("=")[0] not in _LIMITS:
            kept.append(word)
    return kept
