"""The task of a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from glifr.outside import entry_points, is_reference
from glifr.tasks import ARRAYS, TASKS, ArraySettings, TaskDefinition, TaskSettings, TrainOn, task_of
from glifr.tasks.task import NPZ
from launch.studyfile import values as v
from launch.studyfile.sections import Section
from launch.studyfile.tree import InvalidValue

NOT_READ = "not read"  # the source of a task from outside, where its code is not to be imported


class TaskSpec(Section):
    """The task, and where its data come from.

    Attributes:
        name: The task.
        source: Where its data come from; by default the first of the task's sources.
        data_root: The folder that has the data; null for $GLIFR_DATA and the usual places.
        train_on: What final networks are trained on. With the validation split too, nothing is validated.
        frequencies: In 1/ms, for tasks that have them (`TaskDefinition.options`).
        noise: Standard deviation of noise on the inputs, likewise.
        path: File of the task `arrays`, from the study's folder.
        loss: Of the task `arrays`.
        readout: Of the task `arrays`: whether every step is read, or the last one.
        time_step_ms: Of the task `arrays`.
    """

    later = frozenset({"path", "loss", "readout", "time_step_ms"})

    name: v.TaskName
    source: Annotated[str, Field(description="one of the task's sources")]
    data_root: Annotated[str, Field(min_length=1, description="a folder")] | None = None
    train_on: Annotated[TrainOn, Field(description="train or train+validation")] = "train"
    frequencies: v.Frequencies | None = None
    noise: v.FromZero = 0.0
    path: Annotated[str, Field(min_length=1, description="an .npz file, from the study's folder")] | None = None
    loss: Annotated[Literal["cross_entropy", "mse"], Field(description="cross_entropy or mse")] | None = None
    readout: Annotated[Literal["last", "all"], Field(description="last or all")] | None = None
    time_step_ms: v.Positive | None = None
    _folder: Path = PrivateAttr(default=Path())
    _recorded: TaskDefinition | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _default_source(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, dict) and "source" not in data:  # one from outside is given its source by the reader
            task, name = TASKS.get(str(data.get("name"))), str(data.get("name"))
            if name == ARRAYS:
                return handler({**data, "source": NPZ})
            unknown = NOT_READ if is_reference(name) or name in entry_points("tasks") else InvalidValue("no task")
            data = {**data, "source": task.sources[0] if task else unknown}
        return handler(data)

    def settings(self) -> TaskSettings:
        root = None if self.data_root is None else Path(self.data_root)
        arrays = None
        if self.path is not None:
            loss, dt = self.loss or "cross_entropy", self.time_step_ms or 1.0
            readout = self.readout or ("last" if loss == "cross_entropy" else "all")
            arrays = ArraySettings(self._folder / self.path, loss, readout, dt)
        return TaskSettings(self.name, self.source, root, self.train_on, self.frequencies, self.noise, arrays)

    def found_from(self, folder: Path) -> None:
        """Lets a relative `path` be taken from the study's folder."""
        self._folder = folder.absolute()

    @property
    def definition(self) -> TaskDefinition:
        """The task as the study sets it. One from outside must be importable, or taken from a record."""
        return self._recorded or task_of(self.settings())

    def take_recorded(self, task: TaskDefinition) -> None:
        """Lets `definition` be what a results folder has on record, so that nothing from outside is imported."""
        self._recorded = task
