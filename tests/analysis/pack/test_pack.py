"""Packs: the same tables, figures and report from one small file, and what is refused of a file that says it is one."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from records_factory import Synthetic, write_study

import analysis.results.neurons
import glifr
from analysis import assess, figures, load, make_report
from analysis.__main__ import main
from analysis.figures import MissingFigure
from analysis.pack import contents
from analysis.pack.make import pack
from analysis.pack.opened import read_pack
from analysis.statistics.clusters import Clustering
from glifr.records import InputError, Layout, UnitId, archive, read_sealed, seal
from glifr.records.archive import compressed, members_of

STUDY = Synthetic(
    conditions=("RNN", "Hom", "LHetA"),
    seeds=4,
    trials=5,
    epochs=3,
    masks=2,
    characteristics=True,
    failed_share=0.4,
    diverged=frozenset({("Hom", 3)}),
    missing=frozenset({("RNN", 2)}),
    failed=frozenset({("LHetA", 4)}),
)
HOST = "node-of-someone"


@pytest.fixture(scope="module")
def quick() -> pytest.MonkeyPatch:
    """Clustering without its draws: that is tested elsewhere."""
    patch = pytest.MonkeyPatch()
    found = Clustering(40, 8, 2, 1.25, 0.5, 0.5, (1.1,) * 9, (1.0,) * 9, (0.9,) * 9, (1.2,) * 9)
    patch.setattr(analysis.results.neurons, "cluster", lambda values, generator: found)
    yield patch
    patch.undo()


def _spoil(root: Path) -> Path:
    """What happens to folders: private files, an attempt without records, damage, a torn line, a stray folder."""
    layout = Layout(root)
    spare = layout.attempt(UnitId("final", "RNN", 1), "0000-earlier")
    spare.mkdir()
    (spare / "lease.json").write_bytes(seal({"host": HOST}))
    (spare / "network.pt").write_bytes(b"weights")
    (layout.events).write_text(HOST)
    layout.result(UnitId("final", "Hom", 4)).write_bytes(b"{ torn in /home/someone/there")
    layout.proposal(UnitId("search", "Hom", 0)).unlink()
    (epochs,) = layout.attempts(UnitId("final", "LHetA", 1)).glob("*/epochs.jsonl")
    epochs.write_bytes(epochs.read_bytes().replace(b'"epoch": 2', b'"epoch": 3', 1) + b'{"seed": 1, "ep')
    (layout.units / "final" / "LHetA" / "copy of 1").mkdir()
    (lost,) = layout.attempts(UnitId("final", "LHetA", 2)).glob("*/characteristics.npz")
    lost.unlink()
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, quick: pytest.MonkeyPatch) -> Path:
    return _spoil(write_study(tmp_path_factory.mktemp("packed") / "study", STUDY))


@pytest.fixture(scope="module")
def packed(folder: Path) -> Path:
    path = folder.parent / "study.tar.xz"
    pack(folder, path)
    return path


def _made(root: Path) -> dict[str, bytes]:
    """Everything that a report makes."""
    paths = [root / "report.html", root / "manifest.json"]
    paths += [p for name in ("tables", "figures", "latex") for p in (root / name).iterdir()]
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in paths}


def test_every_table_figure_and_page_is_the_same_from_a_pack(folder: Path, packed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    made, again = make_report(copy), make_report(packed, out=tmp_path / "out")
    wanted, found = _made(copy), _made(tmp_path / "out")
    assert len(wanted) > 80
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert (made.complete, again.complete) == (False, False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "tables", "figures", "latex", "report.html", "manifest.json",
    }  # fmt: skip
    page = found["report.html"].decode()
    assert "copy of 1: not a unit&#39;s folder" in page, "damage of the folder is named from the pack too"
    assert "LHetA seed 2: " in page


def test_what_a_pack_knows_of_clusters_is_not_computed_again(packed: Path, quick: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis.results.neurons, "cluster", refused)
        assert len(assess(load(packed)).neurons.clustered) == 4


def test_packing_again_gives_the_same_file_and_leaves_the_folder_alone(
    folder: Path, packed: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    before = sorted(copy.rglob("*"))
    pack(copy, tmp_path / "again.tar.xz")
    assert (tmp_path / "again.tar.xz").read_bytes() == packed.read_bytes()
    assert sorted(copy.rglob("*")) == before


def test_nothing_private_and_no_network_is_in_a_pack(packed: Path) -> None:
    members = members_of(packed.read_bytes())
    content = b"".join(members.values())
    for private in (b"/home", b"someone", HOST.encode(), b"traceback", b"weights"):
        assert private not in content, private
    assert not [name for name in members if name.endswith((".pt", ".npz", "lease.json", "events.jsonl"))]


def test_any_tar_program_reads_a_pack(packed: Path) -> None:
    with tarfile.open(packed) as tar:
        names = tar.getnames()
        described = json.load(tar.extractfile("pack.json"))  # type: ignore[arg-type]
    assert names[0] == "pack.json"
    assert described["format"] == contents.FORMAT
    assert described["study"]["name"] == "synthetic"
    for name, entry in described["members"].items():
        content = members_of(packed.read_bytes())[name]
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_the_command_packs_and_reports(
    folder: Path, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.tar.xz"
    assert main(["pack", str(folder), "-o", str(path)]) == 1, "the study is not complete"
    said = capsys.readouterr().out
    assert f"{len(path.read_bytes()):,}  {path}" in said
    assert "networks" in said
    assert main([str(path), "--format", "csv"]) == 1
    assert str(tmp_path / "mine" / "tables" / "seeds.csv") in capsys.readouterr().out
    assert (tmp_path / "mine" / "tables" / "trials.parquet").is_file()
    assert not (tmp_path / "mine" / "figures").exists()
    assert main([str(packed), "--format", "csv"]) == 2, "beside it lies the folder, which keeps its own"
    assert "say `--out DIR`" in capsys.readouterr().err


def test_a_folder_is_reported_elsewhere_too(folder: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert main([str(folder), "--format", "csv", "--out", str(tmp_path / "out")]) == 1
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert (tmp_path / "out" / "tables" / "seeds.csv").is_file()


@pytest.mark.parametrize("sides", ["pack and folder", "folder and pack", "two packs"])
def test_packs_are_compared_like_folders(sides: str, folder: Path, packed: Path, tmp_path: Path) -> None:
    this, other = {
        "pack and folder": (packed, folder), "folder and pack": (folder, packed), "two packs": (packed, packed),
    }[sides]  # fmt: skip
    wanted = tmp_path / "wanted"
    assert main([str(folder), "--compare", str(folder), "--out", str(wanted)]) == 0
    assert main([str(this), "--compare", str(other), "--out", str(tmp_path / "out")]) == 0
    for name in ("comparison.html", "comparison.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (wanted / name).read_bytes()


def test_a_pack_without_networks_says_so(folder: Path, packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.tar.xz"
    assert main(["pack", str(folder), "-o", str(path), "--without", "networks"]) == 1
    assert path.stat().st_size < packed.stat().st_size
    assert json.loads(read_pack(path)["pack.json"])["left_out"] == ["networks"]
    judged = assess(load(path))
    drawn = figures.FIGURES["current_curves"](judged)
    assert isinstance(drawn, MissingFigure)
    assert drawn.why == "The pack was made without what its networks are like."
    assert any("made without what its networks are like" in problem for problem in judged.problems)
    assert judged.results.tables["seeds"].equals(load(folder).tables["seeds"])


def test_a_pack_that_is_too_large_is_refused_with_its_parts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("analysis.pack.make.MOST_BYTES", 10_000)
    assert main(["pack", str(folder), "-o", str(tmp_path / "p.tar.xz")]) == 2
    said = capsys.readouterr().err
    assert "a pack has at most 10,000 bytes" in said
    assert all(f"{part} " in said for part in ("results", "epochs", "networks"))
    assert "--without networks" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["a pack", "not results", "a folder as FILE", "nothing"])
def test_what_cannot_be_packed_is_refused(wrong: str, folder: Path, packed: Path, tmp_path: Path) -> None:
    root, path = {
        "a pack": (packed, tmp_path / "p"),
        "not results": (tmp_path, tmp_path / "p"),
        "a folder as FILE": (folder, tmp_path),
        "nothing": (tmp_path / "nowhere", tmp_path / "p"),
    }[wrong]
    assert main(["pack", str(root), "-o", str(path)]) == 2
    assert not list(tmp_path.iterdir())


def test_networks_are_not_in_a_pack(packed: Path) -> None:
    for choice in ((), ("LHetA",), ("LHetA", 1)):
        with pytest.raises(InputError, match="a pack keeps no networks"):
            glifr.load(packed, *choice)
    with pytest.raises(InputError, match="a pack keeps no networks"):
        glifr.best_seed(packed, "LHetA")


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


def test_a_unit_s_record_that_is_damaged_in_the_pack_s_folder_costs_that_unit_alone(packed: Path) -> None:
    """The pack's own sums fit, so the ledger's rule applies: named, and left out."""
    results = load(packed)
    assert any(problem.startswith("final/Hom/4: result not used") for problem in results.problems)
    assert results.count("complete", "final", "LHetA") == 3


def test_arrays_come_back_bit_for_bit(packed: Path, folder: Path) -> None:
    there, here = load(folder), load(packed)
    assert there.networks is not None
    assert here.networks is not None
    (network,) = (n for n in here.kept if (n.condition, n.seed) == ("LHetA", 3))
    original, found = there.networks.read(network), here.networks.read(network)
    assert original.settings == found.settings
    assert found.examples is None, "the first of its condition stands for it"
    for name, values in original.end.items():
        assert found.end[name].dtype == values.dtype
        assert np.array_equal(found.end[name], values)
    for one, other in zip((*original.curves, *original.responses), (*found.curves, *found.responses), strict=True):
        assert (one.condition, one.seed, one.what, one.neurons) == (
            other.condition,
            other.seed,
            other.what,
            other.neurons,
        )
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.x, other.x)


def test_provenance_is_that_of_the_folder(packed: Path, folder: Path) -> None:
    there, here = load(folder), load(packed)
    assert here.info.hash == there.info.hash
    assert [s["commit"] for s in here.sessions] == [s["commit"] for s in there.sessions]
    assert "/home" in there.sessions[0]["command"]
    assert here.sessions[0]["command"] == "python launch/study.py studies/synthetic.yaml --results out"
    assert read_sealed(Layout(folder).provenance)[0]["packages"] == here.sessions[0]["packages"]
