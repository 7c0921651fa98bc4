"""What a task is: sequences with targets, its splits, its loss, and the loss of chance.

Shapes: N samples, T steps, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

TrainOn = Literal["train", "train+validation"]
Readout = Literal["last", "all"]
SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class TaskSettings:
    """What a study says of its task. data_root: where the files are, None for the usual places."""

    name: str
    source: str
    data_root: Path | None = None
    train_on: TrainOn = "train"


@dataclass(frozen=True)
class Split:
    """Samples held in memory as stored; `batch` gives them as the network takes them.

    stored: [N, ...] as `decode` expects, kept small (bytes, where the source has bytes) and whole on the device.
    targets: [N] class indices, or [N,T,O] for regression. decode: stored rows [B, ...] -> float32 inputs [B,T,I], each
    row by itself; on the rows' device.
    """

    stored: Tensor
    targets: Tensor
    decode: Callable[[Tensor], Tensor] = field(repr=False)

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [...,T,I] float32 and targets of the samples `index` [...] (int64), as [B] or [R,B]."""
        flat = index.flatten()
        inputs, targets = self.decode(self.stored.index_select(0, flat)), self.targets.index_select(0, flat)
        if index.ndim == 1:
            return inputs, targets
        return inputs.view(*index.shape, *inputs.shape[1:]), targets.view(*index.shape, *targets.shape[1:])

    def to(self, device: torch.device) -> Split:
        return Split(self.stored.to(device), self.targets.to(device), self.decode)


@dataclass(frozen=True)
class TaskData:
    """What tuning may see. The test split is not here: only `TaskDefinition.load_test` gives it.

    validation is None where everything is trained on (`train_on: train+validation`) or the task has no splits.
    """

    train: Split
    validation: Split | None


@dataclass(frozen=True)
class TaskDefinition:
    """A task as data.

    time_step_ms: dt of the network, in ms. steps: T. sources: where the data can come from, the first is the default.
    load: settings -> what tuning may see; load_test: settings -> the test split, or the training split of a task that
    holds nothing out. sizes: source -> samples in each split that there is. fingerprint: settings -> SHA-256 of the
    data, part of each unit's identity.
    chance_loss, chance_accuracy: of a network that knows only how often each target occurs. passes: over the training
    samples in an epoch; more than one where a pass is too short to be recorded by itself.
    """

    name: str
    title: str
    inputs: int
    outputs: int
    steps: int
    time_step_ms: float
    loss: Literal["cross_entropy", "mean_squared_error"]
    readout: Readout
    primary: Literal["accuracy", "loss"]
    chance_loss: float
    chance_accuracy: float | None
    sources: tuple[str, ...]
    sizes: Callable[[str], dict[SplitName, int]]
    load: Callable[[TaskSettings], TaskData]
    load_test: Callable[[TaskSettings], Split]
    fingerprint: Callable[[TaskSettings], str]
    passes: int = 1

    def held_out(self, source: str) -> bool:
        """Whether there are data that no network is trained on."""
        return "test" in self.sizes(source)

    @property
    def classes(self) -> int | None:
        return self.outputs if self.loss == "cross_entropy" else None

    def samples_trained_on(self, settings: TaskSettings) -> int:
        """How many samples one pass has."""
        sizes = self.sizes(settings.source)
        return sizes["train"] + (sizes.get("validation", 0) if settings.train_on == "train+validation" else 0)

    def samples_validated_on(self, settings: TaskSettings) -> int:
        """How many samples are evaluated after each epoch."""
        return 0 if settings.train_on == "train+validation" else self.sizes(settings.source).get("validation", 0)

    def samples_tested_on(self, source: str) -> int:
        """How many samples `load_test` gives."""
        sizes = self.sizes(source)
        return sizes.get("test", sizes["train"])
