"""Numba's cache on disk: torn, foreign, full or missing, it costs a compilation and a warning, never the work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

numba = pytest.importorskip("numba")

from numba import types  # noqa: E402 - only where numba is

from glifr.engine import notes  # noqa: E402
from glifr.engine.cpu import code_cache  # noqa: E402
from glifr.engine.cpu.jobs import scan  # noqa: E402
from glifr.engine.layout import layout_of  # noqa: E402
from glifr.neurons import tanh  # noqa: E402

SIGNATURE = types.void(types.int64)


def work(address: int) -> None:
    """Compiled in a fraction of a second."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    notes.take_notes()
    notes._told.clear()
    return tmp_path / "cache"


def compile_it() -> Any:
    code = code_cache.compile_cached(work, SIGNATURE, {})
    code.ctypes(0)
    return code


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.rglob(pattern)
    return found


def test_what_is_whole_is_used(folder: Path) -> None:
    assert compile_it().cache_hits == 0
    assert compile_it().cache_hits == 1
    assert notes.take_notes() == []


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(500))


def _another_thing(path: Path) -> None:
    path.write_bytes(b"\x80\x04N.")  # a pickle of None


@pytest.mark.parametrize("harm", [_empty, _cut, _garbage, _another_thing])
@pytest.mark.parametrize("which", ["*.nbi", "*.nbc"])
@pytest.mark.filterwarnings("ignore:numba's cache")
def test_e3_a_torn_file_costs_one_compilation_and_is_written_anew(
    folder: Path, which: str, harm: Callable[[Path], None]
) -> None:
    compile_it()
    harm(only(folder, which))
    assert compile_it().cache_hits == 0
    assert compile_it().cache_hits == 1
    assert len(notes.take_notes()) <= 1


@pytest.mark.filterwarnings("ignore:numba's cache")
def test_e3_the_warning_comes_once_and_names_the_folder(folder: Path) -> None:
    compile_it()
    for _ in range(2):
        _empty(only(folder, "*.nbi"))
        compile_it()
    (note,) = notes.take_notes()
    assert str(folder) in note
    assert "NUMBA_CACHE_DIR" in note


@pytest.mark.parametrize("which", ["*.nbi", "*.nbc"])
@pytest.mark.filterwarnings("ignore:numba's cache")
def test_e3_a_file_that_can_be_neither_read_nor_written_is_done_without(folder: Path, which: str) -> None:
    """A folder in its place, since tests may run as root, whom no permission keeps out."""
    compile_it()
    path = only(folder, which)
    path.unlink()
    path.mkdir()
    (path / "not empty").touch()
    assert compile_it().cache_hits == 0
    assert len(notes.take_notes()) == 1


@pytest.mark.filterwarnings("ignore:numba's cache")
def test_e4_without_any_folder_code_is_compiled_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache._Cache._impl_class, "_locator_classes", [])
    assert compile_it().cache_hits == 0
    assert len(notes.take_notes()) == 1


def test_e4_a_cache_folder_that_is_a_file_is_replaced_by_the_next_place(folder: Path) -> None:
    folder.write_text("")
    compile_it()
    assert notes.take_notes() == []


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB without room, which only root can make."""
    path = tmp_path / "full"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a full file system takes root and a mount")
    (path / "filler").write_bytes(bytes(56 * 1024))
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.filterwarnings("ignore:numba's cache")
def test_e4_a_full_disk_of_the_cache_is_named_and_done_without(
    folder: Path, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(full))
    assert compile_it().cache_hits == 0
    (note,) = notes.take_notes()
    assert str(full) in note
    assert "No space left" in note


def test_the_kernels_code_comes_through_it(folder: Path) -> None:
    scan.cache_clear()
    code = scan("forward", layout_of(tanh(), masked=False, learned=False, stored=True))
    assert isinstance(code, code_cache._Code)
    assert list(folder.rglob("*forward*.nbc"))
    scan.cache_clear()
