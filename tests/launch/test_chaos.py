"""A short form of `make chaos`: a few of each kind of disturbance, with what it must never do to a study."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_run import HANG
from paths import SUPPORT, TESTS


def rows(part: str, file: str, tmp_path: Path) -> list[dict[str, str]]:
    """What a short campaign of one part recorded. In a process of its own, as it forks."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", part, "--short", "--rows", str(tmp_path), "--work", str(tmp_path / "work")],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(SUPPORT)]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / f"{file}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.program
def test_killed_at_a_write_and_continued_it_is_the_same_study(tmp_path: Path) -> None:
    found = rows("writes", "write_points", tmp_path)
    assert len(found) == 4
    for row in found:
        assert (row["killed"], row["exit_code"], row["same"], row["lost"]) == ("True", "0", "True", "0"), row


@pytest.mark.program
def test_planted_damage_is_named_and_never_taken_as_done(tmp_path: Path) -> None:
    found = rows("damages", "corruptions", tmp_path)
    assert len(found) == 40
    assert len({(row["file"], row["kind"]) for row in found}) == 15
    assert [row for row in found if (row["named"], row["used"]) != ("True", "False")] == []


@pytest.mark.program
def test_a_study_whose_driver_was_killed_twice_is_the_same_study(tmp_path: Path) -> None:
    (found,) = rows("drivers", "studies", tmp_path)
    assert found["kills"] == "2"
    assert (found["exit_code"], found["same"], found["lost"], found["changed"]) == ("0", "True", "0", "0")
    assert found["optuna_running"] == "0"
    assert int(found["repeated"]) <= int(found["interrupted"])
