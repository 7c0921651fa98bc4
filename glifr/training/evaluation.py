"""Evaluates networks: losses and hits, summed on the device and read back once.

Shapes: R replicas, B batch, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from glifr.networks import BaseNetwork, forward_replicas
from glifr.networks.layer import stack
from glifr.records import EpochRecord
from glifr.tasks import Split, TaskDefinition

Reduction = Callable[[Tensor, int], Tensor]  # over one dimension, as torch.sum and torch.mean

EVALUATION_BATCH = 500  # fixed: part of what decides the last bits of a reported loss


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


def replica_losses(task: TaskDefinition, outputs: Tensor, targets: Tensor, reduce: Reduction) -> Tensor:
    """Computes the losses of R replicas.

    On the CPU this is done replica by replica, so that a replica's bits are its own; elsewhere in one computation.

    Args:
        task: The task.
        outputs: [R,B,...].
        targets: [R,B,...].
        reduce: How losses are reduced over samples.

    Returns:
        The losses [R].
    """
    way = one_by_one if outputs.device.type == "cpu" else together
    return way(task, outputs, targets, reduce)


def one_by_one(task: TaskDefinition, outputs: Tensor, targets: Tensor, reduce: Reduction) -> Tensor:
    """`replica_losses` in a computation for each replica."""
    pairs = zip(outputs.unbind(0), targets.unbind(0), strict=True)
    return stack([reduce(sample_losses(task, *pair), 0) for pair in pairs])


def together(task: TaskDefinition, outputs: Tensor, targets: Tensor, reduce: Reduction) -> Tensor:
    """`replica_losses` in one computation."""
    losses = sample_losses(task, outputs.flatten(0, 1), targets.flatten(0, 1))
    return reduce(losses.view(outputs.shape[:2]), 1)


class Tally:
    """Sums of R replicas over batches, kept on the device: reading them makes the host wait, so it is done once.

    Attributes:
        losses: [R], float64.
        hits: Samples classified correctly [R], int64 (classification only).
    """

    def __init__(self, task: TaskDefinition, replicas: int, device: torch.device) -> None:
        self._task = task
        self.losses = torch.zeros(replicas, dtype=torch.float64, device=device)
        self.hits = torch.zeros(replicas, dtype=torch.int64, device=device)

    def reset(self) -> None:
        """Back to zero, in the same memory: a recorded training step adds to it."""
        self.losses.zero_()
        self.hits.zero_()

    def add(self, losses: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """One more batch: its summed losses [R], outputs [R,B,...], and targets [R,B,...]."""
        self.losses.add_(losses)
        if self._task.loss == "cross_entropy":
            self.hits.add_((outputs.argmax(-1) == targets).sum(1))

    def read(self, samples: int) -> list[Performance]:
        """Means over the samples that were added."""
        losses, hits = self.losses.tolist(), self.hits.tolist()
        counted = self._task.loss == "cross_entropy"
        return [
            Performance(loss / samples, hit / samples if counted else None)
            for loss, hit in zip(losses, hits, strict=True)
        ]


def _double_sum(losses: Tensor, dim: int) -> Tensor:
    return losses.double().sum(dim)


@torch.no_grad()
def evaluate(
    networks: Sequence[BaseNetwork], task: TaskDefinition, split: Split, neuron_masks: Tensor | None = None
) -> list[Performance]:
    """Evaluates each of R networks on a whole split.

    Args:
        networks: The networks.
        task: Their task.
        split: The samples.
        neuron_masks: [R,H], where 0 silences a neuron.

    Returns:
        The performance of each network.
    """
    for network in networks:
        network.eval()
    device = split.targets.device
    tally = Tally(task, len(networks), device)
    for begin in range(0, len(split), EVALUATION_BATCH):
        index = torch.arange(begin, min(begin + EVALUATION_BATCH, len(split)), device=device)
        inputs, targets = split.batch(index)
        outputs = forward_replicas(networks, inputs, readout=task.readout, neuron_masks=neuron_masks)
        shared = targets.expand(len(networks), *targets.shape)
        losses = replica_losses(task, outputs, shared, _double_sum)
        tally.add(losses, outputs, shared)
    return tally.read(len(split))


def worst_score(task: TaskDefinition) -> float:
    """The score of a diverged seed, and the cap of every other: twice the loss of chance."""
    return 2 * task.chance_loss


def score(task: TaskDefinition, record: EpochRecord) -> float:
    """What the search minimises: the validation loss, or the training loss where nothing is held out."""
    loss = record.train_loss if record.validation_loss is None else record.validation_loss
    return worst_score(task) if record.diverged or loss is None else min(loss, worst_score(task))
