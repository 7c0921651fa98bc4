"""The tasks. To add one: write its file (a `TaskDefinition`) and name it in `TASKS` below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from glifr.tasks.line_mnist import LINE_MNIST
from glifr.tasks.neuromorphic_mnist import NEUROMORPHIC_MNIST
from glifr.tasks.pixel_mnist import PIXEL_MNIST
from glifr.tasks.realizable import REALIZABLE
from glifr.tasks.sine import SINE
from glifr.tasks.task import Split, TaskData, TaskDefinition, TaskSettings, TrainOn
from glifr.tasks.tensors import task_of_tensors

_ALL = (LINE_MNIST, PIXEL_MNIST, NEUROMORPHIC_MNIST, SINE, REALIZABLE)

TASKS: Mapping[str, TaskDefinition] = MappingProxyType({task.name: task for task in _ALL})


def task_of(settings: TaskSettings) -> TaskDefinition:
    """The task that a study names, as it sets it."""
    return TASKS[settings.name].for_settings(settings)


__all__ = ["TASKS", "Split", "TaskData", "TaskDefinition", "TaskSettings", "TrainOn", "task_of", "task_of_tensors"]
