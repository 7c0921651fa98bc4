"""Reads W&B's offline files back: blocks of 32 KiB with records (CRC, length, kind), each a protobuf `Record`.

W&B has no public reader of them. A file that a crash cut short gives the records before the cut.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

_BLOCK, _FILE_HEADER, _RECORD_HEADER = 32 * 1024, 7, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class DamagedError(Exception):
    """A file that is not W&B's, or whose records cannot be read."""


@dataclass
class OfflineRun:
    """One run as its file says."""

    group: str = ""
    job_type: str = ""
    name: str = ""
    project: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    artifacts: list[str] = field(default_factory=list)


def _records(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    if raw[:4] != b":W&B":
        raise DamagedError(f"{path}: not a file of W&B")
    position, parts = _FILE_HEADER, b""
    while position + _RECORD_HEADER <= len(raw):
        left = _BLOCK - position % _BLOCK
        if left < _RECORD_HEADER:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", raw[position : position + _RECORD_HEADER])
        body = raw[position + _RECORD_HEADER : position + _RECORD_HEADER + length]
        if kind == 0 or len(body) < length:
            return
        position += _RECORD_HEADER + length
        parts = body if kind in (_FULL, _FIRST) else parts + body
        if kind in (_FULL, _LAST):
            yield parts


def _key(item: Any) -> str:
    return str(item.key or "/".join(item.nested_key))


def read_run(path: Path) -> OfflineRun:
    """The run in a `.wandb` file."""
    run = OfflineRun()
    for raw in _records(path):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]  # generated code
        try:
            record.ParseFromString(raw)
        except DecodeError:
            raise DamagedError(f"{path}: a record cannot be read") from None
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.group, run.job_type, run.name = record.run.run_group, record.run.job_type, record.run.display_name
            run.project, run.tags = record.run.project, list(record.run.tags)
            run.config |= {_key(i): json.loads(i.value_json) for i in record.run.config.update}
        elif kind == "config":
            run.config |= {_key(i): json.loads(i.value_json) for i in record.config.update}
        elif kind == "history":
            run.history.append({_key(i): json.loads(i.value_json) for i in record.history.item})
        elif kind == "summary":
            run.summary |= {_key(i): json.loads(i.value_json) for i in record.summary.update}
        elif kind == "artifact":
            run.artifacts.append(record.artifact.name)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def read_runs(folder: Path) -> dict[str, OfflineRun]:
    """All offline runs below a folder, by the name of their file."""
    return {path.stem: read_run(path) for path in sorted(folder.rglob("*.wandb"))}
