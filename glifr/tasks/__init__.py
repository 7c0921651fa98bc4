"""The tasks of this project, by name, and those from outside: one of your own changes nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from glifr.outside import load_object, referenced
from glifr.tasks.arrays import arrays_task
from glifr.tasks.line_mnist import LINE_MNIST
from glifr.tasks.neuromorphic_mnist import NEUROMORPHIC_MNIST
from glifr.tasks.pixel_mnist import PIXEL_MNIST
from glifr.tasks.realizable import IDENTIFIABLE, REALIZABLE, recovery_task
from glifr.tasks.sine import SINE
from glifr.tasks.task import ArraySettings, Metric, Split, TaskData, TaskDefinition, TaskSettings, TrainOn
from glifr.tasks.tensors import task_of_tensors

_ALL = (LINE_MNIST, PIXEL_MNIST, NEUROMORPHIC_MNIST, SINE, REALIZABLE, IDENTIFIABLE)

TASKS: Mapping[str, TaskDefinition] = MappingProxyType({task.name: task for task in _ALL})


ARRAYS = "arrays"  # the task whose data are a study's own file


def task_of(settings: TaskSettings) -> TaskDefinition:
    """The task that a study names, as it sets it.

    One from outside, `module:object` or an entry point, is imported; what that raises is raised as it is.
    """
    if settings.name == ARRAYS:
        return arrays_task(settings)
    reference = None if settings.name in TASKS else referenced(settings.name, "tasks")
    task = TASKS[settings.name] if reference is None else load_object(reference, TaskDefinition)
    return task.for_settings(settings)


__all__ = [
    "ARRAYS",
    "TASKS",
    "ArraySettings",
    "Metric",
    "Split",
    "TaskData",
    "TaskDefinition",
    "TaskSettings",
    "TrainOn",
    "recovery_task",
    "task_of",
    "task_of_tensors",
]
