"""Line MNIST: an image of a digit is read one line a step, 28 steps of 28 pixels; the class is read after the last.

Source: Winston et al., Neural Computation 35(4), 2023 (sequential MNIST, line by line, dt 0.05 ms).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glifr.tasks import mnist
from glifr.tasks.task import Split, SplitName, TaskData, TaskDefinition, TaskSettings


def decode(pixels: Tensor) -> Tensor:
    """uint8 images [B,28,28] -> normalised lines [B,T=28,I=28], float32."""
    return pixels.to(torch.float32).div_(255).sub_(mnist.MEAN).div_(mnist.STD)


def _split(settings: TaskSettings, *names: SplitName) -> Split:
    parts = [mnist.images(settings.source, settings.data_root, name) for name in names]
    pixels = torch.cat([torch.tensor(p.pixels) for p in parts])
    return Split(pixels, torch.cat([torch.tensor(p.digits) for p in parts]), decode)


def _load(settings: TaskSettings) -> TaskData:
    if settings.train_on == "train+validation":
        return TaskData(_split(settings, "train", "validation"), None)
    return TaskData(_split(settings, "train"), _split(settings, "validation"))


def _sizes(source: str) -> dict[SplitName, int]:
    sizes = mnist.SIZES[source]
    return {"train": sizes["train"], "validation": sizes["validation"], "test": sizes["test"]}


LINE_MNIST = TaskDefinition(
    name="line_mnist",
    title="line-by-line MNIST",
    inputs=28,
    outputs=10,
    steps=28,
    time_step_ms=0.05,
    loss="cross_entropy",
    readout="last",
    primary="accuracy",
    chance_loss=math.log(10),
    chance_accuracy=0.1,
    sources=(mnist.FULL, mnist.SMALL),
    sizes=_sizes,
    load=_load,
    load_test=lambda settings: _split(settings, "test"),
    fingerprint=lambda settings: mnist.fingerprint(settings.source, settings.data_root),
)
