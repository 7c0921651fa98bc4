"""Opens a pack: everything in it is checked before anything of it is used or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.pack import arrays, contents
from analysis.results.networks import KeptNetwork, Networks, NetworkSummary
from analysis.statistics.cluster_cache import ClusterCache, read_clusters
from glifr.records import InputError, Problem, RecordError
from glifr.records.archive import MOST_BYTES, ArchiveError, members_of

_FORM = "a pack as `python -m analysis pack RESULTS -o FILE` writes it, or a results folder"
_AGAIN = "get the file anew, or make it anew from the results folder"


@dataclass(frozen=True)
class NetworksInPack:
    """The networks of a pack.

    Attributes:
        known: Networks by the SHA-256 of their characteristics; or a text that says why there is none.
    """

    known: Mapping[str, NetworkSummary | str]
    clustered: bytes

    def read(self, network: KeptNetwork) -> NetworkSummary:
        found = self.known.get(network.file.sha256, "the pack does not have it")
        if isinstance(found, str):
            raise RecordError(found)
        return found

    def clusters(self) -> ClusterCache:
        return ClusterCache(read_clusters(self.clustered))


@dataclass(frozen=True)
class Pack:
    """An open pack.

    Attributes:
        folder: Its records, as a results folder.
        networks: Its networks; None if the pack was made without them.
    """

    folder: Path
    networks: Networks | None


@contextmanager
def opened(path: Path) -> Iterator[Pack]:
    """The pack `path`, its records in a temporary folder. Raises InputError if it is not a pack to be trusted."""
    members = read_pack(path)
    networks = _networks(path, members)
    with TemporaryDirectory(prefix="glifr-pack-") as folder:
        try:
            _write(Path(folder), members)
            yield Pack(Path(folder), networks)
        except InputError as error:  # names the temporary folder
            said = (replace(p, place=p.place.replace(folder, str(path))) for p in error.problems)
            raise InputError(*said) from None


def read_pack(path: Path) -> dict[str, bytes]:
    """The members of the pack `path`. Raises InputError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _refused(path, "this file cannot be read", error.strerror or type(error).__name__) from None
    if len(raw) > MOST_BYTES:
        raise _refused(path, f"a pack has at most {MOST_BYTES:,} bytes", f"{path.stat().st_size:,} bytes")
    try:
        members = members_of(raw)
        contents.check_description(members)
    except (ArchiveError, ValueError) as error:
        raise _refused(path, "this is not a pack that can be trusted", str(error)) from None
    return members


def _networks(path: Path, members: Mapping[str, bytes]) -> NetworksInPack | None:
    if contents.INDEX not in members:
        return None
    try:
        known = arrays.from_members(members[contents.INDEX], members[contents.ARRAYS])
    except (ValueError, KeyError) as error:
        raise _refused(path, "this is not a pack that can be trusted", f"its networks: {error}") from None
    return NetworksInPack(known, members[contents.CLUSTERS])


def _write(folder: Path, members: Mapping[str, bytes]) -> None:
    try:
        for name, content in members.items():
            place = folder / name
            if name.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
            elif contents.part_of(name) != contents.NETWORKS:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
    except OSError as error:
        rule, todo = "the pack cannot be unpacked", "give $TMPDIR a folder with room on its disk"
        raise InputError(Problem(rule, str(folder), error.strerror or type(error).__name__, todo=todo)) from None


def _refused(path: Path, rule: str, found: str) -> InputError:
    return InputError(Problem(rule, str(path), found, _FORM, _AGAIN))
