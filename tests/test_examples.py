"""Every example runs as its first lines say, by the real command, to a report that tells its differences."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import ROOT

from analysis import load
from launch import cli
from launch.studyfile import load_study

# what the report must say, beside being complete
SAID = {
    "delay_sweep": ("delay 0.5 ms instead of 1 ms", "delay 2 ms instead of 1 ms"),
    "factors": ("delay 0.5 ms instead of 1 ms", "Effects of the factors", "Curves over ordered factors"),
    "partly_learned": ("neuron parameters thresh learned instead of fixed", "none: a negative control"),
}


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_to_its_report(name: str, tmp_path: Path) -> None:
    study = ROOT / "examples" / name / "study.yaml"
    own = ["--set", "tracking.wandb.mode=disabled", "--set", "training.backend=torch"]
    assert cli.main([str(study), "--profile", "quick", "--results", str(tmp_path), *own]) == 0
    results = load(tmp_path / name / "quick")
    assert results.complete
    page = results.layout.report.read_text()
    for words in SAID[name]:
        assert words in page


def test_every_example_is_held_and_good_in_every_profile() -> None:
    found = sorted(path.parent.name for path in (ROOT / "examples").glob("*/study.yaml"))
    assert set(SAID) <= set(found)
    for name in SAID:
        for profile in (None, "quick"):
            assert load_study(ROOT / "examples" / name / "study.yaml", profile=profile).spec.name == name
