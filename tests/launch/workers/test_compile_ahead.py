"""Kernels are compiled ahead: what a study needs, in a cache of its own; then workers compile nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from paths import ROOT, SUPPORT
from rich.console import Console
from small_study import NOT_COMPILED, STUDY, small_plan

from launch import compiling
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.workers.compile_ahead import compile_condition, compile_part, conditions_to_compile, parts

GLIFR_KINDS = "  LHetA: {delay: 1.0}\n  LHet: {delay: 1.0}\n  FHetA: {delay: 1.0}\n  RHetA: {delay: 1.0}\n"


def test_a_condition_for_each_code(tmp_path: Path) -> None:
    many = STUDY.replace("  LHetA: {delay: 1.0}\n", GLIFR_KINDS).replace(
        "    glifr_homogeneous:", "    glifr_heterogeneous: *space\n    glifr_homogeneous:"
    )
    # FHetA learns no neuron parameter, RHetA the same ones as LHetA
    assert conditions_to_compile(small_plan(tmp_path, text=many)) == ("RNN", "LSTM", "LHetA", "LHet", "FHetA")
    assert conditions_to_compile(small_plan(tmp_path, NOT_COMPILED)) == ()


class Recorder:
    """An executor that calls nothing, or fails at everything."""

    def __init__(self, wrong: str = "") -> None:
        self.asked: list[tuple[Callable[..., object], int]] = []
        self._wrong = wrong

    def on_each_node(
        self, function: Callable[..., object], items: Sequence[tuple[object, ...]], seconds: float
    ) -> list[str]:
        assert 0 < seconds <= compiling.LIMIT
        self.asked.append((function, len(items)))
        return [self._wrong] if self._wrong else []


def ahead(plan: StudyPlan, root: Path, executor: Recorder, here: bool) -> str:
    said = io.StringIO()
    compiling.compile_ahead(Console(file=said, width=200), executor, plan, Ledger(root), here)
    return said.getvalue()


@pytest.mark.parametrize(("cached", "here", "asked"), [(True, True, 0), (False, True, 2), (True, False, 2)])
def test_it_is_asked_for_and_told_where_there_is_something_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool, here: bool, asked: int
) -> None:
    """Only of a machine that is the only node is the cache known."""
    monkeypatch.setattr(compiling, "kept", lambda: cached)
    executor = Recorder()
    said = ahead(small_plan(tmp_path), tmp_path, executor, here)
    assert executor.asked == [(compile_part, len(parts())), (compile_condition, 3)][:asked]
    assert said.count("Compiling kernels, once ...") == (1 if asked else 0)


def test_what_fails_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "kept", lambda: False)
    executor = Recorder(wrong="node-7: not done within 180 s")
    said = ahead(small_plan(tmp_path), tmp_path, executor, here=True)
    assert len(executor.asked) == 1
    told = "kernels could not be compiled ahead, so workers compile them: node-7: not done within 180 s"
    assert said.count(f"Note: {told}") == 1
    assert [(e["kind"], e["message"]) for e in Ledger(tmp_path).events()] == [("warning", told)]


WORK = """
import sys
from pathlib import Path
from numba.core import event
from small_study import TINY, conduct, small_plan
from launch.workers.compile_ahead import compile_condition, compile_part, conditions_to_compile, kept, parts

folder = Path(sys.argv[1])
folder.mkdir()
plan = small_plan(folder, text=TINY)
if sys.argv[2] == "ahead":
    assert not kept()
    for part in parts():
        compile_part(*part)
    assert kept()
    for name in conditions_to_compile(plan):
        compile_condition(plan, name)
else:
    assert kept()
    with event.install_recorder("numba:compile") as compiled:
        assert conduct(plan, folder / "results").complete
    print("compiled", len(compiled.buffer))
"""


def work(what: str, folder: Path) -> str:
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)]), "NUMBA_CACHE_DIR": str(folder / "cache")}
    given = [sys.executable, "-c", WORK, str(folder / what), what]
    done = subprocess.run(given, env={**os.environ, **own}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.program
def test_after_it_no_unit_of_a_whole_study_compiles_anything(tmp_path: Path) -> None:
    """Search, confirm, final and silencing of two networks, in a process of its own, with the cache of another."""
    work("ahead", tmp_path)
    before = sorted(path.name for path in (tmp_path / "cache").rglob("*.nbc"))
    assert len(before) > 8  # five that all share, and of each network some
    assert "compiled 0" in work("study", tmp_path)
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*.nbc")) == before
