"""Packs: the same tables, figures and report from one small file, and what is refused of a file that says it is one."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import analysis.results.neurons
import glifr
from analysis import assess, figures, load, make_report
from analysis.__main__ import main
from analysis.figures import MissingFigure
from analysis.pack import contents
from analysis.pack.make import pack
from analysis.pack.opened import read_pack
from glifr.records import InputError, Layout, read_sealed
from glifr.records.archive import members_of


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
    for private in (b"/home", b"someone", b"traceback", b"weights"):
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
