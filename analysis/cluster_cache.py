"""Keeps what clustering found, by the SHA-256 of the file it was found in: half a second a network, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from analysis.clusters import METHOD, Clustering
from analysis.files import write_whole
from glifr.records import Layout

NAME = "clusters.json"


class ClusterCache:
    """Results of an earlier report in `.analysis/clusters.json`; what is damaged, or of another method, is not used.

    It can be removed at any time: the same numbers are computed again.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.root / ".analysis" / NAME
        self._known = self._read()
        self._used: dict[str, Clustering] = {}

    def get(self, sha256: str, compute: Callable[[], Clustering]) -> Clustering:
        """What is known of the file with this sum, or else computed now."""
        if sha256 not in self._used:
            self._used[sha256] = self._known.get(sha256) or compute()
        return self._used[sha256]

    def write(self) -> None:
        """Keeps what was used, if anything of it is new."""
        if self._used.keys() - self._known.keys():
            found = {sha256: asdict(clustering) for sha256, clustering in self._used.items()}
            write_whole(self._path, json.dumps({"method": METHOD, "found": found}, indent=1).encode() + b"\n")

    def _read(self) -> dict[str, Clustering]:
        try:
            stored = json.loads(self._path.read_bytes())
            if stored["method"] != METHOD:
                return {}
            return {sha256: _clustering(body) for sha256, body in stored["found"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _clustering(body: dict[str, object]) -> Clustering:
    """JSON has lists for tuples; everything else comes back as it was."""
    return Clustering(**{k: tuple(v) if isinstance(v, list) else v for k, v in body.items()})  # type: ignore[arg-type]
