"""Every example runs as its first lines say, by the real command, to a report that tells its differences."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from paths import ROOT

from analysis import load
from glifr.engine.__main__ import main as show
from launch import cli
from launch.studyfile import load_study
from launch.studyfile.text.yaml_reader import read_yaml

# what the report must say, beside being complete
SAID = {
    "delay_sweep": ("delay 0.5 ms instead of 1 ms", "delay 2 ms instead of 1 ms"),
    "factors": ("delay 0.5 ms instead of 1 ms", "Effects of the factors", "Curves over ordered factors"),
    "grid": ("in 8 trials of 1 seed and 1 epoch (a grid)", "adamw"),
    "stopped_early": (
        "in 6 trials of 3 seeds and 1 epoch (CMA-ES), with early stopping within the condition",
        "Its first trials were at 1 known point.",
    ),
    "gru": ("my_lab:gru", "Its layers", "what leaves its part `cell`"),
    "adaptive_threshold": ("adaptive threshold", "Its sigma_v", "neuron parameters thresh, decay_m learned"),
    "until_decided": ("Looks: seeds until it is decided", "neurons 4 instead of 32"),
    "working_memory": ("delayed match", "heterogeneous"),
    "partly_learned": ("neuron parameters thresh learned instead of fixed", "none: a negative control"),
}


@pytest.mark.program
@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_to_its_report(name: str, tmp_path: Path) -> None:
    study = ROOT / "examples" / name / "study.yaml"
    own = ["--results", str(tmp_path), "--set", "tracking.wandb.mode=disabled"]
    assert cli.main([str(study), "--profile", "quick", *own]) == 0
    results = load(tmp_path / name / "quick")
    assert results.complete
    page = results.layout.report.read_text()
    for words in SAID[name]:
        assert words in page


@pytest.mark.program
def test_every_example_is_held_and_good_in_every_profile() -> None:
    found = sorted(path.parent.name for path in (ROOT / "examples").glob("*/study.yaml"))
    assert set(SAID) <= set(found)
    for name in SAID:
        for profile in (None, "quick"):
            assert load_study(ROOT / "examples" / name / "study.yaml", profile=profile).spec.name == name


@pytest.mark.program
def test_the_pages_show_the_examples_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The code of a page is the example's, which the tests above run; its study and its commands are right."""
    for page, name, file in (
        ("new_neuron", "adaptive_threshold", "my_neuron.py"),
        ("own_code", "gru", "my_lab.py"),
    ):
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        code = (ROOT / "examples" / name / file).read_text(encoding="utf-8")
        assert f"```python\n{code}```" in text, page
        (shown,) = (block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if f"{Path(file).stem}:" in block)
        study = read_yaml((ROOT / "examples" / name / "study.yaml").read_bytes(), "study")[0].data
        (tmp_path / file).write_text(code)
        own = read_yaml(shown.encode(), page)[0].data
        own["search"] = study["search"] | own["search"]
        own["search"]["spaces"] = study["search"]["spaces"] | own["search"]["spaces"]
        own["reference"] = next(iter(own["conditions"]))
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({key: value for key, value in (study | own).items() if key != "profiles"}))
        assert load_study(path).spec.name == name
    neuron = ROOT / "examples" / "adaptive_threshold" / "my_neuron.py"
    assert show(["show", f"{neuron}:adaptive", "--code"]) == 0
    out = capsys.readouterr().out
    digest = re.search(r"digest (\w+)\.\.\.", (ROOT / "docs" / "new_neuron.md").read_text(encoding="utf-8"))
    assert digest is not None
    assert f"digest {digest[1]}" in out
    assert "def backward_kernel" in out
    assert len((ROOT / "examples" / "gru" / "my_lab.py").read_text().splitlines()) <= 40
