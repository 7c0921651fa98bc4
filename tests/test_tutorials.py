"""The tutorials' code runs as the pages show it, at small sizes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from paths import ROOT
from run_tutorial import run_page

from launch import cli

PAGES = ROOT / "docs" / "tutorials"
PICTURE = re.compile(r"!\[[^]]+\]\(([^)]+)\)")


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        yield


def test_a_neuron_is_fitted_to_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smaller = {
        "STIMULI, TRIALS, STEPS, DT = 10, 100, 200, 1.0": "STIMULI, TRIALS, STEPS, DT = 10, 30, 60, 1.0",
        "STARTS, ITERATIONS, HIGHEST = 8, 60, 0.5": "STARTS, ITERATIONS, HIGHEST = 2, 12, 0.5",
    }
    found = run_page(PAGES / "fit_a_trace.md", tmp_path, smaller)
    assert found["explained"](found["kept"]) > 0.5
    assert capsys.readouterr().out.count("standard error") == 8
    assert (tmp_path / "fit_a_trace.png").stat().st_size > 5000


def test_a_network_is_exported(tmp_path: Path) -> None:
    found = run_page(PAGES / "export.md", tmp_path, {"EPOCHS = 1.0, 60, 150": "EPOCHS = 1.0, 12, 5"})
    written = json.loads((tmp_path / "network.json").read_text())
    assert torch.equal(torch.tensor(written["parameters"]["k_j"]["values"]), found["values"]["k_j"].squeeze(-2))
    assert written["parameters"]["k_j"]["unit"] == "1/ms"
    assert (tmp_path / "network.pt2").exists()


@pytest.mark.program
def test_networks_of_a_study_of_working_memory_are_tried_with_other_delays(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "working_memory", tmp_path / "examples" / "working_memory")
    study = tmp_path / "examples" / "working_memory" / "study.yaml"
    own = ["--profile", "quick", "--set", "training.backend=torch", "--set", "conditions.RHetA=null"]
    assert cli.main([str(study), "--results", str(tmp_path / "results"), *own]) == 0
    page = PAGES / "working_memory.md"
    smaller = {'"results/working_memory/full"), 1000': '"results/working_memory/quick"), 20'}
    run_page(page, tmp_path, smaller)
    assert (tmp_path / "working_memory.png").stat().st_size > 5000
    code = (ROOT / "examples" / "working_memory" / "delayed_match.py").read_text()
    assert f"```\n{code}```" in page.read_text()


def test_every_tutorial_shows_a_picture_and_is_held_here() -> None:
    pages = sorted(path.stem for path in PAGES.glob("*.md"))
    assert pages == ["export", "fit_a_trace", "working_memory"]
    for page in pages:
        pictures = PICTURE.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
        assert f"{page}.png" in pictures
        assert all((PAGES / picture).is_file() for picture in pictures)
