"""Times a whole epoch of line MNIST with its data: our training, the plain loop, and the loop fed by a DataLoader.

Ours is timed whole. The slow ways are timed over a part of the images and scaled, as every batch costs the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.speed.cases import LOOP, adam, loss_of, network, outputs_of
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import LINE
from benchmarks.speed.timing import waiting
from glifr.conditions import CONDITIONS
from glifr.errors import InputError
from glifr.tasks import TASKS, Split, TaskData, TaskSettings
from glifr.tasks.mnist import FULL, MEAN, STD
from glifr.training.train import Configuration, Training, TrainingSettings

IMAGES, SLOW_IMAGES, QUICK_IMAGES = 60_000, 40 * LINE.batch, 10 * LINE.batch
OURS, PRELOADED, LOADED = "our training", "plain loop, preloaded data", "plain loop, DataLoader"
_ROUNDS, _ENDLESS = 3, 10**6
_TASK = TASKS["line_mnist"]


class TrainingMethod(NamedTuple):
    """One way to train an epoch. images: how many are timed. epoch: trains on them once."""

    name: str
    images: int
    epoch: Callable[[], object]


def measure(context: Context) -> None:
    """Writes `epochs`."""
    split, source = _images(context)
    wait, rows = waiting(context.device), list[dict[str, Any]]()
    ways = _ways(context, split)
    rounds = 1 if context.quick else _ROUNDS
    for way in ways:
        context.tick(0.0, f"warming {way.name}")
        way.epoch()
    for number in range(rounds):
        for place, way in enumerate(ways):
            context.tick((number + (place + 1) / len(ways)) / (rounds + 1), way.name)
            wait()
            started = time.perf_counter()
            way.epoch()
            wait()
            seconds = time.perf_counter() - started
            sizes = {"images": IMAGES, "images_timed": way.images, "round": number}
            whole = seconds * IMAGES / way.images
            rows.append({"way": way.name, "data": source, **sizes, "seconds": seconds, "epoch_seconds": whole})
    context.results.write("epochs", rows)


def _ways(context: Context, split: Split) -> list[TrainingMethod]:
    few = QUICK_IMAGES if context.quick else SLOW_IMAGES
    many = QUICK_IMAGES if context.quick else IMAGES
    ways = [
        TrainingMethod(OURS, many, _training(_first(split, many), "auto", context.device)),
        TrainingMethod(PRELOADED, few, _training(_first(split, few), LOOP, context.device)),
    ]
    try:
        ways.append(TrainingMethod(LOADED, few, _with_loader(_first(split, few), context.device)))
    except ImportError as error:
        context.leave_out(LOADED, f"torchvision cannot be used: {error}")
    return ways


def _training(split: Split, backend: str, device: torch.device) -> Callable[[], object]:
    configuration = Configuration(CONDITIONS["LHetA"], LINE.hidden, LINE.delay, {"learning_rate": 1e-3})
    settings = TrainingSettings(epochs=_ENDLESS, batch_size=LINE.batch, backend=backend)
    return Training(_TASK, TaskData(split, None), configuration, settings, [0], device).run_epoch


def _with_loader(split: Split, device: torch.device) -> Callable[[], object]:
    """As the published code does it: each image becomes a picture, is transformed, and is collated into a batch."""
    from PIL import Image  # comes with torchvision
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])

    class Pictures(Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(split)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            picture = Image.fromarray(split.stored[index].numpy())
            return transform(picture), int(split.targets[index])

    loader = DataLoader(Pictures(), batch_size=LINE.batch, shuffle=True)
    model = network(LINE, LOOP).to(device)
    optimizer = adam(model.parameters(), device)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for pictures, digits in loader:
            yield pictures.squeeze(1).to(device), digits.to(device)

    def epoch() -> None:
        for x, y in batches():
            optimizer.zero_grad(set_to_none=True)
            loss_of(LINE, outputs_of(LINE, model, x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return epoch


def _first(split: Split, count: int) -> Split:
    return replace(split, stored=split.stored[:count], targets=split.targets[:count])


def _images(context: Context) -> tuple[Split, str]:
    """MNIST's 60,000 training images where a folder of them was named, else noise of the same size."""
    if context.data is None and not os.environ.get("GLIFR_DATA"):
        return _noise(), "synthetic"
    settings = TaskSettings("line_mnist", FULL, context.data, "train+validation")
    try:
        return _TASK.load(settings).train, "MNIST"
    except InputError as error:
        context.leave_out("an epoch of the real MNIST", f"{error.problems[0].rule}; timed on synthetic images")
        return _noise(), "synthetic"


@cache
def _noise() -> Split:
    from glifr.tasks.digits import normalised

    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (IMAGES, 28, 28), generator=generator, dtype=torch.uint8)
    return Split(pixels, torch.randint(10, (IMAGES,), generator=generator), normalised)
