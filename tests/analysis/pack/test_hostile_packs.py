"""Packs that are damaged, or made to do harm, are refused, and nothing is written."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import main
from glifr.records import archive, seal
from glifr.records.archive import compressed, members_of

Members = dict[str, bytes]
RESULT = "units/final/LHetA/1/result.json"


def _described(members: Members, **changes: object) -> Members:
    """With a pack.json that fits the members."""
    body = json.loads(members["pack.json"])
    rest = {name: content for name, content in members.items() if name != "pack.json"}
    body["members"] = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in rest.items()}
    return {"pack.json": json.dumps({**body, **changes}).encode(), **rest}


def _with(members: Members, name: str, content: bytes = b"x") -> bytes:
    return compressed(_described({**members, name: content}))


def _index(members: Members, change: Callable[[dict], None]) -> bytes:
    """With another index of its networks: `change` has the entry of one with neurons."""
    index = json.loads(members["networks.json"])
    change(next(entry for entry in index.values() if entry.get("neurons")))
    return _with(members, "networks.json", json.dumps(index).encode())


def _tar(*entries: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT, **pax: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, pax_headers=pax) as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return lzma.compress(buffer.getvalue())


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 1) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, size if kind == tarfile.REGTYPE else 0
    return entry


def _damaged_header(members: Members) -> bytes:
    tar = bytearray(lzma.decompress(compressed(members)))
    tar[124:136] = b"77777777777\0"
    return lzma.compress(bytes(tar))


def _unended(members: Members) -> bytes:
    tar = lzma.decompress(compressed(members)).rstrip(b"\0")
    return tar + bytes(-len(tar) % 512)


def _cut(members: Members) -> bytes:
    tar = lzma.decompress(_tar(_entry("study.json", size=20_000)))
    return lzma.compress(tar[:10240])


def _huge_shape(entry: dict) -> None:
    entry["arrays"]["end/thresh"] = ["<f4", 10**15]


def _negative_shape(entry: dict) -> None:
    entry["arrays"]["end/thresh"] = ["<f4", -1]


def _objects(entry: dict) -> None:
    entry["arrays"]["end/thresh"][0] = "|O"


def _other_shapes(entry: dict) -> None:
    entry["arrays"]["end/thresh"] = ["<f4", 1, entry["arrays"]["end/thresh"][1]]


def _no_course(entry: dict) -> None:
    entry["neurons"]["curves/voltage"] = 3


def _text_settings(entry: dict) -> None:
    entry["settings"]["on_ms"] = "five"


HOSTILE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "empty": (lambda m: b"", "cut short"),
    "text": (lambda m: b"hello, world", "not compressed as a pack is"),
    "a zip": (lambda m: b"PK\3\4" + bytes(100), "not compressed as a pack is"),
    "not a tar": (lambda m: lzma.compress(b"hello" * 1000), "not a tar of plain files"),
    "truncated": (lambda m: compressed(m)[:-200], "cut short"),
    "a byte changed": (lambda m: (r := compressed(m))[:999] + bytes([r[999] ^ 1]) + r[1000:], "not compressed"),
    "something behind": (lambda m: compressed(m) + b"more", "something follows"),
    "no end": (lambda m: lzma.compress(_unended(m)), "does not end as a tar does"),
    "hidden behind the end": (lambda m: lzma.compress(lzma.decompress(compressed(m)) + b"x" * 512), "does not end"),
    "a header's sum": (_damaged_header, "sum does not fit"),
    "too large": (lambda m: compressed(m) + bytes(archive.MOST_BYTES), "at most 2,000,000 bytes"),
    "a bomb": (lambda m: lzma.compress(bytes(archive.MOST_UNPACKED + 1), preset=0), "it holds more than"),
    "a dictionary of 1 GiB": (
        lambda m: lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**26}]), "not compressed as"),
    "a size beyond the end": (_cut, "cut short in 'study.json'"),
    "a symlink": (lambda m: _tar(_entry("study.json", tarfile.SYMTYPE, "elsewhere")), "a link or something else"),
    "a hard link": (lambda m: _tar(_entry("study.json", tarfile.LNKTYPE, "pack.json")), "a link or something else"),
    "a device": (lambda m: _tar(_entry("study.json", tarfile.CHRTYPE)), "a link or something else"),
    "a fifo": (lambda m: _tar(_entry("study.json", tarfile.FIFOTYPE)), "a link or something else"),
    "a sparse file": (lambda m: _tar(_entry("study.json", tarfile.GNUTYPE_SPARSE)), "a link or something else"),
    "an extended header": (lambda m: _tar(_entry("a"), form=tarfile.PAX_FORMAT, path="/x"), "a link or something else"),
    "a GNU tar": (lambda m: _tar(_entry("study.json"), form=tarfile.GNU_FORMAT), "not a tar of plain files"),
    "absolute": (lambda m: _with(m, "/etc/cron.d/x"), "leads out of it"),
    "upwards": (lambda m: _with(m, "units/final/../../../x"), "leads out of it"),
    "here": (lambda m: _with(m, "./study.json"), "leads out of it"),
    "backslash": (lambda m: _with(m, "..\\x"), "leads out of it"),
    "control characters": (lambda m: _with(m, "units/final/a\33[2J/1/result.json"), "leads out of it"),
    "a name twice": (lambda m: _tar(_entry("study.json"), _entry("study.json")), "a name twice"),
    "a file and a folder": (lambda m: _tar(_entry("a"), _entry("a/", tarfile.DIRTYPE)), "a name twice"),
    "no pack.json": (lambda m: compressed({n: c for n, c in m.items() if n != "pack.json"}), "has no pack.json"),
    "no JSON": (lambda m: compressed({**m, "pack.json": b"{"}), "pack.json is not one"),
    "deep JSON": (lambda m: compressed({**m, "pack.json": b"[" * 100_000}), "pack.json is not one"),
    "a list": (lambda m: compressed({**m, "pack.json": b"[]"}), "pack.json is not one"),
    "another version": (lambda m: compressed(_described(m, format=2)), "format 2, this version reads 1"),
    "no version": (lambda m: compressed(_described(m, format=None)), "format None"),
    "a wrong sum": (lambda m: compressed({**m, RESULT: m[RESULT] + b" "}), "a sum that does not fit"),
    "a missing member": (lambda m: compressed({n: c for n, c in m.items() if n != RESULT}), "it lacks"),
    "one too many": (lambda m: compressed({**m, "units/final/LHetA/9/result.json": b""}), "no place in a pack"),
    "a foreign file": (lambda m: _with(m, "analysis/__init__.py"), "no place in a pack"),
    "a network": (lambda m: _with(m, "units/final/LHetA/1/attempts/a/network.pt"), "no place in a pack"),
    "no study": (lambda m: compressed(_described({n: c for n, c in m.items() if n != "study.json"})), "not a results"),
    "a damaged study": (lambda m: _with(m, "study.json", b"{"), "study.json cannot be used"),
    "another version's study": (lambda m: _with(m, "study.json", seal({"name": "x"})), "not what this version writes"),
    "half of the networks": (
        lambda m: compressed(_described({n: c for n, c in m.items() if n != "networks.bin"})), "neither in it nor"),
    "left out, but there": (lambda m: compressed(_described(m, left_out=["networks"])), "neither in it nor"),
    "networks of nothing": (lambda m: _with(m, "networks.json", b"[1]"), "its networks"),
    "short arrays": (lambda m: _with(m, "networks.bin", m["networks.bin"][:-8]), "arrays end before"),
    "long arrays": (lambda m: _with(m, "networks.bin", m["networks.bin"] + b"x"), "not as long as"),
    "a huge array": (lambda m: _index(m, _huge_shape), "arrays end before"),
    "a negative array": (lambda m: _index(m, _negative_shape), "no array of type"),
    "objects": (lambda m: _index(m, _objects), "no array of type"),
    "parameters that do not fit": (lambda m: _index(m, _other_shapes), "its networks"),
    "a course without values": (lambda m: _index(m, _no_course), "its networks"),
    "settings of text": (lambda m: _index(m, _text_settings), "settings are not numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_pack_that_is_none_is_refused_and_nothing_is_written(
    case: str, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, reason = HOSTILE[case]
    path = tmp_path / "hostile.tar.xz"
    path.write_bytes(make(members_of(packed.read_bytes())))
    assert main([str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert f"where:   {path}" in said
    assert "glifr-pack-" not in said, "the temporary folder is no place of the user's"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_hostile_pack_is_refused_on_either_side_of_a_comparison(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar.xz"
    path.write_bytes(HOSTILE["a symlink"][0]({}))
    for this, other in ((packed, path), (path, packed)):
        assert main([str(this), "--compare", str(other), "--out", str(tmp_path / "out")]) == 2
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_unreadable_pack_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere.tar.xz")]) == 2
    assert "not a results folder" in capsys.readouterr().err
