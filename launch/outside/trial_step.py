"""One training step, taken to see whether a task or a network from outside is sound before anything is queued."""

from __future__ import annotations

from dataclasses import replace

from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, TrainingSettings
from glifr.errors import InputError, Problem
from glifr.tasks import TaskData, TaskDefinition
from glifr.training.train import Training

SAMPLES = 8


def refuse_unsound(task: TaskDefinition, data: TaskData) -> None:
    """Raises InputError if a step of a small tanh network on the task's own data gives a loss that is not finite."""
    size = task.outputs if task.neurons_are_outputs else 2
    configuration = Configuration(CONDITIONS["RNN"], size, 1, {"learning_rate": 1e-3})
    record = one_step(task, data, configuration)
    if record is None:
        rule = "the loss is not finite at the first step"
        raise InputError(Problem(rule, task.name, allowed="a finite loss", todo="look at the task's data and loss"))


def one_step(
    task: TaskDefinition, data: TaskData, configuration: Configuration, backend: str = "reference"
) -> float | None:
    """The loss of one training step on a few samples; None where it, or the network after it, is not finite."""
    few = data.train.part(0).take(slice(SAMPLES))
    settings = TrainingSettings(epochs=1, batch_size=SAMPLES, backend=backend)
    (record,) = Training(replace(task, passes=1), TaskData(few, few), configuration, settings, [0]).run_epoch()
    return None if record.diverged else record.train_loss
