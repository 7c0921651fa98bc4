"""Trains several seeds of one configuration together; each seed's result is its own.

A seed batch groups execution and is never identity: each seed has its own network, optimiser and random streams. On
CUDA the seeds of a batch are one computation with a leading replica dimension R. On the CPU each replica is computed by
itself: vectorised kernels round the ends of an array differently, so bits would otherwise depend on the neighbours.
Shapes: R replicas (seeds), B batch, T steps, I inputs, O outputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from glifr.characterise import summarise
from glifr.conditions import Condition
from glifr.networks import Network, build_network, forward_replicas
from glifr.records import EpochRecord, NetworkFile, SeedOutcome
from glifr.streams import stream
from glifr.tasks import Split, TaskData, TaskDefinition

EVALUATION_BATCH = 500  # fixed: part of what decides the last bits of a reported loss


@dataclass(frozen=True)
class TrainingSettings:
    """How long and by which steps: epochs, batch size, Adam's constants, dropout probability, kernel backend.

    seeds_per_batch: replicas computed at once on CUDA; None for all.
    """

    epochs: int
    batch_size: int
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    dropout: float = 0.0
    backend: str = "auto"
    seeds_per_batch: int | None = None


@dataclass(frozen=True)
class Configuration:
    """What is trained. delay_steps: D of the lateral input in steps, None for the LSTM.

    hyperparameters: learning_rate, and spreads (1 where absent).
    """

    condition: Condition
    hidden_size: int
    delay_steps: int | None
    hyperparameters: Mapping[str, float]


@dataclass(frozen=True)
class Performance:
    """Mean loss and accuracy over samples; accuracy None for regression."""

    loss: float
    accuracy: float | None


def sample_losses(task: TaskDefinition, outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss of each sample [B]: cross entropy of outputs [B,O] (nats), or mean squared error of [B,T,O]."""
    if task.loss == "cross_entropy":
        return functional.cross_entropy(outputs, targets, reduction="none")
    return (outputs - targets).square().mean(dim=tuple(range(1, outputs.ndim)))


def correct(task: TaskDefinition, outputs: Tensor, targets: Tensor) -> int | None:
    """How many samples are classified rightly; None for regression."""
    if task.loss != "cross_entropy":
        return None
    return int((outputs.detach().argmax(-1) == targets).sum().item())


@torch.no_grad()
def evaluate(
    networks: Sequence[Network], task: TaskDefinition, split: Split, neuron_masks: Tensor | None = None
) -> list[Performance]:
    """Performance of each of R networks on the whole split. neuron_masks: [R,H], 0 silences a neuron."""
    losses = [0.0] * len(networks)
    hits: list[int | None] = [0 if task.loss == "cross_entropy" else None] * len(networks)
    for network in networks:
        network.eval()
    for begin in range(0, len(split), EVALUATION_BATCH):
        index = torch.arange(begin, min(begin + EVALUATION_BATCH, len(split)), device=split.targets.device)
        inputs, targets = split.batch(index)
        outputs = forward_replicas(networks, inputs, readout=task.readout, neuron_masks=neuron_masks)
        for r, own in enumerate(outputs):
            losses[r] += sample_losses(task, own, targets).double().sum().item()
            more, so_far = correct(task, own, targets), hits[r]
            hits[r] = None if more is None or so_far is None else so_far + more
    n = len(split)
    return [Performance(loss / n, None if hit is None else hit / n) for loss, hit in zip(losses, hits, strict=True)]


def new_network(seed: int, task: TaskDefinition, configuration: Configuration, settings: TrainingSettings) -> Network:
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
        generator=stream(seed, "initialisation"),
    )


class SeedRun:
    """One seed on its way: network, optimiser, epochs done, whether it has diverged (non-finite loss or parameter)."""

    def __init__(
        self,
        seed: int,
        task: TaskDefinition,
        configuration: Configuration,
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        self.seed, self.epoch, self.diverged = seed, 0, False
        self.last: EpochRecord | None = None
        self.network = new_network(seed, task, configuration, settings).to(device)
        self.start = summarise(self.network, "start")
        self.optimizer = torch.optim.Adam(
            [p for p in self.network.parameters() if p.requires_grad],
            lr=configuration.hyperparameters["learning_rate"],
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
        )

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
        self.optimizer.load_state_dict(state["optimizer"])


class Training:
    """R seeds of one configuration, epoch by epoch.

    `run_epoch` until `finished`; `checkpoint` and `restore` between epochs; `outcomes` at the end.
    """

    def __init__(
        self,
        task: TaskDefinition,
        data: TaskData,
        configuration: Configuration,
        settings: TrainingSettings,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.task, self.settings, self.configuration = task, settings, configuration
        self.train = data.train.to(self.device)
        self.validation = data.validation.to(self.device) if data.validation else None
        self.runs = [SeedRun(seed, task, configuration, settings, self.device) for seed in seeds]
        alone = self.device.type == "cpu"
        self.replicas = 1 if alone else settings.seeds_per_batch or max(1, len(self.runs))

    @property
    def epoch(self) -> int:
        """Epochs that all seeds have done."""
        return min(run.epoch for run in self.runs)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.settings.epochs

    def run_epoch(self) -> tuple[EpochRecord, ...]:
        """One epoch of the seeds that have done least; returns their records. Diverged seeds only count the epoch."""
        behind = [run for run in self.runs if run.epoch == self.epoch]
        alive = [run for run in behind if not run.diverged]
        for begin in range(0, len(alive), self.replicas):
            self._train_group(alive[begin : begin + self.replicas])
        for run in behind:
            if run.diverged:
                run.last = _diverged_record(run)
            run.epoch += 1
        return tuple(run.last for run in behind if run.last is not None)

    def _train_group(self, group: Sequence[SeedRun]) -> None:
        started = time.perf_counter()
        trained = self._pass_over_training_set(group)
        networks = [run.network for run in group]
        validated = evaluate(networks, self.task, self.validation) if self.validation else [None] * len(group)
        seconds = (time.perf_counter() - started) / len(group)
        for run, train, validation in zip(group, trained, validated, strict=True):
            run.diverged = not (math.isfinite(train.loss) and (validation is None or math.isfinite(validation.loss)))
            run.last = EpochRecord(
                seed=run.seed,
                epoch=run.epoch + 1,
                train_loss=None if run.diverged else train.loss,
                train_accuracy=None if run.diverged else train.accuracy,
                validation_loss=None if run.diverged or validation is None else validation.loss,
                validation_accuracy=None if run.diverged or validation is None else validation.accuracy,
                diverged=run.diverged,
                seconds=seconds,
            )

    def _pass_over_training_set(self, group: Sequence[SeedRun]) -> list[Performance]:
        networks = [run.network for run in group]
        losses = [torch.zeros((), dtype=torch.float64, device=self.device) for _ in group]
        hits: list[int | None] = [0] * len(group)
        for run in group:
            run.network.train()
            run.network.dropout_generator = stream(run.seed, "dropout", run.epoch, self.device)
        for inputs, targets in self._batches(group):
            for run in group:
                run.optimizer.zero_grad(set_to_none=True)
            outputs = forward_replicas(networks, inputs, readout=self.task.readout)
            own = [sample_losses(self.task, outputs[r], targets[r]).mean() for r in range(len(group))]
            torch.stack(own).sum().backward()  # type: ignore[no-untyped-call]
            for r, run in enumerate(group):
                run.optimizer.step()
                losses[r] += own[r].detach().double() * targets.shape[1]
                more, so_far = correct(self.task, outputs[r], targets[r]), hits[r]
                hits[r] = None if more is None or so_far is None else so_far + more
        n = len(self.train)
        return [
            Performance(loss.item() / n, None if hit is None else hit / n)
            for loss, hit in zip(losses, hits, strict=True)
        ]

    def _batches(self, group: Sequence[SeedRun]) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs [R,B,T,I] and targets [R,B,...], each seed in its own order; the last batch may be smaller."""
        n = len(self.train)
        orders = [torch.randperm(n, generator=stream(run.seed, "order", run.epoch)).to(self.device) for run in group]
        for begin in range(0, n, self.settings.batch_size):
            parts = [self.train.batch(order[begin : begin + self.settings.batch_size]) for order in orders]
            yield _stack([inputs for inputs, _ in parts]), _stack([targets for _, targets in parts])

    def outcomes(
        self, test: Split | None = None, keep: Callable[[SeedRun], NetworkFile] | None = None
    ) -> tuple[SeedOutcome, ...]:
        """How each seed ended.

        test: the test split, given in the final stage only, and read here only. keep: stores a seed's network.
        """
        return tuple(self._outcome(run, test, keep(run) if keep else None) for run in self.runs)

    def _outcome(self, run: SeedRun, test: Split | None, file: NetworkFile | None) -> SeedOutcome:
        last = run.last
        if last is None:
            raise ValueError(f"seed {run.seed} has not been trained")
        tested = self._test(run, test) if test is not None else None
        return SeedOutcome(
            seed=run.seed,
            epochs=run.epoch,
            diverged=run.diverged,
            score=score(self.task, last),
            train_loss=last.train_loss,
            train_accuracy=last.train_accuracy,
            validation_loss=last.validation_loss,
            validation_accuracy=last.validation_accuracy,
            test_loss=tested.loss if tested else None,
            test_accuracy=tested.accuracy if tested else None,
            network=file,
            parameters=(*run.start, *summarise(run.network, "end")),
        )

    def _test(self, run: SeedRun, test: Split) -> Performance:
        chance = Performance(self.task.chance_loss, self.task.chance_accuracy)
        if run.diverged:
            return chance
        found = evaluate([run.network], self.task, test.to(self.device))[0]
        return found if math.isfinite(found.loss) else chance


def worst_score(task: TaskDefinition) -> float:
    """The score of a diverged seed, and the cap of every other: twice the loss of chance."""
    return 2 * task.chance_loss


def score(task: TaskDefinition, record: EpochRecord) -> float:
    """What the search minimises: the validation loss, or the training loss where nothing is held out."""
    loss = record.train_loss if record.validation_loss is None else record.validation_loss
    return worst_score(task) if record.diverged or loss is None else min(loss, worst_score(task))


def _diverged_record(run: SeedRun) -> EpochRecord:
    return EpochRecord(run.seed, run.epoch + 1, None, None, None, None, diverged=True, seconds=0.0)


def _stack(parts: Sequence[Tensor]) -> Tensor:
    return parts[0].unsqueeze(0) if len(parts) == 1 else torch.stack(list(parts))
