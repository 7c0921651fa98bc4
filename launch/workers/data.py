"""Sources of a trial's data: files, or a copy that all trials of a machine share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from glifr.tasks import Split, TaskData, TaskDefinition, TaskSettings, task_of


@dataclass(frozen=True)
class FromFiles:
    """Reads the files, once per process: a reused worker trains many units on the same tensors."""

    settings: TaskSettings

    @property
    def task(self) -> TaskDefinition:
        return task_of(self.settings)

    def tuning(self) -> TaskData:
        return _tuning(self.settings)

    def test(self) -> Split:
        return task_of(self.settings).load_test(self.settings)


@cache
def _tuning(settings: TaskSettings) -> TaskData:
    return task_of(settings).load(settings)
