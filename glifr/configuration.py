"""Plain data that training takes: the network to train, and the recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from glifr.conditions import Condition

OptimizerName = Literal["adam", "adamw", "sgd"]
ScheduleName = Literal["constant", "cosine", "step"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)


@dataclass(frozen=True)
class Schedule:
    """The fraction of the learning rate that each training step uses.

    Attributes:
        name: "constant"; "cosine", from 1 to `end` along half a cosine; or "step", times `factor` after every `every`
            epochs.
        warmup_epochs: Epochs over which the fraction first rises linearly to 1. A cosine begins after them; steps count
            from 0.
        end: The last fraction of a cosine.
        every: Epochs between steps.
        factor: What a step multiplies the fraction by.
    """

    name: ScheduleName = "constant"
    warmup_epochs: float = 0.0
    end: float = 0.0
    every: int = 1
    factor: float = 0.1

    @property
    def is_constant(self) -> bool:
        """True if every step takes the whole learning rate."""
        return self.name == "constant" and not self.warmup_epochs

    def share(self, step: int, steps_an_epoch: int, epochs: int) -> float:
        """Gives the fraction of the learning rate at one training step.

        Args:
            step: The step, counted from 0.
            steps_an_epoch: Steps per epoch.
            epochs: Epochs of the whole training.

        Returns:
            The fraction.
        """
        warm_up = round(self.warmup_epochs * steps_an_epoch)
        rise = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
        if self.name == "step":
            return rise * float(self.factor) ** (step // (self.every * steps_an_epoch))
        if self.name == "constant" or step < warm_up:
            return rise
        done = (step - warm_up) / (epochs * steps_an_epoch - warm_up)
        return self.end + (1.0 - self.end) * (1.0 + math.cos(math.pi * done)) / 2.0


@dataclass(frozen=True)
class TrainingSettings:
    """How long, and by which steps, a network is trained.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Samples per step.
        beta1: Of Adam and AdamW.
        beta2: Of Adam and AdamW.
        epsilon: Of Adam and AdamW.
        weight_decay: Of every trained number.
        decoupled: Whether weight decay is decoupled from the gradient's moments, as in AdamW.
        optimizer: One of OPTIMIZERS.
        momentum: Of SGD.
        nesterov: Of SGD.
        clip_norm: The largest norm of a network's whole gradient; a larger one is scaled down to it. None for no limit.
        schedule: Schedule of the learning rate.
        dropout: Probability of dropout.
        sigma_v: Width of GLIFR neurons' sigmoid in the first and in the last epoch, linear in between, as in the
            published annealing; None for the model's own throughout.
        backend: One of `glifr.engine.backends.BACKENDS`.
        seeds_per_batch: Replicas computed at once; None for all of them. Does not change what is computed. On the CPU
            it has an effect only where the backend keeps each seed's bits (`glifr.engine.backends.batches_exactly`);
            with others, seeds are computed one by one.
        cuda_graphs: Whether, on CUDA, a training step is recorded once and replayed. Does not change what is computed.
        seeds_in_turn: Whether each seed is trained to its last epoch before the next begins.
    """

    epochs: int
    batch_size: int
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
    optimizer: OptimizerName = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    clip_norm: float | None = None
    schedule: Schedule = Schedule()
    dropout: float = 0.0
    sigma_v: tuple[float, float] | None = None
    backend: str = "auto"
    seeds_per_batch: int | None = None
    cuda_graphs: bool = True
    seeds_in_turn: bool = False

    def sigma_v_in(self, epoch: int) -> float | None:
        """sigma_v in an epoch, counted from 0; None for the model's own."""
        if self.sigma_v is None:
            return None
        first, last = self.sigma_v
        return first + (last - first) * epoch / (self.epochs - 1) if self.epochs > 1 else last


@dataclass(frozen=True)
class Configuration:
    """What is trained.

    Attributes:
        condition: The condition.
        hidden_size: Neurons H.
        delay_steps: Delay D of the lateral input in steps; None for the LSTM.
        hyperparameters: learning_rate, and spreads (1 where absent).
    """

    condition: Condition
    hidden_size: int
    delay_steps: int | None
    hyperparameters: Mapping[str, float]
