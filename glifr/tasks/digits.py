"""Parts shared by all tasks that classify MNIST's images; only the conversion of an image to a sequence differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from glifr.tasks import mnist
from glifr.tasks.task import Split, SplitName, TaskData, TaskDefinition, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor


def normalised(pixels: Tensor) -> Tensor:
    """uint8 images [B,28,28] -> float32, with the published mean and standard deviation."""
    return pixels.float().div_(255).sub_(mnist.MEAN).div_(mnist.STD)


def digits_task(name: str, title: str, inputs: int, steps: int, decode: Callable[[Tensor], Tensor]) -> TaskDefinition:
    """The class is read after the last of `steps` steps of 0.05 ms. decode: images [B,28,28] -> inputs [B,T,I]."""

    def split(settings: TaskSettings, *names: SplitName) -> Split:
        import torch

        parts = [mnist.images(settings.source, settings.data_root, part) for part in names]
        pixels = torch.cat([torch.tensor(p.pixels) for p in parts])
        return Split(pixels, torch.cat([torch.tensor(p.digits) for p in parts]), decode)

    def load(settings: TaskSettings) -> TaskData:
        if settings.train_on == "train+validation":
            return TaskData(split(settings, "train", "validation"), None)
        return TaskData(split(settings, "train"), split(settings, "validation"))

    return TaskDefinition(
        name=name,
        title=title,
        inputs=inputs,
        outputs=10,
        steps=steps,
        time_step_ms=0.05,
        loss="cross_entropy",
        readout="last",
        primary="accuracy",
        chance_loss=math.log(10),
        chance_accuracy=0.1,
        sources=(mnist.FULL, mnist.SMALL),
        sizes=lambda source: dict(mnist.SIZES[source]),
        load=load,
        load_test=lambda settings: split(settings, "test"),
        fingerprint=lambda settings: mnist.fingerprint(settings.source, settings.data_root),
    )
