"""The schema that editors read: as the types are, named by each study, and what it lets through is what they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from paths import ROOT
from study_texts import GOOD

from launch import cli
from launch.studyfile.json_schema import FILE, as_text

SCHEMA = ROOT / "studies" / FILE
STUDIES = [*sorted((ROOT / "studies").glob("*.yaml")), *sorted((ROOT / "examples").glob("*/*.yaml"))]
CHECK = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def test_the_shipped_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_text() == as_text(), f"python -m launch.studyfile.json_schema > studies/{FILE}"
    jsonschema.Draft202012Validator.check_schema(json.loads(as_text()))


def read(text: str) -> Any:
    """As our own reader has it: 1e-3 is a number."""
    from launch.studyfile.text.yaml_reader import read_yaml

    return read_yaml(text.encode(), "study.yaml")[0].data


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_names_it_and_is_valid(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    word, _, named = first.partition("$schema=")
    assert word == "# yaml-language-server: "
    assert (path.parent / named).resolve() == SCHEMA
    CHECK.validate(read(path.read_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("training: {epochs", "training: {epoch"),
        ("batch_size: 64", "batch_size: many"),
        ("final: {seeds: 5}\n", ""),
        ("scale: log}\n      after", "scale: cubic}\n      after"),
        ("    final: {seeds: [7, 8]}", "    finals: {seeds: [7, 8]}"),
    ],
)
def test_it_underlines_what_is_wrong(old: str, new: str) -> None:
    CHECK.validate(read(GOOD))
    assert old in GOOD
    assert list(CHECK.iter_errors(read(GOOD.replace(old, new))))


def test_check_says_that_a_study_is_right_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.init", None)
    given = [str(ROOT / "studies" / "sine_ablation.yaml"), "--check", "--results", str(tmp_path / "r")]
    assert cli.main(given) == 0
    assert "sine_ablation (full) is valid: " in capsys.readouterr().out
    assert cli.main([*given, "--set", "training.epochs=0"]) == 2
    assert "training.epochs" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
