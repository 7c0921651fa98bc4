"""The program's own code: its version, and what of it goes to the other nodes of a cluster."""

from __future__ import annotations

import hashlib
import platform
import shutil
from functools import cache
from importlib import metadata
from pathlib import Path

import glifr
from glifr.errors import InputError, Problem

_PACKAGES = ("glifr", "launch")
_MOST_BYTES = 20 * 2**20
_NAMED = 3
_COMPUTING = ("torch", "numpy", "numba")  # what else of an environment decides the bits of a result


def code_version() -> str:
    """SHA-256 over the sources of `glifr`: what a result depends on beside its settings."""
    total = hashlib.sha256()
    folder = Path(glifr.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


@cache
def installed() -> dict[str, str]:
    """The versions of Python and of the packages that compute results, in this process's environment."""
    found = {"python": platform.python_version()}
    for package in _COMPUTING:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "none"
    return found


def stage_code(folder: Path, most_bytes: int = _MOST_BYTES) -> Path:
    """Copies the packages that a worker imports, by name: results, data, environments and the history cannot get in.

    Args:
        folder: Where to.
        most_bytes: The most that they may have.

    Returns:
        The folder of the copies.

    Raises:
        InputError: They are larger than code ever is.
    """
    home = Path(glifr.__file__).parent.parent
    for package in _PACKAGES:
        shutil.copytree(home / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    sizes = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values())
    if total > most_bytes:
        largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:_NAMED]
        raise InputError(
            Problem(
                "the packages to send to the cluster's nodes are too large to be code alone",
                str(home),
                f"{total / 2**20:.1f} MiB; largest: {', '.join(map(str, largest))}",
                f"at most {most_bytes / 2**20:g} MiB",
                f"move data and results out of {' and '.join(_PACKAGES)}/",
            )
        )
    return folder
