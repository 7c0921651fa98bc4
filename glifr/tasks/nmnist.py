"""Sources of N-MNIST: its folders of event files, or tonic's download; read once, then kept as bits.

    Train/<digit>/<number>.bin   60,000 recordings, numbers 1..60000
    Test/<digit>/<number>.bin    10,000 recordings, numbers 1..10000

A number is that of the image in MNIST's own order, so the splits are those of MNIST: the first 50,000 training
recordings train, the last 10,000 validate, the 10,000 test recordings test.

Reading 70,000 files takes a while. Their bits (`event_bins`) are therefore kept in this user's cache, under a sum of
the files' names, sizes and times of change; files that differ in one of these are read again.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glifr.errors import InputError, Problem
from glifr.records.atomic import write_whole
from glifr.tasks import aer, event_bins
from glifr.tasks.places import cache_folder, named_folder

TRAIN, TEST = "Train", "Test"
FILES = {TRAIN: 60_000, TEST: 10_000}
MARKER = "SYNTHETIC.txt"  # in folders that `glifr.tasks.synthetic_events` wrote
SYNTHETIC = "synthetic_saccades"

_BELOW = ("", "N-MNIST", "NMNIST")
_WAYS = (
    "set task.data_root in the study, or the environment variable GLIFR_DATA, to the folder with Train and Test (or "
    "the one with N-MNIST or NMNIST in it), let tonic download them (pip install tonic), or use "
    f"task.source: {SYNTHETIC}, which is simulated"
)


@dataclass(frozen=True)
class Recordings:
    """Bits [N,4335] as `event_bins` packs them, and digits [N]."""

    bits: NDArray[np.uint8]
    digits: NDArray[np.int64]


@dataclass(frozen=True, order=True)
class _File:
    """One recording; ordered by number."""

    number: int
    digit: int
    path: str
    size: int
    changed: int


def recordings(data_root: Path | None, part: str) -> Recordings:
    """All of TRAIN or TEST, in order of their numbers, from `folder_of(data_root)`."""
    return _part(folder_of(data_root), part)


@cache
def _part(folder: Path, part: str) -> Recordings:
    return read_part(folder, part, FILES[part])


def folder_of(data_root: Path | None) -> Path:
    """Finds the folder with Train and Test.

    Args:
        data_root: The folder; else $GLIFR_DATA, else tonic's copy, downloaded if need be.

    Returns:
        The folder.

    Raises:
        InputError: A folder that was named has neither or has synthetic recordings, or nothing can be downloaded.
    """
    named = named_folder(data_root, "N-MNIST", _WAYS)
    if named is None:
        return _find(cache_folder()) or _download()
    found = _find(named)
    if found is None:
        raise InputError(Problem("no N-MNIST folders Train and Test here", str(named), todo=_WAYS))
    if (found / MARKER).exists():
        raise InputError(Problem("these event files are synthetic, not N-MNIST", str(found), todo=_WAYS))
    return found


def _find(root: Path) -> Path | None:
    for below in _BELOW:
        if all((root / below / part).is_dir() for part in FILES):
            return root / below
    return None


def _download() -> Path:
    """Where tonic puts its copy."""
    try:
        from tonic.datasets import NMNIST

        for train in (True, False):
            NMNIST(str(cache_folder()), train=train)
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            Problem("N-MNIST is not on this machine and could not be downloaded", "task.source", first_line, todo=_WAYS)
        ) from None
    return cache_folder() / "NMNIST"


def read_part(folder: Path, part: str, expected: int) -> Recordings:
    """Reads the recordings of one part, in order of their numbers, from the cache or from their files.

    Args:
        folder: The data set.
        part: TRAIN or TEST.
        expected: How many files there must be.

    Returns:
        The recordings.

    Raises:
        InputError: A digit has no folder, files are missing or too many, or one of them is damaged.
    """
    files = sorted(_files(folder / part))
    _check_numbers(folder / part, files, expected)
    kept = cache_folder() / f"event-bits-{_sum(folder / part, files)}.npz"
    found = _kept(kept, expected)
    if found is None:
        found = _bits(files)
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            _keep(kept, found)
    return found


def _files(folder: Path) -> Iterator[_File]:
    for digit in range(10):
        below = folder / str(digit)
        if not below.is_dir():
            raise InputError(Problem("no folder for a digit", str(folder), str(digit), "folders 0 to 9", _WAYS))
        with os.scandir(below) as entries:
            for entry in entries:
                stem, extension = os.path.splitext(entry.name)
                if extension != ".bin":
                    continue
                if not (stem.isascii() and stem.isdigit()):
                    rule = "the name of an event file is the number of its recording"
                    raise InputError(Problem(rule, entry.path, entry.name, "such as 00001.bin", "move it elsewhere"))
                state = entry.stat()
                yield _File(int(stem), digit, entry.path, state.st_size, state.st_mtime_ns)


def _check_numbers(folder: Path, files: list[_File], expected: int) -> None:
    if len(files) != expected:
        rule = "files are missing or too many"
        raise InputError(Problem(rule, str(folder), f"{len(files)} event files", f"{expected} of them", _WAYS))
    for number, file in enumerate(files, start=1):
        if file.number != number:
            rule = "the recordings are not numbered without a gap or a repetition"
            raise InputError(Problem(rule, file.path, file.number, f"{number}, of 1 to {expected}", _WAYS))


def _sum(folder: Path, files: list[_File]) -> str:
    """What the bits depend on, as far as it can be told without reading the files."""
    total = hashlib.sha256(f"{event_bins.VERSION} {folder.resolve()}".encode())
    for file in files:
        total.update(f"\n{file.number} {file.digit} {file.size} {file.changed}".encode())
    return total.hexdigest()[:32]


def _bits(files: list[_File]) -> Recordings:
    bits = np.empty((len(files), event_bins.STORED), np.uint8)
    for row, file in zip(bits, files, strict=True):
        row[:] = event_bins.pack(aer.decode(Path(file.path).read_bytes(), file.path))
    return Recordings(bits, np.array([file.digit for file in files], np.int64))


def _keep(path: Path, found: Recordings) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, bits=found.bits, digits=found.digits)
    write_whole(path, content.getvalue())


def _kept(path: Path, expected: int) -> Recordings | None:
    """What was kept; None if there is nothing, or nothing whole (the file has a checksum of each array)."""
    try:
        with np.load(path) as arrays:
            found = Recordings(arrays["bits"], arrays["digits"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        return None
    whole = found.bits.shape == (expected, event_bins.STORED) and found.digits.shape == (expected,)
    return found if whole else None
