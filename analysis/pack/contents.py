"""Contents of a pack: study, provenance, ledger without checkpoints and networks, and what figures need of those.

Everything private that a results folder has stays behind: leases (host names), logs, W&B's files, tracebacks; absolute
paths are cut to their last name, as in the report.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.results.study import StudyInfo
from analysis.text import without_paths
from glifr.records import FAILURE_FILE, STAGES, Layout, RecordError, read_sealed, seal

FORMAT = 1
BODY, CLUSTERS, INDEX, ARRAYS = "pack.json", "clusters.json", "networks.json", "networks.bin"
NETWORKS = "networks"
PARTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("study and provenance", re.compile(r"study\.json|provenance\.json")),
    ("looks", re.compile(r"looks/[1-9][0-9]*\.json")),
    ("results", re.compile(rf"units/({'|'.join(STAGES)})/[^/]+/[^/]+/((proposal|result)\.json)?")),
    ("epochs", re.compile(rf"units/({'|'.join(STAGES)})/[^/]+/[^/]+/attempts/[^/]+/(epochs\.jsonl|failure\.json)?")),
    (NETWORKS, re.compile(rf"{re.escape(INDEX)}|{re.escape(ARRAYS)}|{re.escape(CLUSTERS)}")),
)
_FAILURE = ("kind", "message", "at")


def part_of(name: str) -> str | None:
    """The part of a pack that a member belongs to; None for one that has no place in a pack."""
    return next((part for part, names in PARTS if names.fullmatch(name)), None)


def ledger(root: Path) -> dict[str, bytes]:
    """The records of a results folder by their paths in it; a folder without records has a path that ends with /."""
    layout = Layout(root)
    paths = [layout.study, *(p for p in (layout.provenance,) if p.is_file()), *sorted(layout.looks.glob("*.json"))]
    for stage in STAGES:
        for folder in sorted((layout.units / stage).glob("*/*")):
            paths += _records(folder)
    found = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        found.update({f"{name}/": b""} if path.suffix not in (".json", ".jsonl") else {name: _content(path)})
    return found


def _records(unit: Path) -> list[Path]:
    """The records of a unit, and each attempt's folder that has none: it counts as an attempt."""
    found = [path for path in (unit / "proposal.json", unit / "result.json") if path.is_file()]
    for attempt in sorted(path for path in (unit / "attempts").glob("*") if path.is_dir()):
        own = [path for path in (attempt / "epochs.jsonl", attempt / FAILURE_FILE) if path.is_file()]
        found += own or [attempt]
    return found or [unit]


def _content(path: Path) -> bytes:
    """A record without what is private: sealed again where that changed it; as text where it is damaged."""
    if path.suffix == ".jsonl":
        return path.read_bytes()
    try:
        body = read_sealed(path)
    except RecordError:
        return without_paths(path.read_text(errors="surrogateescape")).encode(errors="surrogateescape")
    if path.name == FAILURE_FILE and isinstance(body, dict):
        body = {key: body[key] for key in _FAILURE if key in body}
    return seal(_without_paths(body))


def _without_paths(body: Any) -> Any:
    if isinstance(body, str):
        return without_paths(body)
    if isinstance(body, list):
        return [_without_paths(item) for item in body]
    if isinstance(body, dict):
        return {key: _without_paths(item) for key, item in body.items()}
    return body


def described(info: StudyInfo, left_out: list[str], members: Mapping[str, bytes]) -> bytes:
    """pack.json: the pack's format, whose it is, and every other member with its size and SHA-256."""
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }
    own = {"name": info.name, "profile": info.profile, "hash": info.hash}
    body = {"format": FORMAT, "study": own, "left_out": left_out, "members": listed}
    return json.dumps(body, indent=1).encode() + b"\n"


def check_description(members: Mapping[str, bytes]) -> None:
    """Raises ValueError, which says why, if a pack's members are not those that its pack.json describes."""
    if BODY not in members:
        raise ValueError(f"it has no {BODY}")
    try:
        body = json.loads(members[BODY])
        form = body["format"]
        if form != FORMAT:
            raise ValueError(f"it has format {form!r}, this version reads {FORMAT}")
        left_out, listed = body["left_out"], body["members"]
        told = {name: (entry["bytes"], entry["sha256"]) for name, entry in listed.items()}
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"its {BODY} is not one ({error})") from None
    for problem in _differences(members, told):
        raise ValueError(problem)
    own = set() if NETWORKS in left_out else {INDEX, ARRAYS, CLUSTERS}
    if own != {INDEX, ARRAYS, CLUSTERS} & members.keys():
        raise ValueError("its networks are neither in it nor left out of it")


def _differences(members: Mapping[str, bytes], told: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    for name in sorted(told.keys() - members.keys()):
        yield f"it lacks {name!r}"
    for name, content in members.items():
        if name == BODY:
            continue
        if name not in told or part_of(name) is None:
            yield f"this has no place in a pack: {name!r}"
        elif told[name] != (len(content), hashlib.sha256(content).hexdigest()):
            yield f"a sum that does not fit its content: {name!r}"
