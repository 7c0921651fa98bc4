"""The kind of processor is on record with each attempt and result; a unit that is tried again on another is told."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT
from rich.console import Console
from small_study import NOT_COMPILED, ONE_CONDITION, ONE_UNIT, StopAfter, conduct, small_plan

from analysis import load
from analysis.results.provenance import mixtures
from analysis.tables.reliability import reliability_sheet
from glifr.engine.cpu.processor import processor_kind
from glifr.records import Layout, UnitId, read_sealed, scan
from launch.planning.plan import StudyPlan
from launch.terminal.end_summary import tell_end

UNIT = UnitId("final", "RNN", 1)
OVERRIDES = (*ONE_UNIT, NOT_COMPILED)
BEGIN = """
import sys
from pathlib import Path
from small_study import ONE_CONDITION, StopAfter, conduct, small_plan
folder = Path(sys.argv[1])
conduct(small_plan(folder, *sys.argv[2:], text=ONE_CONDITION), folder / "r", StopAfter(2))
"""


def kind_in(**variables: str) -> str:
    command = [sys.executable, "-c", "from glifr.engine.cpu.processor import processor_kind; print(processor_kind())"]
    return subprocess.check_output(command, cwd=ROOT, env={**os.environ, **variables}, text=True).strip()


@pytest.mark.program
def test_the_kind_is_what_compiled_code_is_made_for() -> None:
    assert kind_in() == processor_kind()
    assert kind_in(NUMBA_CPU_NAME="generic").startswith("generic (torch ")
    assert kind_in(NUMBA_CPU_FEATURES="+sse2") != processor_kind()
    assert kind_in(ATEN_CPU_CAPABILITY="default") != processor_kind()


@pytest.fixture
def moved(tmp_path: Path) -> tuple[StudyPlan, Path]:
    """A study whose only unit was begun on another kind of processor."""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}",
    }
    command = [sys.executable, "-c", BEGIN, str(tmp_path), *OVERRIDES]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return small_plan(tmp_path, *OVERRIDES, text=ONE_CONDITION), tmp_path / "r"


@pytest.mark.program
def test_r6_a_unit_that_goes_on_on_another_kind_is_told(moved: tuple[StudyPlan, Path]) -> None:
    plan, root = moved
    conductor = conduct(plan, root)
    other = kind_in(NUMBA_CPU_NAME="generic")
    kinds = (other, processor_kind())
    (unit,) = scan(root).units
    assert unit.result is not None
    assert (unit.attempts, unit.resumed, unit.result.processors) == (2, 1, kinds)
    leases = [read_sealed(path)["processor"] for path in sorted(root.glob("units/*/*/*/attempts/*/lease.json"))]
    assert tuple(leases) == kinds
    said = f"{UNIT}: tried again on another kind of processor: {kinds[0]}, then {kinds[1]}"
    assert said in Layout(root).events.read_text()
    console = Console(file=io.StringIO(), width=200)
    tell_end(console, conductor.snapshot(), None, [])
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 unit was tried again on another kind of processor" in printed
    assert f"  {UNIT}: {kinds[0]}, then {kinds[1]}\n" in printed
    sheet = reliability_sheet(load(root))
    column = [head.text for head in sheet.heads].index("on several kinds of processor")
    assert [row[column].text for row in sheet.rows] == ["1", "1"]  # final, all


def test_a_unit_that_goes_on_on_the_same_kind_is_not(tmp_path: Path) -> None:
    plan, root = small_plan(tmp_path, *OVERRIDES, text=ONE_CONDITION), tmp_path / "r"
    conduct(plan, root, StopAfter(2))
    conductor = conduct(plan, root)
    (unit,) = scan(root).units
    assert unit.result is not None
    assert (unit.attempts, unit.result.processors) == (2, (processor_kind(),))
    assert conductor.snapshot().moved == {}
    assert "another kind" not in (Layout(root).events.read_text() if Layout(root).events.exists() else "")


def test_networks_of_two_kinds_are_mixed(tmp_path: Path) -> None:
    root = tmp_path / "r"
    conduct(small_plan(tmp_path, *OVERRIDES, "final.seeds=2", text=ONE_CONDITION), root)
    assert "the kind of processor" not in mixtures(load(root))
    results = load(root)
    results.tables["seeds"].loc[0, "processor"] = "generic (torch AVX2, features 00000000)"
    assert "the kind of processor" in mixtures(results)
