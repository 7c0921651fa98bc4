"""Robustness: test performance of a trained network with random sets of its neurons silenced.

The masks of one network are replicas of one forward computation. They are nested in the network: average them before
any statistics (a network, not a mask, is the experimental unit).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from glifr.networks import BaseNetwork
from glifr.records import SilencingRow
from glifr.tasks import Split, TaskDefinition
from glifr.training.evaluation import EVALUATION_BATCH, chance, evaluate
from glifr.training.streams import stream

_ALWAYS = 8  # masks at once where a mask's bits depend on how many there are: a fixed number
_CPU_BYTES = 2**30  # that the states of all masks at once may take
_GPU_SHARE = 0.5  # of the memory that is free
_ARRAYS = 6  # of [B,T,H] that a forward pass holds at its peak for each mask: input, states, gates of the LSTM


def neuron_masks(hidden_size: int, seed: int, fraction: float, masks: int) -> Tensor:
    """Draws random sets of neurons; the draw depends on seed, fraction and mask number alone.

    Args:
        hidden_size: Neurons H.
        seed: The network's seed.
        fraction: The fraction that is silenced.
        masks: How many sets M.

    Returns:
        Ones, with round(fraction x H) zeros per row [M,H]; one row where all rows would be equal.
    """
    silenced = round(fraction * hidden_size)
    rows = 1 if silenced in (0, hidden_size) else masks
    result = torch.ones(rows, hidden_size)
    for row in range(rows):
        generator = stream(seed, "silencing", round(fraction * 1_000_000) * 1_000 + row)
        result[row, torch.randperm(hidden_size, generator=generator)[:silenced]] = 0.0
    return result


def masks_at_once(network: BaseNetwork, task: TaskDefinition, device: torch.device) -> int:
    """How many masks one forward pass takes: as many as memory holds, if that leaves their bits alone on the CPU."""
    if device.type == "cpu" and not network.batches_exactly(device):
        return _ALWAYS
    room = _CPU_BYTES if device.type == "cpu" else _GPU_SHARE * torch.cuda.mem_get_info(device)[0]
    one = 4 * _ARRAYS * EVALUATION_BATCH * task.steps * network.hidden_size
    return max(1, int(room) // one)


def silence(
    network: BaseNetwork,
    task: TaskDefinition,
    test: Split,
    *,
    seed: int,
    fractions: Sequence[float],
    masks: int,
    diverged: bool = False,
) -> tuple[SilencingRow, ...]:
    """One row per fraction and mask. A diverged network has the performance of chance at every fraction."""
    device = next(network.parameters()).device
    hidden_size = network.hidden_size
    drawn = [(f, m, row) for f in fractions for m, row in enumerate(neuron_masks(hidden_size, seed, f, masks))]
    results = []
    size = masks_at_once(network, task, device)
    for begin in range(0, len(drawn), size):
        part = drawn[begin : begin + size]
        rows = torch.stack([row for _, _, row in part]).to(device)
        found = None if diverged else evaluate([network] * len(part), task, test, rows)
        for i, (fraction, mask, row) in enumerate(part):
            usable = found[i] if found is not None and math.isfinite(found[i].loss) else chance(task)
            results.append(
                SilencingRow(
                    fraction=fraction,
                    mask=mask,
                    silenced=int((row == 0).sum().item()),
                    test_loss=usable.loss,
                    test_accuracy=usable.accuracy,
                    test_metrics=usable.metrics,
                )
            )
    return tuple(results)
