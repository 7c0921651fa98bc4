"""A good study to spoil: its text, its space file, and how a test reads what it made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from glifr.errors import InputError
from launch.studyfile import Study, load_study

GOOD = """\
name: good
reference: LHetA
conditions:
  RNN:   {delay: one_step}
  LSTM:  {delay: none}
  LHet:  {delay: 1.0}
  LHetA: {delay: 1.0}
task: {name: line_mnist}
training: {epochs: 3, batch_size: 64}
search:
  trials: 4
  seeds_per_trial: 2
  spaces:
    rnn: spaces/plain.yaml
    lstm: spaces/plain.yaml
    glifr_homogeneous:
      learning_rate: {low: 1e-3, high: 1e-2, scale: log}
      after_spike_spread: {low: 0.1, high: 10, scale: log}
  sampler: {name: tpe, startup_trials: 2}
  pruner: {name: median}
confirm: {top: 2, seeds: 3}
final: {seeds: 5}
silencing: {fractions: [0, 0.5, 1], masks: 2}
profiles:
  quick:
    training: {epochs: 1}
    final: {seeds: [7, 8]}
    search: {sampler: {name: random}, pruner: {name: none}, spaces: {lstm: {learning_rate: {low: 1e-4}}}}
"""
PLAIN_SPACE = """\
learning_rate: {low: 1e-3, high: 1e-2, scale: log}
weight_spread: {low: 0.5, high: 2, scale: log}
"""


def write_study(folder: Path, text: str | bytes = GOOD, space: str | bytes = PLAIN_SPACE) -> Path:
    """`study.yaml` with `text`, and the space file that `GOOD` names."""
    (folder / "spaces").mkdir(exist_ok=True)
    (folder / "spaces" / "plain.yaml").write_bytes(space if isinstance(space, bytes) else space.encode())
    path = folder / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes = GOOD, profile: str | None = None, overrides: Sequence[str] = ()) -> Study:
    return load_study(write_study(folder, text), profile=profile, overrides=overrides)


def spoilt(old: str, new: str) -> str:
    """`GOOD` with `old`, which it has once, replaced."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def refusal(path: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> str:
    """The message for a study that is refused, with the folder of `path` left out of it."""
    with pytest.raises(InputError) as caught:
        load_study(path, profile=profile, overrides=overrides)
    message = str(caught.value)
    for leak in ("pydantic", "Input should", "Extra inputs", "Unreadable", "validation error", "[key]", "Traceback"):
        assert leak not in message
    return message.replace(f"{path.parent}/", "")
