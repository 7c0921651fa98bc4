"""Pattern generation: from a constant input, a sinusoid of a frequency and an offset that belong to that input.

Six sequences of 100 steps of 0.05 ms. Sequence i = 0..5 has the constant input c_i = i/6 + 0.25 and, at step t = 0..99,
the target sin(2 pi f_i 0.05 t) + c_i, with f_i from 0.08 to 0.6 per ms, evenly spaced in their logarithm. Nothing is
held out: what is reported is the loss on the sequences trained on. A pass is a single step where the batch holds all
six, so an epoch is 50 of them: the published 5,000 steps are 100 epochs.

A study may give other `frequencies`, n of them with c_i = i/n + 0.25, and `noise`: the standard deviation of normal
numbers on the inputs, drawn once for each sequence and step.

Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from glifr.tasks.task import Split, TaskData, TaskDefinition, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

_STEPS, _DT = 100, 0.05
_SOURCE = "published"
_NOISE_SEED = 1
FREQUENCIES = tuple(0.08 * (0.6 / 0.08) ** (i / 5) for i in range(6))  # per ms
_CHANCE = 0.4040621817111969  # `chance` of these, in numbers: a study is read without torch


def decode(inputs: Tensor) -> Tensor:
    """Inputs as stored [B,100] -> [B,T=100,I=1]."""
    return inputs.unsqueeze(2)


def sequences(settings: TaskSettings) -> Split:
    """All n sequences: inputs [n,100], targets [n,T=100,O=1]."""
    import torch

    frequencies = torch.tensor(settings.frequencies or FREQUENCIES, dtype=torch.float64)
    constants = torch.arange(len(frequencies), dtype=torch.float64)[:, None] / len(frequencies) + 0.25
    times = _DT * torch.arange(_STEPS, dtype=torch.float64)
    targets = torch.sin(2 * math.pi * frequencies[:, None] * times) + constants
    inputs = constants.expand(-1, _STEPS).clone()
    if settings.noise > 0:
        generator = torch.Generator().manual_seed(_NOISE_SEED)
        inputs += settings.noise * torch.randn(inputs.shape, generator=generator, dtype=torch.float64)
    return Split(inputs.float(), targets.float().unsqueeze(2), decode)


def _adapted(task: TaskDefinition, settings: TaskSettings) -> TaskDefinition:
    if settings.frequencies is None:
        return task
    split = sequences(settings)
    return replace(task, sizes=lambda source: {"train": len(split)}, chance_loss=chance(split))


def chance(split: Split) -> float:
    """The loss of the best constant output."""
    return float(split.targets.var(correction=0))


def _fingerprint(settings: TaskSettings) -> str:
    split = sequences(settings)
    return hashlib.sha256(split.stored.numpy().tobytes() + split.targets.numpy().tobytes()).hexdigest()


SINE = TaskDefinition(
    name="sine",
    title="pattern generation: sinusoids from constant inputs",
    inputs=1,
    outputs=1,
    steps=_STEPS,
    time_step_ms=_DT,
    loss="mean_squared_error",
    readout="all",
    primary="loss",
    chance_loss=_CHANCE,
    chance_accuracy=None,
    sources=(_SOURCE,),
    sizes=lambda source: {"train": len(FREQUENCIES)},
    load=lambda settings: TaskData(sequences(settings), None),
    load_test=sequences,
    fingerprint=_fingerprint,
    passes=50,
    options=("frequencies", "noise"),
    adapted=_adapted,
)
