"""`init`: what it writes is right, is what `--check` and the schema take, and runs as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from launch import cli
from launch.studyfile import load_study
from launch.studyfile.text.yaml_reader import read_yaml

STUDIES = ["smnist_ablation", "published_sine", "parameter_recovery"]


def begin(path: Path, *more: str) -> int:
    return cli.main(["init", str(path), *more])


@pytest.mark.parametrize(
    "more",
    [(), pytest.param(("--code",), marks=pytest.mark.program), *(("--like", name) for name in STUDIES)],
    ids=" ".join,
)
def test_what_it_writes_is_right(more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "mine.yaml"
    assert begin(path, *more) == 0
    assert "mine.yaml --check" in capsys.readouterr().out
    assert cli.main([str(path), "--check"]) == 0
    assert load_study(path).spec.name == "mine"
    first = path.read_text().splitlines()[0]
    schema = json.loads((path.parent / first.partition("$schema=")[2]).read_text())
    jsonschema.Draft202012Validator(schema).validate(read_yaml(path.read_bytes(), "mine.yaml")[0].data)
    assert begin(path, *more) == 0  # the same again changes nothing


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("My-Study.yaml", (), "a study's file is named as the study"),
        ("mine.txt", (), "a study's file is named as the study"),
        ("mine.yaml", ("--like", "smnist"), "did you mean"),
    ],
)
def test_a_wrong_wish_writes_nothing(
    name: str, more: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(tmp_path / name, *more) == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("years of work")
    assert begin(tmp_path / "mine.yaml", "--code") == 2
    assert "mine.py" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.program
@pytest.mark.parametrize(("more", "units"), [((), 27), (("--code",), 36)], ids=["plain", "code"])
def test_it_runs_as_written(
    more: tuple[str, ...], units: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(tmp_path / "mine.yaml", *more) == 0
    assert cli.main([str(tmp_path / "mine.yaml"), "--results", str(tmp_path / "results")]) == 0
    assert f"{units} of {units} units done" in capsys.readouterr().out
