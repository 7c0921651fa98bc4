"""A short training of small networks on line MNIST."""

from __future__ import annotations

from glifr.conditions import CONDITIONS
from glifr.tasks import TASKS, TaskData
from glifr.training.train import Configuration, Training, TrainingSettings

TASK = TASKS["line_mnist"]
SETTINGS = TrainingSettings(epochs=3, batch_size=128, backend="cpu")  # keeps each seed's bits: seeds are batched


def configuration(name: str, learning_rate: float = 3e-3, hidden_size: int = 17) -> Configuration:
    """A small network of a published condition."""
    delay = {"LSTM": None, "RNN": 1}.get(name, 20)
    return Configuration(CONDITIONS[name], hidden_size, delay, {"learning_rate": learning_rate})


def trained(data: TaskData, name: str, seeds: list[int], settings: TrainingSettings = SETTINGS) -> Training:
    """A training that has run to its end."""
    return run_out(Training(TASK, data, configuration(name), settings, seeds))


def run_out(training: Training) -> Training:
    """Runs a training to its end."""
    while not training.finished:
        training.run_epoch()
    return training
