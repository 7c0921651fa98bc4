"""Pattern generation: from a constant input, a sinusoid of a frequency and an offset that belong to that input.

Six sequences of 100 steps of 0.05 ms. Sequence i = 0..5 has the constant input c_i = i/6 + 0.25 and, at step t = 0..99,
the target sin(2 pi f_i 0.05 t) + c_i, with f_i from 0.08 to 0.6 per ms, evenly spaced in their logarithm. Nothing is
held out: what is reported is the loss on the sequences trained on. A pass is a single step where the batch holds all
six, so an epoch is 50 of them: the published 5,000 steps are 100 epochs.

Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from glifr.tasks.task import Split, SplitName, TaskData, TaskDefinition, TaskSettings

_SEQUENCES, _STEPS, _DT = 6, 100, 0.05
_SLOWEST, _FASTEST = 0.08, 0.6  # cycles per ms
_SOURCE = "published"


def decode(constants: Tensor) -> Tensor:
    """Constants [B] -> inputs [B,T=100,I=1], the same at every step."""
    return constants[:, None, None].expand(-1, _STEPS, 1)


def sequences() -> Split:
    """All there is: constants [6], targets [6,T=100,O=1]."""
    number = torch.arange(_SEQUENCES, dtype=torch.float64)
    constants = number / _SEQUENCES + 0.25
    frequencies = _SLOWEST * (_FASTEST / _SLOWEST) ** (number / (_SEQUENCES - 1))
    times = _DT * torch.arange(_STEPS, dtype=torch.float64)
    targets = torch.sin(2 * math.pi * frequencies[:, None] * times) + constants[:, None]
    return Split(constants.float(), targets.float().unsqueeze(2), decode)


def _sizes(source: str) -> dict[SplitName, int]:
    return {"train": _SEQUENCES}


def _fingerprint(settings: TaskSettings) -> str:
    split = sequences()
    return hashlib.sha256(split.stored.numpy().tobytes() + split.targets.numpy().tobytes()).hexdigest()


SINE = TaskDefinition(
    name="sine",
    title="pattern generation: six sinusoids",
    inputs=1,
    outputs=1,
    steps=_STEPS,
    time_step_ms=_DT,
    loss="mean_squared_error",
    readout="all",
    primary="loss",
    chance_loss=float(sequences().targets.var(correction=0)),  # of the best constant output
    chance_accuracy=None,
    sources=(_SOURCE,),
    sizes=_sizes,
    load=lambda settings: TaskData(sequences(), None),
    load_test=lambda settings: sequences(),
    fingerprint=_fingerprint,
    passes=50,
)
