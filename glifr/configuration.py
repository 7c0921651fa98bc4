"""Plain data that training takes: the network to train, and the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glifr.conditions import Condition


@dataclass(frozen=True)
class TrainingSettings:
    """How long and by which steps: epochs, batch size, Adam's constants, dropout probability, kernel backend.

    weight_decay: of every trained number; decoupled from the gradient's moments it makes AdamW.
    sigma_v: width of GLIFR neurons' sigmoid in the first and in the last epoch, linear in epochs between them as in the
    published annealing; None for the model's own throughout.

    seeds_per_batch: replicas computed at once; None for all of them. On the CPU it has an effect only where the backend
    keeps each seed's bits (`glifr.engine.backends.batches_exactly`); elsewhere there, seeds are computed one by one.
    cuda_graphs: on CUDA, record the training step once and replay it. Neither changes what is computed.
    seeds_in_turn: each seed is trained to its last epoch before the next begins.
    """

    epochs: int
    batch_size: int
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
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
    """What is trained. delay_steps: D of the lateral input in steps, None for the LSTM.

    hyperparameters: learning_rate, and spreads (1 where absent).
    """

    condition: Condition
    hidden_size: int
    delay_steps: int | None
    hyperparameters: Mapping[str, float]
