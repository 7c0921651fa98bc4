"""Makes a pack of a results folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis.files import write_whole
from analysis.pack import arrays, contents
from analysis.results.load import Results, load_folder
from analysis.results.networks import KeptNetwork, Networks, NetworkSummary
from analysis.results.neurons import observe
from analysis.statistics.cluster_cache import ClusterCache
from analysis.text import without_paths
from glifr.records import InputError, Problem, RecordError
from glifr.records.archive import MOST_BYTES, compressed, members_of

_FOLDER = "a folder with a study.json, as results/<study>/<profile>/"


@dataclass(frozen=True)
class PackSummary:
    """A pack that was written.

    Attributes:
        parts: Compressed bytes of each part by itself.
        complete: Whether the study is complete.
    """

    path: Path
    size: int
    parts: Mapping[str, int]
    complete: bool


@dataclass
class _Recorder:
    """Keeps what is read of networks: examples of one a condition, which are all that is shown."""

    networks: Networks
    found: dict[KeptNetwork, NetworkSummary | str] = field(default_factory=dict)
    cache: ClusterCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = self.networks.clusters().unwritten()

    def read(self, network: KeptNetwork) -> NetworkSummary:
        try:
            summary = self.networks.read(network)
        except RecordError as error:
            self.found[network] = without_paths(str(error))
            raise
        shown = any(isinstance(n, NetworkSummary) and k.condition == network.condition for k, n in self.found.items())
        self.found[network] = replace(summary, examples=None) if shown else summary
        return summary

    def clusters(self) -> ClusterCache:
        return self.cache


def pack(root: Path, path: Path, without: Collection[str] = ()) -> PackSummary:
    """Writes a results folder as a pack; equal records give equal bytes.

    Args:
        root: The results folder.
        path: The pack.
        without: Parts to leave out, of `contents.NETWORKS`.

    Returns:
        What was written.

    Raises:
        InputError: `root` is not a results folder, or its pack would be larger than a pack may be.
    """
    if root.is_file():
        raise InputError(
            Problem("this is not a results folder", str(root), "a file", _FOLDER, "copy it, if it is a pack")
        )
    if path.is_dir():
        raise InputError(
            Problem("a pack is a file", str(path), "a folder", "a file's name, as study.tar.xz", "name a file in it")
        )
    results = load_folder(root)
    members = contents.ledger(root)
    if results.networks is not None and contents.NETWORKS not in without:
        members |= _networks(results, results.networks)
    ordered = {name: members[name] for name in sorted(members, key=lambda name: (name.rsplit("/")[-1], name))}
    described = contents.described(results.info, sorted(without), ordered)
    raw = compressed({contents.BODY: described, **ordered})
    parts = {contents.BODY: len(compressed({contents.BODY: described})), **_sizes(ordered)}
    if len(raw) > MOST_BYTES:
        raise _too_large(root, len(raw), parts, without)
    contents.check_description(members_of(raw))
    write_whole(path, raw)
    return PackSummary(path, len(raw), parts, results.complete)


def _networks(results: Results, networks: Networks) -> dict[str, bytes]:
    recorder = _Recorder(networks)
    observe(replace(results, networks=recorder))
    index, content = arrays.to_members(recorder.found)
    return {contents.INDEX: index, contents.ARRAYS: content, contents.CLUSTERS: recorder.cache.content()}


def _sizes(members: Mapping[str, bytes]) -> dict[str, int]:
    found: dict[str, dict[str, bytes]] = {}
    for name, content in members.items():
        found.setdefault(contents.part_of(name) or "", {})[name] = content
    return {part: len(compressed(own)) for part, own in found.items()}


def _too_large(root: Path, size: int, parts: Mapping[str, int], without: Collection[str]) -> InputError:
    found = f"{size:,} bytes: " + ", ".join(f"{part} {own:,}" for part, own in parts.items())
    todo = "keep the results folder itself"
    if contents.NETWORKS not in without:
        todo = "say `--without networks`: everything but the figures and tables of neurons, and the pack says so"
    return InputError(Problem(f"a pack has at most {MOST_BYTES:,} bytes", str(root), found, todo=todo))
