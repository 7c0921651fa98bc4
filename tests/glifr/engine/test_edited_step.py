"""One line of a neuron's step is edited: every backend, training, curves and the identities of units follow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT, SUPPORT

LINE = "firing = torch.sigmoid((voltage - p.thresh) / c.sigma_v)"
EDITED = "firing = torch.sigmoid((voltage - 2 * p.thresh) / c.sigma_v)"


def effects(project: Path) -> dict[str, Any]:
    """What the neurons of a copy of the project do."""
    command = [sys.executable, str(SUPPORT / "neuron_effects.py"), str(project / "studies" / "sine_ablation.yaml")]
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the published neurons do, and those of a threshold that is doubled in one line."""
    copy = tmp_path_factory.mktemp("edited")
    for room in ("glifr", "launch", "studies", "search_spaces"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    step = copy / "glifr" / "neurons" / "glifr.py"
    text = step.read_text()
    assert text.count(LINE) == 1
    step.write_text(text.replace(LINE, EDITED))
    return effects(ROOT), effects(copy)


def test_backends_and_training_follow_alike(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for found in both:
        expected = found["losses"]["reference"]
        for losses in found["losses"].values():
            np.testing.assert_allclose(losses, expected, rtol=1e-5)
    published, edited = both
    for backend, losses in published["losses"].items():
        assert not np.isclose(losses, edited["losses"][backend], rtol=1e-3).any(), backend


def test_curves_follow(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Before any after-spike current could matter, at the curve's ends, the threshold alone lowers firing."""
    published, edited = (np.array(found["curves"]) for found in both)
    assert (edited < published).mean() > 0.9


def test_identities_of_units_follow(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Of conditions with this neuron, and of no other."""
    published, edited = (found["identities"] for found in both)
    same = {name for name in published if published[name] == edited[name]}
    assert same == {"RNN", "LSTM"} & published.keys()
    assert len(published) > len(same)
