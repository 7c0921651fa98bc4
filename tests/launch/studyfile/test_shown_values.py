"""What stands in a study file is shown in messages as YAML writes it, whatever kind of value it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import ONE_CONDITION

from glifr.errors import InputError
from launch.studyfile import load_study
from launch.studyfile.text.yaml_reader import read_yaml
from launch.studyfile.text.yaml_values import as_yaml


def found(folder: Path, *overrides: str, text: str = ONE_CONDITION) -> list[str]:
    """The values that a refusal shows."""
    path = folder / "own.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_study(path, overrides=list(overrides))
    lines = str(error.value).splitlines()
    return [line.removeprefix("  found:   ") for line in lines if line.startswith("  found:   ")]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("null", "null"),
        ("true", "true"),
        ("False", "false"),
        ("1e-05", "1e-05"),
        ("2.0", "2.0"),
        ("-3", "-3"),
        ("[Homm]", "[Homm]"),
        ("{low: 1, high: null}", "{low: 1, high: null}"),
        ("many", "many"),
        ("'12'", "'12'"),
        ("'true'", "'true'"),
        ("off", "off"),  # text in YAML 1.2
        ("010", "010"),  # refused by the reader, so shown as it stands
        (".inf", ".inf"),
        ('"two\\nlines"', '"two\\nlines"'),
    ],
)
def test_a_value_is_shown_as_it_was_written(tmp_path: Path, written: str, shown: str) -> None:
    text = ONE_CONDITION.replace("training: {epochs: 3,", f"training: {{epochs: {written},")
    assert text != ONE_CONDITION
    assert shown in found(tmp_path, text=text)
    assert shown in found(tmp_path, f"training.epochs={written}")


def test_a_file_that_is_no_mapping_is_shown_so_too(tmp_path: Path) -> None:
    assert found(tmp_path, text="[Hom, true, null]\n") == ["[Hom, true, null]"]


def test_what_was_typed_stays_as_it_was(tmp_path: Path) -> None:
    assert found(tmp_path, "final.seeds") == ["'final.seeds'"]
    with pytest.raises(InputError, match="found:   'None'"):
        load_study(tmp_path / "own.yaml", profile="None")


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -7, 10**29, 0.1, 1e-5, 1e300, "", "true", "~", "1e3", ".inf", "a: b", "# no", "- x", "*a",
        "two\nlines", "\u2028", "\x1b[31m", "é", "x " * 200, [], {}, [[1, None], {"a": [True, "no"]}],
        {"on": "off", "1": 1},
    ],
)  # fmt: skip
def test_it_is_on_one_line_and_read_back_as_it_was(value: Any) -> None:
    text = str(as_yaml(value))
    assert len(text.splitlines()) == 1
    tree, faults = read_yaml(f"key: {text}\n".encode(), "own.yaml")
    assert (tree.data, faults) == ({"key": value}, [])


def test_what_yaml_cannot_say_is_shown_as_python_does() -> None:
    assert str(as_yaml(Path("here"))) == repr(Path("here"))
