"""Keeps what clustering found, by the SHA-256 of the file it was found in: half a second per network, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from analysis.files import write_whole
from analysis.statistics.clusters import METHOD, Clustering
from glifr.records import InputError, Layout

NAME = "clusters.json"


class ClusterCache:
    """Results of an earlier report in `.analysis/clusters.json`; what is damaged, or of another method, is not used.

    It can be removed at any time: the same numbers are computed again.
    """

    def __init__(self, known: Mapping[str, Clustering], path: Path | None = None) -> None:
        """path: where it is kept; None for nowhere."""
        self._known, self._path = known, path
        self._used: dict[str, Clustering] = {}

    @classmethod
    def in_folder(cls, layout: Layout) -> ClusterCache:
        """That of a results folder."""
        path = layout.root / ".analysis" / NAME
        try:
            return cls(read_clusters(path.read_bytes()), path)
        except OSError:
            return cls({}, path)

    def unwritten(self) -> ClusterCache:
        """A cache that knows the same and is kept nowhere."""
        return ClusterCache(self._known)

    def lacks(self, sha256: str) -> bool:
        """True if nothing is known of the file with this sum."""
        return sha256 not in self._used and sha256 not in self._known

    def get(self, sha256: str, compute: Callable[[], Clustering]) -> Clustering:
        """What is known of the file with this sum, or else computed now."""
        if sha256 not in self._used:
            self._used[sha256] = self._known.get(sha256) or compute()
        return self._used[sha256]

    def content(self) -> bytes:
        """The file's content: what was used."""
        found = {sha256: asdict(clustering) for sha256, clustering in self._used.items()}
        return json.dumps({"method": METHOD, "found": found}, indent=1).encode() + b"\n"

    def write(self) -> None:
        """Keeps what was used, if anything of it is new."""
        if self._path is not None and self._used.keys() - self._known.keys():
            with suppress(InputError):  # a report must not fail for want of a cache
                write_whole(self._path, self.content())


def read_clusters(stored: bytes) -> dict[str, Clustering]:
    """What `content` was made of; nothing if it is damaged or of another method."""
    try:
        body = json.loads(stored)
        if body["method"] != METHOD:
            return {}
        return {sha256: _clustering(found) for sha256, found in body["found"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _clustering(body: dict[str, object]) -> Clustering:
    """JSON has lists for tuples; everything else comes back as it was."""
    return Clustering(**{k: tuple(v) if isinstance(v, list) else v for k, v in body.items()})  # type: ignore[arg-type]
