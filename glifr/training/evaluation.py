"""Evaluates networks: losses and hits, summed on the device and read back once.

Shapes: R replicas, B batch, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from glifr.networks import BaseNetwork, forward_replicas
from glifr.networks.layer import stack
from glifr.tasks import Split, TaskDefinition
from glifr.tasks.task import Readout, without_padding

Reduction = Callable[[Tensor, int], Tensor]  # over one dimension, as torch.sum and torch.mean

EVALUATION_BATCH = 500  # fixed: part of what decides the last bits of a reported loss


@dataclass(frozen=True)
class Performance:
    """Mean loss and accuracy over samples, accuracy None for regression; and the task's own metrics."""

    loss: float
    accuracy: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)


def sample_losses(task: TaskDefinition, outputs: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the loss of each sample.

    Args:
        task: The task, which says which loss.
        outputs: Outputs [B,O] of the step that is read, or [B,T,O].
        targets: Classes [B], or values of the shape of the outputs.
        lengths: Steps of each sequence [B], where every step is read; None where all have T.

    Returns:
        Losses [B]: the task's own, cross entropy in nats, or the mean squared error over a sequence's own steps.
    """
    if task.own_loss is not None:
        return task.own_loss(outputs, targets, lengths)
    if task.loss == "cross_entropy":
        return functional.cross_entropy(outputs, targets, reduction="none")
    differences = outputs - targets
    if lengths is None or outputs.ndim < 3:
        return differences.square().mean(dim=tuple(range(1, outputs.ndim)))
    return without_padding(differences, lengths).square().sum(dim=(1, 2)) / (lengths * outputs.shape[2])


@dataclass(frozen=True)
class Heard:
    """What the loss hears of a batch.

    Attributes:
        task: The task.
        targets: Targets [R,B,...].
        lengths: Steps of each sequence [R,B]; None where all have T.
    """

    task: TaskDefinition
    targets: Tensor
    lengths: Tensor | None

    @property
    def readout(self) -> Readout:
        """Which steps a network must give: all, where the last is another one for each sequence."""
        return "all" if self.lengths is not None else self.task.readout

    def of(self, outputs: Tensor) -> Tensor:
        """Of outputs [R,B,O] or [R,B,T,O] those that are read: of the last step that of each sequence."""
        if self.lengths is None or self.task.readout == "all":
            return outputs
        last = (self.lengths - 1)[..., None, None].expand(*self.lengths.shape, 1, outputs.shape[-1])
        return outputs.gather(-2, last).squeeze(-2)

    def losses(self, outputs: Tensor, reduce: Reduction) -> Tensor:
        """Losses of R replicas [R], from outputs [R,B,...]. reduce: over samples.

        On the CPU replica by replica, for a replica's bits are its own; elsewhere in one computation.
        """
        way = one_by_one if outputs.device.type == "cpu" else together
        return way(self, self.of(outputs), reduce)

    def metrics(self, outputs: Tensor) -> Tensor:
        """The task's own metrics of R replicas [R,M], summed over samples in float64."""
        every = zip(self.of(outputs).unbind(0), self.targets.unbind(0), self._lengths(outputs), strict=True)
        rows = [[_double_sum(m.of(*part), 0) for m in self.task.metrics] for part in every]
        return torch.tensor(rows, dtype=torch.float64, device=outputs.device).view(len(outputs), -1)

    def _lengths(self, outputs: Tensor) -> Sequence[Tensor | None]:
        return [None] * len(outputs) if self.lengths is None else self.lengths.unbind(0)


def one_by_one(heard: Heard, outputs: Tensor, reduce: Reduction) -> Tensor:
    """`Heard.losses` of outputs that are read, in a computation for each replica."""
    parts = zip(outputs.unbind(0), heard.targets.unbind(0), heard._lengths(outputs), strict=True)
    return stack([reduce(sample_losses(heard.task, *part), 0) for part in parts])


def together(heard: Heard, outputs: Tensor, reduce: Reduction) -> Tensor:
    """`Heard.losses` of outputs that are read, in one computation."""
    lengths = None if heard.lengths is None else heard.lengths.flatten(0, 1)
    losses = sample_losses(heard.task, outputs.flatten(0, 1), heard.targets.flatten(0, 1), lengths)
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
    sums = torch.zeros(len(networks), len(task.metrics), dtype=torch.float64, device=device)
    tally = Tally(task, len(networks), device)
    for begin in range(0, len(split), EVALUATION_BATCH):
        index = torch.arange(begin, min(begin + EVALUATION_BATCH, len(split)), device=device)
        inputs, targets = split.batch(index)
        shared, lengths = targets.expand(len(networks), *targets.shape), split.lengths_of(index)
        heard = Heard(task, shared, None if lengths is None else lengths.expand(len(networks), -1))
        outputs = forward_replicas(networks, inputs, readout=heard.readout, neuron_masks=neuron_masks)
        tally.add(heard.losses(outputs, _double_sum), heard.of(outputs), shared)
        sums += heard.metrics(outputs)
    means = (sums / len(split)).tolist()
    names = [metric.name for metric in task.metrics]
    every = zip(tally.read(len(split)), means, strict=True)
    return [replace(found, metrics=dict(zip(names, own, strict=True))) for found, own in every]


def chance(task: TaskDefinition) -> Performance:
    """What a network has that has learned nothing."""
    return Performance(task.chance_loss, task.chance_accuracy, {m.name: m.chance for m in task.metrics})
