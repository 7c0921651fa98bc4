"""A sealed JSON record: the body with its SHA-256, so that a flipped byte is seen and named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FORMAT = 1


class RecordError(Exception):
    """A record that cannot be trusted: unreadable, torn, altered, or of another format. Names the file and why."""


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
    """The body of a sealed record.

    Raises FileNotFoundError if there is none, RecordError if it is not one or its checksum does not fit.
    """
    raw = path.read_bytes()
    try:
        record = json.loads(raw)
        body, form = record["body"], record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: not a record ({error})") from None
    if form != FORMAT:
        raise RecordError(f"{path}: format {form!r}, this version reads {FORMAT}")
    if seal(body) != raw:
        raise RecordError(f"{path}: checksum does not fit its content")
    return body
