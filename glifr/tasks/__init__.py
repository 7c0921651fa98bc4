"""The tasks of this project, by name, and those from outside: one of your own changes nothing here.

A task is imported when it is first asked for, so that a study file can be refused without torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from glifr.outside import load_object, referenced
from glifr.tasks.task import ARRAYS, ArraySettings, Metric, Split, TaskData, TaskDefinition, TaskSettings, TrainOn

if TYPE_CHECKING:
    from glifr.tasks.realizable import recovery_task
    from glifr.tasks.tensors import task_of_tensors

_HOMES = {
    "line_mnist": "line_mnist",
    "pixel_mnist": "pixel_mnist",
    "neuromorphic_mnist": "neuromorphic_mnist",
    "sine": "sine",
    "realizable": "realizable",
    "identifiable": "realizable",
}
_FUNCTIONS = {"recovery_task": "realizable", "task_of_tensors": "tensors"}


class _Tasks(Mapping[str, TaskDefinition]):
    """From a task's name to the task: the constant of that name, in capitals, of its module."""

    def __getitem__(self, name: str) -> TaskDefinition:
        found: TaskDefinition = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name.upper())
        if found.name != name:
            raise ValueError(f"{_HOMES[name]}.{name.upper()} calls itself {found.name}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)

    def __contains__(self, name: object) -> bool:
        return name in _HOMES


TASKS: Mapping[str, TaskDefinition] = _Tasks()


def task_of(settings: TaskSettings) -> TaskDefinition:
    """The task that a study names, as it sets it.

    One from outside, `module:object` or an entry point, is imported; what that raises is raised as it is.
    """
    if settings.name == ARRAYS:
        from glifr.tasks.arrays import arrays_task

        return arrays_task(settings)
    reference = None if settings.name in TASKS else referenced(settings.name, "tasks")
    task = TASKS[settings.name] if reference is None else load_object(reference, TaskDefinition)
    return task.for_settings(settings)


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)


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
