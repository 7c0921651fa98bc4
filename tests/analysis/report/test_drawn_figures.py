"""Figures are drawn once for the same data, and come out the same wherever they were drawn."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from paths import ROOT
from records_factory import Synthetic, write_study

import analysis
from analysis import parallel
from analysis.figures import FIGURES, Drawing
from analysis.figures.drawing.drawing import svg_bytes
from analysis.judgement.assessment import Assessment
from analysis.report import drawn_figures
from glifr.records import Layout, read_sealed, seal

STUDY = Synthetic(
    conditions=("RNN", "LHetA"), seeds=3, trials=3, confirm=1, epochs=3, masks=2, characteristics=True, failed_share=0.0
)
NAME = "silencing_curves"
ONLY: list[analysis.Part] = ["figures"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study", STUDY)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a report had three figures."""
    named = ("condition_dots", NAME, "search_results")
    monkeypatch.setattr("analysis.figures.FIGURES", {name: FIGURES[name] for name in named})


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processes", lambda items: max(1, min(2, items)))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that are drawn."""
    names: list[str] = []
    draw = drawn_figures._draw

    def noted(assessed: Assessment, png: bool, wanted: Sequence[str]) -> list[drawn_figures._Made]:
        names.extend(wanted)
        return draw(assessed, png, wanted)

    monkeypatch.setattr(drawn_figures, "_draw", noted)
    return names


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted((root / "figures").iterdir())}


def test_the_same_study_is_drawn_once(root: Path, drawn: list[str]) -> None:
    first = analysis.make_report(root)
    page, before, count = first.report.read_bytes(), files(root), len(drawn)
    assert count > 20
    sessions = read_sealed(Layout(root).provenance)
    assert analysis.make_report(root) == first
    assert (len(drawn), files(root), first.report.read_bytes()) == (count, before, page)
    Layout(root).provenance.write_bytes(seal([*sessions, sessions[0]]))  # the study was given again and ran nothing
    analysis.make_report(root)
    assert len(drawn) == count


def test_other_data_are_drawn_anew(root: Path, few: None, drawn: list[str]) -> None:
    analysis.make_report(root, ONLY)
    count, before = len(drawn), files(root)
    for path in (root / "units" / "final" / "RNN" / "1").rglob("result.json"):
        path.unlink()
    analysis.make_report(root, ONLY)
    assert len(drawn) == 2 * count
    assert files(root)["figures/condition_dots.csv"] != before["figures/condition_dots.csv"]


def test_another_program_draws_anew(root: Path, few: None, drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    analysis.make_report(root, ONLY)
    count = len(drawn)
    monkeypatch.setattr("analysis.report.digest.program", lambda: "another")
    analysis.make_report(root, ONLY)
    assert len(drawn) == 2 * count


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"digest": 1, "figures": {}}'])
def test_a_lost_or_torn_list_only_costs_drawing(root: Path, few: None, drawn: list[str], damage: bytes) -> None:
    analysis.make_report(root, ONLY)
    count, before, kept = len(drawn), files(root), root / ".analysis" / drawn_figures.NAME
    good = kept.read_bytes()
    if damage:
        kept.write_bytes(damage)
    else:
        kept.unlink()
    analysis.make_report(root, ONLY)
    assert len(drawn) == 2 * count
    assert files(root) == before
    assert kept.read_bytes() == good


def test_a_damaged_figure_alone_is_drawn_again(root: Path, few: None, drawn: list[str]) -> None:
    analysis.make_report(root, ONLY)
    before = files(root)
    (root / "figures" / f"{NAME}.svg").write_bytes(before[f"figures/{NAME}.svg"][:-9])
    (root / "figures" / "search_results.csv").unlink()
    drawn.clear()
    analysis.make_report(root, ONLY)
    assert drawn == [NAME, "search_results"]
    assert files(root) == before


def test_pngs_are_made_when_they_are_asked_for(root: Path, few: None, drawn: list[str]) -> None:
    assert not [f for f in analysis.make_report(root, ONLY).figures if f.endswith(".png")]
    made = analysis.make_report(root, [*ONLY, "png"])
    pictures = {Path(f).stem for f in made.figures if f.endswith(".png")}
    assert pictures == {Path(f).stem for f in made.figures if f.endswith(".svg")}
    drawn.clear()
    assert analysis.make_report(root, ONLY) == made  # kept, not thrown away
    assert drawn == []


def test_figures_shared_out_are_the_same_bytes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_processes: None
) -> None:
    alone = write_study(tmp_path / "alone", STUDY)
    with monkeypatch.context() as patch:
        patch.setattr(parallel, "processes", lambda items: 1)
        analysis.make_report(alone)
    analysis.make_report(root)
    assert files(root) == files(alone)
    assert (root / "report.html").read_bytes() == (alone / "report.html").read_bytes()


def test_results_shared_out_come_in_order(two_processes: None) -> None:
    assert parallel.shared_out(_squares, range(7)) == [n * n for n in range(7)]
    assert parallel.shared_out(_squares, []) == []


def _squares(numbers: Sequence[int]) -> list[int]:
    return [n * n for n in numbers]


def test_a_digest_is_the_same_in_every_process(root: Path, few: None) -> None:
    code = (
        "import sys; from pathlib import Path; from analysis import load; from analysis.report.digest import "
        "figures_digest; print(figures_digest(load(Path(sys.argv[1]))))"
    )
    words = [sys.executable, "-c", code, str(root)]
    found = {
        subprocess.run(
            words, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    analysis.make_report(root, ONLY)
    assert json.loads((root / ".analysis" / drawn_figures.NAME).read_bytes())["digest"] == found.pop().strip()


def test_figures_that_were_drawn_are_not_kept_in_memory(root: Path, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their objects are in cycles, and the collector is off meanwhile."""
    alive: list[weakref.ref[Figure]] = []
    most = 0

    def noted(drawing: Drawing) -> bytes:
        nonlocal most
        most = max(most, sum(figure() is not None for figure in alive))
        alive.append(weakref.ref(drawing.figure))
        return svg_bytes(drawing)

    monkeypatch.setattr(analysis.figures.drawing.drawing, "svg_bytes", noted)
    analysis.make_report(root, ONLY)
    assert len(alive) == 3
    assert most == 0
    assert gc.isenabled()
