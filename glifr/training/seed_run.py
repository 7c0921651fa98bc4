"""One seed on its way: its network, its optimiser, and what of them a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from glifr.characterise import summarise
from glifr.configuration import Configuration, TrainingSettings
from glifr.definitions import build_network
from glifr.networks import BaseNetwork
from glifr.networks.learned_start import resample
from glifr.records import EpochRecord
from glifr.tasks import TaskDefinition
from glifr.training.optimizer import load_optimizer, make_optimizer, set_rate
from glifr.training.streams import stream


def new_network(
    seed: int, task: TaskDefinition, configuration: Configuration, settings: TrainingSettings
) -> BaseNetwork:
    """The network of a configuration as `seed` starts it."""
    return build_network(
        configuration.condition,
        in_size=task.inputs,
        out_size=task.outputs,
        hidden_size=configuration.hidden_size,
        dt=task.time_step_ms,
        delay_steps=configuration.delay_steps,
        hyperparameters=configuration.hyperparameters,
        dropout_prob=settings.dropout,
        backend=settings.backend,
        output_weight=not task.neurons_are_outputs,
        generator=stream(seed, "initialisation"),
    )


class SeedRun:
    """One seed in training: network, optimiser, epochs done, whether it has diverged (non-finite loss or parameter).

    Args:
        seed: The seed.
        task: The task.
        configuration: What is trained.
        settings: How it is trained.
        device: Where it is trained.
        learning_rate: Of this seed; that of the configuration by default.
        trained: State dict of the network that a `learned` start draws from; None for the condition's own start.
    """

    def __init__(
        self,
        seed: int,
        task: TaskDefinition,
        configuration: Configuration,
        settings: TrainingSettings,
        device: torch.device,
        learning_rate: float | None = None,
        trained: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.seed, self.epoch, self.diverged, self._changes = seed, 0, False, 0
        self.settings = settings
        self.last: EpochRecord | None = None
        self.network = new_network(seed, task, configuration, settings)
        if trained is not None:
            resample(self.network, trained, stream(seed, "learned start"))
        self.network.to(device)
        self.start = summarise(self.network, "start")
        self.parameters_at_start = self.network.neuron_parameters()
        own = configuration.hyperparameters["learning_rate"] if learning_rate is None else learning_rate
        self.learning_rate = own
        learned = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(learned, own, settings, device)

    @property
    def identity(self) -> tuple[int, int]:
        """Changes with what a recorded step would not notice: other memory of the optimiser, another sigma_v."""
        return self.seed, self._changes

    def begin_with(self, state: Mapping[str, Tensor]) -> None:
        """Takes the start of another network, whole: its state dict, of the same shapes. RuntimeError if it is not."""
        self.network.load_state_dict(dict(state))
        self.start = summarise(self.network, "start")
        self.parameters_at_start = self.network.neuron_parameters()

    def begin_epoch(self, device: torch.device) -> None:
        """Makes the network ready to train, with the dropout and the sigma_v of this epoch."""
        self.network.train()
        self.network.dropout_generator = stream(self.seed, "dropout", self.epoch, device)
        sigma_v = self.settings.sigma_v_in(self.epoch)
        if sigma_v is not None and self.network.set_constant("sigma_v", sigma_v):
            self._changes += 1

    def begin_step(self, step: int, steps_an_epoch: int) -> None:
        """Sets the learning rate of a training step, counted from 0 in its epoch, where a schedule moves it."""
        schedule = self.settings.schedule
        if not schedule.is_constant:
            share = schedule.share(self.epoch * steps_an_epoch + step, steps_an_epoch, self.settings.epochs)
            set_rate(self.optimizer, self.learning_rate * share)

    def checkpoint(self) -> dict[str, Any]:
        """Everything the rest of the run depends on, as tensors and plain values."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "diverged": self.diverged,
            "last": self.last.to_json() if self.last else None,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `checkpoint()`; ValueError if it is of another seed."""
        if state["seed"] != self.seed:
            raise ValueError(f"checkpoint of seed {state['seed']} given to seed {self.seed}")
        self.epoch, self.diverged = state["epoch"], state["diverged"]
        self.last = EpochRecord.from_json(state["last"]) if state["last"] else None
        self.network.load_state_dict(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self._changes += 1
