"""Files that are there and cannot be read: named, tried again a little, and never dearer than their unit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import SUPPORT, TESTS
from small_study import NOT_COMPILED, TINY, conduct, published, small_plan
from unreadable_session import CONDITIONS, FILES

from glifr.errors import InputError
from glifr.records import ForeignPathError, Layout, RecordError, UnitId, read_sealed, scan
from launch.ledger.provenance import Sessions
from launch.ledger.repair import set_damaged_aside
from launch.ledger.units import Ledger


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished")
    assert conduct(small_plan(place, NOT_COMPILED, text=TINY), place / "results").complete
    Sessions(Layout(place / "results"), "a command")
    return place / "results"


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "results"))


@pytest.fixture(scope="module")
def sessions(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A session for each file and error, in a process whose `open` fails."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler, to make opening a file fail")
    place = tmp_path_factory.mktemp("sessions")
    library = place / "faulty.so"
    source = SUPPORT / "faulty_files.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60)
    given = [sys.executable, SUPPORT / "unreadable_session.py", place, finished]
    paths = os.pathsep.join([str(SUPPORT), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    settings = {**os.environ, "PYTHONPATH": paths, "LD_PRELOAD": str(library)}
    done = subprocess.run(given, env=settings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.program
def test_every_session_ends_complete_and_equal(sessions: list[dict[str, Any]]) -> None:
    assert len(sessions) == len(FILES) + 1
    assert [s for s in sessions if not (s["complete"] and s["same"])] == []


def test_what_cannot_be_read_is_named_by_session_analysis_and_status(sessions: list[dict[str, Any]]) -> None:
    named = [s for s in sessions if s["case"] in FILES]
    assert named
    for found in named:
        name = Path(FILES[found["case"]]).name
        reason = os.strerror(found["errno"])
        if found["case"] not in ("epochs", "attempts"):  # of a finished unit a session needs neither
            assert any(name in told and reason in told for told in found["told"]), found
        if found["case"] != "network":  # which no table or figure reads
            assert any(name in told and reason in told for told in found["problems"]), found
        if found["case"] == "study":
            assert reason in found["status"]


def test_files_that_fail_now_and_then_cost_nothing(sessions: list[dict[str, Any]]) -> None:
    (stale,) = (s for s in sessions if s["case"] == "one in a hundred")
    assert (stale["told"], stale["problems"]) == ([], [])


OTHERS = ("folder", "link to itself", "link to nothing")


def put(kind: str, path: Path) -> None:
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "link to itself" else path.with_name("nowhere"))


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("what", ["search result", "final proposal", "network", "provenance"])
def test_what_is_no_file_is_set_aside(what: str, kind: str, root: Path, finished: Path, tmp_path: Path) -> None:
    (path,) = root.glob(FILES[what])
    put(kind, path)
    told = set_damaged_aside(Ledger(root), list(CONDITIONS))
    assert len(told) == 1
    assert path.name in told[0]
    assert conduct(small_plan(tmp_path, NOT_COMPILED, text=TINY), root).complete
    assert published(root, CONDITIONS) == published(finished, CONDITIONS)


@pytest.mark.parametrize("kind", OTHERS)
def test_analysis_names_what_is_no_file(kind: str, root: Path) -> None:
    put(kind, root / FILES["search result"])
    (problem,) = scan(root).problems
    assert "search/RNN/1: result not used" in problem


def test_a_record_nested_without_end_is_damaged(root: Path) -> None:
    path = root / FILES["final result"]
    path.write_text("[" * 100_000)
    with pytest.raises(RecordError, match="nested too deeply"):
        read_sealed(path)
    (epochs,) = root.glob(FILES["epochs"])
    epochs.write_text("[" * 100_000 + "\n")
    assert any("epochs.jsonl: line 1" in problem for problem in scan(root).problems)


@pytest.mark.parametrize("name", ["\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT TWO}", "-1", "2.0", "1@2"])
def test_a_folder_that_is_no_number_is_named_and_left_out(name: str, root: Path) -> None:
    (root / "units/search/RNN" / name).mkdir()
    assert any("not a unit's folder" in problem for problem in scan(root).problems)
    assert [unit.number for unit in Ledger(root).units("search", "RNN")] == [0, 1]


def test_a_unit_that_is_no_folder_is_named(root: Path) -> None:
    (root / "units/search/RNN/7").symlink_to("nowhere")
    (problem,) = scan(root).problems
    assert problem.startswith("search/RNN/7: no usable proposal")


def test_units_on_another_disk_behind_a_link_are_used(root: Path, finished: Path, tmp_path: Path) -> None:
    shutil.move(root / "units", tmp_path / "other disk")
    (root / "units").symlink_to(tmp_path / "other disk")
    before = {path: path.read_bytes() for path in (tmp_path / "other disk").rglob("*.json")}
    assert set_damaged_aside(Ledger(root), list(CONDITIONS)) == []
    assert conduct(small_plan(tmp_path, NOT_COMPILED, text=TINY), root).complete
    assert {path: path.read_bytes() for path in (tmp_path / "other disk").rglob("*.json")} == before


def test_a_stage_on_another_disk_is_refused_before_anything_is_set_aside(root: Path, tmp_path: Path) -> None:
    shutil.move(root / "units/final", tmp_path / "other disk")
    (root / "units/final").symlink_to(tmp_path / "other disk")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(InputError, match="outside its results folder") as refused:
        set_damaged_aside(Ledger(root), list(CONDITIONS))
    assert "nothing was changed" in str(refused.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_many_units_that_cannot_be_read_are_refused_before_anything_is_set_aside(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path.name == "result.json":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(InputError, match="files of 14 units cannot be read"):
        set_damaged_aside(Ledger(root), list(CONDITIONS))
    assert not list(root.rglob("*.damaged-*"))


@pytest.mark.parametrize(
    "relative", ["../../secret.pt", "/etc/passwd", "units/../../x.pt", "units/../study.json/../../x"]
)
def test_a_path_that_leads_out_is_refused(relative: str, root: Path) -> None:
    with pytest.raises(ForeignPathError, match="leads out"):
        Layout(root).inside(relative)


def test_the_units_of_a_ledger_are_read_in_order(root: Path) -> None:
    assert Ledger(root).units("final", "RNN") == [UnitId("final", "RNN", 1), UnitId("final", "RNN", 2)]
