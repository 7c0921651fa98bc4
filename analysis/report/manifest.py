"""The list of everything that was made, each file with its SHA-256."""

from __future__ import annotations

import hashlib
import json

from analysis.files import write_whole
from analysis.results.study import StudyInfo
from glifr.records import Layout

_FOLDERS = ("tables", "figures", "latex")
NAME = "manifest.json"


def write_manifest(layout: Layout, info: StudyInfo) -> None:
    """Writes manifest.json: hashes of the study and its declaration, and of every made file that is there now."""
    paths = [p for folder in _FOLDERS for p in (layout.root / folder).glob("*") if p.is_file()]
    paths += [layout.report] if layout.report.exists() else []
    found = {}
    for path in sorted(paths):
        content = path.read_bytes()
        name = path.relative_to(layout.root).as_posix()
        found[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    body = {"study": info.hash, "declaration": info.declaration.hash, "files": found}
    write_whole(layout.root / NAME, json.dumps(body, indent=1).encode() + b"\n")
