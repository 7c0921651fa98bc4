"""The data in Ray's object store: read once, by the driver; each node gets one copy, mapped by all its workers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import ray
import ray.cloudpickle
import torch
from torch import Tensor

from glifr.errors import InputError, Problem
from glifr.tasks import Split, TaskData, TaskSettings, task_of
from launch.jobs import DataSource

_Array = np.ndarray[Any, Any]
_Parts = tuple[_Array, _Array, Callable[[Tensor], Tensor], int, _Array | None]


def bytes_of(data: DataSource) -> int:
    """What the object store needs for it."""
    tuning = data.tuning()
    splits = [s for s in (tuning.train, tuning.validation, data.test()) if s is not None]
    return sum(t.numel() * t.element_size() for split in splits for t in (split.stored, split.targets))


def refuse_unsendable(settings: TaskSettings, place: str) -> None:
    """Refuses a task of which a part cannot be sent to workers; Ray need not run.

    Args:
        settings: What the study says of the task.
        place: Where the study names the task.

    Raises:
        InputError: It has such a part, which is named.
    """
    whole = task_of(settings)
    task, tuning = whole.without_data(), whole.load(settings)
    parts: dict[str, Any] = {f"{f.name}": getattr(task, f.name) for f in fields(task)}
    parts |= {f"metric {metric.name}": metric.of for metric in task.metrics}
    splits = {"train": tuning.train, "validation": tuning.validation, "test": whole.load_test(settings)}
    parts |= {f"decode of {name}": split.decode for name, split in splits.items() if split is not None}
    for name, part in parts.items():
        if name == "metrics":
            continue
        try:
            ray.cloudpickle.dumps(part)  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever pickle stumbles over
            rule = f"the task's {name} cannot be sent to workers"
            found = next(iter(str(error).splitlines()), type(error).__name__)
            todo = "let it be a function of a module, and open files or make generators inside it"
            raise InputError(Problem(f"{rule}: {found}", place, allowed="what pickle can take", todo=todo)) from None


class SharedData:
    """A `DataSource` whose arrays lie in the object store; pickled, it is only references to them."""

    def __init__(self, data: DataSource) -> None:
        self.task, tuning = data.task.without_data(), data.tuning()
        self._train = _Stored.put(tuning.train)
        self._validation = None if tuning.validation is None else _Stored.put(tuning.validation)
        self._test = _Stored.put(data.test())

    def tuning(self) -> TaskData:
        return TaskData(self._train.split, None if self._validation is None else self._validation.split)

    def test(self) -> Split:
        return self._test.split


@dataclass
class _Stored:
    reference: ray.ObjectRef  # type: ignore[type-arg]

    @classmethod
    def put(cls, split: Split) -> _Stored:
        lengths = None if split.lengths is None else split.lengths.numpy()
        parts: _Parts = (split.stored.numpy(), split.targets.numpy(), split.decode, split.problems, lengths)
        return cls(ray.put(parts))

    @cached_property
    def split(self) -> Split:
        stored, targets, decode, problems, lengths = ray.get(self.reference)
        known = None if lengths is None else _tensor(lengths)
        return Split(_tensor(stored), _tensor(targets), decode, problems, known)


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """A view of shared memory, which is read-only: a `Split` copies the rows that it hands out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
