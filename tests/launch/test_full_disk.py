"""A full disk is named by its folder, wherever it lies."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

import pytest

from launch.failures import failure_of
from launch.full_disk import disk_is_full, full_disk


def no_space(path: Path | None = None) -> OSError:
    words = "No space left on device"
    return OSError(errno.ENOSPC, words) if path is None else OSError(errno.ENOSPC, words, str(path))


def test_the_file_that_could_not_be_written_names_the_folder(tmp_path: Path) -> None:
    error = RuntimeError("could not be saved")
    error.__cause__ = no_space(tmp_path / "cache" / "scan.nbi")
    assert disk_is_full(error)
    assert f"the disk of {tmp_path / 'cache'} is full" in full_disk(error, tmp_path / "results")


def test_below_the_results_folder_it_is_the_results_folder_that_is_named(tmp_path: Path) -> None:
    said = full_disk(no_space(tmp_path / "units" / "final" / "result.json"), tmp_path)
    assert said.startswith("the disk of the results folder is full: free some space")
    assert str(tmp_path) in said


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "WANDB_DIR", "HOME"])
def test_without_a_file_the_disk_that_has_no_space_is_found(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, real = tmp_path / "full", shutil.disk_usage
    monkeypatch.setenv(variable, str(full))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real("/")._replace(free=0 if Path(path) == full else 2**40))
    assert f"the disk of {full} is full" in full_disk(no_space(), tmp_path / "results")


def test_a_full_temporary_folder_has_a_remedy_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    assert "TMPDIR" in full_disk(no_space(tmp_path / "t" / "x"), tmp_path / "results")


def test_a_worker_tells_which_disk_of_its_node_is_full(tmp_path: Path) -> None:
    failure = failure_of(no_space(tmp_path / "elsewhere" / "x"), tmp_path / "results")
    assert (failure.kind, str(tmp_path / "elsewhere") in failure.words) == ("disk full", True)


def test_another_error_is_no_full_disk() -> None:
    assert not disk_is_full(OSError(errno.EACCES, "Permission denied"))
    assert not disk_is_full(None)
