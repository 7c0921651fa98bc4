"""A sealed JSON record: the body with its SHA-256, so that a flipped byte is seen and named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from glifr.records.reading import RecordError, read_bytes

FORMAT = 1


def canonical(body: Any) -> bytes:
    """`body` as JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(body: Any) -> str:
    """SHA-256 of `canonical(body)`, hexadecimal."""
    return hashlib.sha256(canonical(body)).hexdigest()


def seal(body: Any) -> bytes:
    """The bytes of a sealed record."""
    record = {"format": FORMAT, "sha256": digest(body), "body": body}
    return json.dumps(record, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def read_sealed(path: Path) -> Any:
    """Reads the body of a sealed record.

    Args:
        path: The file.

    Returns:
        The body.

    Raises:
        FileNotFoundError: There is none.
        RecordError: It is not a sealed record, or its checksum does not match.
        UnreadableError: It cannot be read now; a RecordError too.
    """
    raw = read_bytes(path)
    try:
        record = json.loads(raw)
        body, form = record["body"], record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: not a record ({error})") from None
    except RecursionError:
        raise RecordError(f"{path}: not a record (nested too deeply)") from None
    if form != FORMAT:
        raise RecordError(f"{path}: format {form!r}, this version reads {FORMAT}")
    if seal(body) != raw:
        raise RecordError(f"{path}: checksum does not fit its content")
    return body
