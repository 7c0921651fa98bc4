"""Every refusal tells what a user needs: the rule and the place, what is wrong there, and what to do."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT
from small_study import ONE_CONDITION, ONE_UNIT, conduct, small_plan

from analysis.__main__ import main as analysis
from launch import cli
from launch.tracking import sync, workspace

PARTS = ("rule", "place", "value", "allowed", "todo")


def given_parts(call: ast.Call) -> set[str]:
    return {*PARTS[: len(call.args)], *(keyword.arg for keyword in call.keywords if keyword.arg)}


def problems(package: str) -> list[tuple[str, set[str]]]:
    """Where a `Problem` is made, and which of its parts are given there."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", given_parts(node)))
    return found


@pytest.mark.parametrize("package", ["launch", "analysis"])
def test_a_command_says_what_to_do_and_what_is_wrong(package: str) -> None:
    """Whoever types a command must know what to type next."""
    found = problems(package)
    assert found
    enough = [{"todo", "value"}, {"todo", "allowed"}, {"todo", "detail"}, {"value", "allowed"}]
    assert not [place for place, parts in found if not any(some <= parts for some in enough)]


def test_the_library_says_what_to_do_or_what_was_found_and_what_may_stand_there() -> None:
    found = problems("glifr")
    assert found
    assert not [place for place, parts in found if "todo" not in parts and not {"value", "allowed"} <= parts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of digits with its results, beside the results of one of a sine and other wrong things."""
    at = tmp_path_factory.mktemp("refusals")
    conduct(small_plan(at, *ONE_UNIT, "training.epochs=1", text=ONE_CONDITION), at / "small" / "full")
    sine = ["task={name: sine}", "training.epochs=1", "training.batch_size=2"]
    conduct(small_plan(at, *ONE_UNIT, *sine, text=ONE_CONDITION), at / "sine")
    small_plan(at, *ONE_UNIT, text=ONE_CONDITION)
    shutil.copytree(at / "sine", at / "damaged")
    (at / "damaged" / "study.json").write_text("{")
    (at / "plain.txt").write_text("x")
    (at / "empty").mkdir()
    (at / "new.yaml").write_text(ONE_CONDITION.replace("name: small", "name: new"))
    return at


Command = tuple[Callable[[list[str]], int], list[str]]
REFUSED: dict[str, Command] = {
    "compare another task": (analysis, ["small/full", "--compare", "sine"]),
    "compare nothing": (analysis, ["small/full", "--compare", "nothing"]),
    "report of nothing": (analysis, ["nothing"]),
    "report of an empty folder": (analysis, ["empty"]),
    "report of a file": (analysis, ["plain.txt"]),
    "report of a damaged study": (analysis, ["damaged"]),
    "no such format": (analysis, ["small/full", "--format", "word"]),
    "pack nothing": (analysis, ["pack", "nothing", "-o", "x.tar.xz"]),
    "pack a file": (analysis, ["pack", "plain.txt", "-o", "x.tar.xz"]),
    "pack into a folder": (analysis, ["pack", "small/full", "-o", "empty"]),
    "sync nothing": (sync.main, ["sync", "nothing"]),
    "dashboard without results": (workspace.main, ["new.yaml", "--results", "results"]),
    "status without results": (cli.main, ["new.yaml", "--results", "results", "--status"]),
    "failures without status": (cli.main, ["new.yaml", "--failures"]),
    "no study file": (cli.main, ["nothing.yaml"]),
    "a folder as study": (cli.main, ["empty"]),
    "no such profile": (cli.main, ["new.yaml", "--profile", "large"]),
    "no such setting": (cli.main, ["new.yaml", "--set", "trainig.epochs=3"]),
    "a value that is none": (cli.main, ["new.yaml", "--set", "training.epochs=many"]),
    "results in a file": (cli.main, ["new.yaml", "--results", "plain.txt"]),
    "no cluster": (cli.main, ["new.yaml", "--address", "127.0.0.1:1"]),
    "no address": (cli.main, ["new.yaml", "--address", "here"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_as_it_is_read(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WANDB_MODE", "offline")
    before = sorted(folder.rglob("*"))
    main, given = REFUSED[name]
    assert main(given) == cli.REFUSED
    told = capsys.readouterr().err
    assert "Traceback" not in told
    parts = set(re.findall(r"^  (where|found|allowed|do): ", told, re.MULTILINE))
    assert "where" in parts, told
    assert "do" in parts or {"found", "allowed"} <= parts, told
    assert parts & {"found", "allowed"}, told
    assert sorted(folder.rglob("*")) == before, "a refusal leaves nothing behind"
