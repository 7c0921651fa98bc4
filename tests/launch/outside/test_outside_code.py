"""Code from outside: found, hashed, tried before anything is queued, shipped, recorded; never imported for a look."""

from __future__ import annotations

from pathlib import Path

import pytest
from outside_code import METRIC, SLOPE, STUDY, changed, looked_at, no_ray, plan_of, refused, run, write_study
from small_study import NOT_COMPILED, fixed_seeds

from glifr.errors import InputError
from glifr.records import read_sealed
from launch import cli
from launch.code import code_version
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.outside import check
from launch.studyfile import load_study

__all__ = ["no_ray"]  # a fixture for every test

OWN_LOSS = """
TASK = replace(TASK, own_loss=lambda outputs, targets, lengths: outputs.square().mean(1))
"""

LOCKED = """
import threading
from dataclasses import replace
from functools import partial

lock, DATA = threading.Lock(), _


def error(lock, outputs, targets, lengths):
    return outputs.square().mean(1)


def read(lock, stored):
    return stored


"""

# what is replaced in the code or in the study, and what the message says
WRONG_CODE = {
    "raises at import": (
        ("import torch\n", "import torch\n\nsteps = 20 / 0\n"),
        ["importing slope raises ZeroDivisionError: division by zero", "slope.py", "line 6", "steps = 20 / 0"],
    ),
    "is no Python": (("import torch\n", "if True print(1)\n"), ["importing slope raises SyntaxError", "slope.py"]),
    "imports what is not there": (("import torch\n", "import nothing\n"), ["No module named 'nothing'"]),
    "has no such object": (("TASK, _", "TASKS, _"), ["slope has no TASK", "did you mean 'TASKS'?", "task.name"]),
    "has an object of another kind": (("TASK, _", "_, TASK"), ["this is not what stands here: a TaskDefinition"]),
    "ends the process": (("import torch\n", "import os\nos._exit(3)\n"), ["slope ends the process (exit code 3)"]),
    "calls exit": (("import torch\n", "import torch\nraise SystemExit(0)\n"), ["importing slope raises SystemExit"]),
    "has a metric of no such name": (
        ("dt=1.0)\n", "dt=1.0)\n" + METRIC.replace('"brier"', '"Brier score"')),
        ["a metric has no such name", "'Brier score'", "not loss or accuracy", "task.name"],
    ),
    "has a metric that is no share": (
        ("dt=1.0)\n", "dt=1.0)\n" + METRIC.replace('better="lower"', 'better="higher"').replace("** 2", "** 2 + 1")),
        ["a metric has values that it cannot have", "at most 1 where higher is better"],
    ),
    "is judged by what it has not": (
        ("dt=1.0)\n", "dt=1.0)\n" + METRIC.replace('primary="brier"', 'primary="bier"')),
        ["the task has no such primary", "one of accuracy, loss, brier"],
    ),
    "cannot be sent to a worker": (
        ("dt=1.0)\n", "dt=1.0)\n" + LOCKED + "TASK = replace(TASK, own_loss=partial(error, lock))\n"),
        ["the task's own_loss cannot be sent to workers", "_thread.lock", "task.name", "a function of a module"],
    ),
    "reads with what cannot be sent": (
        ("dt=1.0)\n", "dt=1.0)\n" + LOCKED + "for split in (DATA.train,):\n    "
         "object.__setattr__(split, 'decode', partial(read, lock))\n"),
        ["the task's decode of train cannot be sent to workers", "_thread.lock"],
    ),
    "has a loss of the whole batch": (
        ("dt=1.0)\n", "dt=1.0)\nfrom dataclasses import replace\n" + OWN_LOSS.replace(".mean(1)", ".mean()")),
        ["the shape of own_loss does not fit", "task.name"],
    ),
    "has a loss without a gradient": (
        ("dt=1.0)\n", "dt=1.0)\nfrom dataclasses import replace\n" + OWN_LOSS.replace("outputs.", "outputs.detach().")),
        ["a loss must be finite and follow from the outputs", "no gradient"],
    ),
    "has NaN in its data": (
        ("return (lines", "lines[3, 5] = float('nan')\n    return (lines"),
        ["the inputs have numbers that are not finite", "1 of 4,000 numbers", "task.name"],
    ),
    "tests on what it trains on": (
        ("ramps(3, 50)", "ramps(2, 50)"),
        ["the same sequence stands in two splits", "test[0] and validation[0]", "disjoint splits"],
    ),
}  # fmt: skip


@pytest.mark.program
@pytest.mark.parametrize("case", WRONG_CODE)
def test_wrong_code_is_told_as_its_own_before_anything_starts(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced, expected = WRONG_CODE[case]
    message = refused(write_study(tmp_path, changed(SLOPE, replaced)), capsys)
    assert "outside.yaml: " in message
    for words in expected:
        assert words in message


WRONG_NAMES = {
    "missing": (("code: [slope]", "code: [slop]"), ["there is no such code", "code[0]", "did you mean 'slope'?"]),
    "not named": (("code: [slope]\n", ""), ["the code of slope is not named under `code`", "add `code: [slope]`"]),
    "given twice": (("code: [slope]", "code: [slope, slope.py]"), ["the name slope is given twice", "code[1]"]),
    "of Python": (("code: [slope]", "code: [slope, json]"), ["the name json is taken", "code[1]"]),
    "of the project": (("code: [slope]", "code: [slope, glifr]"), ["the name glifr is taken"]),
    "no name": (("code: [slope]", "code: [slope, my-lab]"), ["there is no such code|no name that Python can import"]),
    "no list": (("code: [slope]", "code: slope"), ["this must be a list of names", "as [my_lab]"]),
    "unknown task": (("'slope:TASK'", "slop"), ["there is no task 'slop'", "module:object of your own code"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_a_wrong_name_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replaced, expected = WRONG_NAMES[case]
    message = refused(write_study(tmp_path, study=changed(STUDY, replaced)), capsys)
    for words in expected:
        assert any(word in message for word in words.split("|")), message


def test_a_name_that_an_installed_package_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "numpy.py").write_text("")
    path = write_study(tmp_path, study=changed(STUDY, ("code: [slope]", "code: [slope, numpy.py]")))
    assert "the name numpy is taken: a package of that name is installed" in refused(path, capsys)


def test_code_that_hangs_is_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check.LIMIT == 20.0
    monkeypatch.setattr(check, "LIMIT", 1.0)
    hangs = changed(SLOPE, ("import torch\n", "import time, torch\ntime.sleep(600)\n"))
    assert "importing slope takes longer than 1 s" in refused(write_study(tmp_path, hangs), capsys)


PACKAGE_STUDY = changed(STUDY, ("code: [slope]", "code: [lab, tools, unused.py]"), ("'slope:TASK'", "'lab.tasks:TASK'"))


def write_package(folder: Path) -> Path:
    """A task in a package that uses another file, and a file that it does not use."""
    (folder / "lab").mkdir()
    (folder / "lab" / "__init__.py").write_text("")
    body = changed(SLOPE, ("import torch\n", "import torch\nfrom tools import STEPS\n"), ("0.5, 20)", "0.5, STEPS)"))
    (folder / "lab" / "tasks.py").write_text(body)
    (folder / "tools.py").write_text("STEPS = 20\n")
    (folder / "unused.py").write_text("OTHER = 1\n")
    path = folder / "outside.yaml"
    path.write_text(PACKAGE_STUDY)
    return path


@pytest.mark.program
def test_an_edited_file_names_the_units_that_its_code_computed(tmp_path: Path) -> None:
    path, root = write_package(tmp_path), tmp_path / "results" / "outside" / "full"
    plan = plan_of(path)
    assert {m.name: set(m.uses) for m in plan.study.code.modules} == {"lab": {"tools"}, "tools": set(), "unused": set()}
    run(plan, root)
    assert settle(Ledger(root), plan, code_version(), None) == []

    (tmp_path / "unused.py").write_text("OTHER = 2\n")
    assert settle(Ledger(root), plan_of(path), code_version(), None) == []

    (tmp_path / "tools.py").write_text("STEPS = 20  # as before\n")
    edited = plan_of(path)
    with pytest.raises(InputError, match=r"the code in tools.py, unused.py has changed since these units ran"):
        settle(Ledger(root), edited, code_version(), None)
    assert any("kept" in told for told in settle(Ledger(root), edited, code_version(), "keep"))
    told = settle(Ledger(root), edited, code_version(), "fresh")
    assert any("14 units" in sentence for sentence in told)
    assert not list(root.glob("units/*/*/*/result.json"))


@pytest.mark.program
def test_status_and_report_never_import_it(tmp_path: Path) -> None:
    """Even after the code has become a trap, and the folder of the study is on Python's path."""
    path, results = write_study(tmp_path), tmp_path / "results"
    root = results / "outside" / "full"
    plan = plan_of(path)
    run(plan, root)
    trap = tmp_path / "imported"
    (tmp_path / "slope.py").write_text(f"open({str(trap)!r}, 'w').close()\nraise SystemExit(9)\n")
    assert "14/14 units" in looked_at(path, results, root, "slope")
    assert not trap.exists()
    (module,) = plan.study.code.modules
    assert f"slope {module.digest[:12]}" in (root / "report.html").read_text()


@pytest.mark.program
def test_the_command_ships_and_records_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path)
    given = [str(path), "--results", str(tmp_path / "results"), *fixed_seeds("RNN", "LHetA"), "--set", NOT_COMPILED]
    assert cli.main([*given, "--plan"]) == 0
    assert not (tmp_path / "results").exists()
    assert cli.main(given) == 0, capsys.readouterr().out
    root = tmp_path / "results" / "outside" / "full"
    (session,) = read_sealed(root / "provenance.json")
    (module,) = load_study(path).code.modules
    assert session["outside"] == {"slope": {"version": "", "digest": module.digest, "files": dict(module.files)}}
    assert (root / "code" / f"slope-{module.digest[:12]}" / "slope.py").read_text() == SLOPE
    assert not [p for p in tmp_path.rglob("__pycache__")]
    assert not (root / "events.jsonl").exists()  # no warning, no error
