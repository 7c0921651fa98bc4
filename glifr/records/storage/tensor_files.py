"""Files of tensors: written whole or not at all, with their SHA-256 beside them, read without unpickling code."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from glifr.records.atomic import write_whole
from glifr.records.reading import RecordError, read_bytes


class CheckpointError(RecordError):
    """A file of tensors that cannot be trusted: absent, cut short or altered. Names the file and why."""


def _sum_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def save(path: Path, content: Any) -> str:
    """Writes tensors and plain values (dicts, lists, numbers, strings) to `path`; returns the SHA-256."""
    import torch  # checking a sum needs none of it

    buffer = io.BytesIO()
    torch.save(content, buffer)
    raw = buffer.getvalue()
    total = hashlib.sha256(raw).hexdigest()
    # The sum goes first: a file without a fitting sum is never trusted, a sum without its file is only litter.
    write_whole(_sum_file(path), f"{total}\n".encode())
    write_whole(path, raw)
    return total


def load(path: Path, sha256: str | None = None) -> Any:
    """Reads what `save` wrote, on the CPU.

    Args:
        path: The file.
        sha256: The checksum on record; that beside the file by default.

    Returns:
        The tensors and plain values.

    Raises:
        CheckpointError: The file or its checksum is absent, they do not match, or the file holds anything but tensors
            and plain values.
        RecordError: One of them cannot be read.
    """
    import torch

    raw = _trusted(path, sha256)
    try:
        return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that is not torch's, torch raises what its reader stumbles over
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{path}: not weights alone ({said})") from None


def verify(path: Path, sha256: str) -> None:
    """Raises as `load` if the file is absent, cannot be read, or does not fit the sum on record."""
    _trusted(path, sha256)


def _trusted(path: Path, sha256: str | None) -> bytes:
    try:
        raw = read_bytes(path)
        expected = sha256 or read_bytes(_sum_file(path)).decode("ascii", "replace").strip()
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename}: no such file") from None
    if hashlib.sha256(raw).hexdigest() != expected:
        raise CheckpointError(f"{path}: checksum does not fit its content")
    return raw


def remove(path: Path) -> None:
    """Deletes a file and its sum, if there."""
    path.unlink(missing_ok=True)
    _sum_file(path).unlink(missing_ok=True)
