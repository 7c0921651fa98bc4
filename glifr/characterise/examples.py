"""A network on a few samples of its task: what it puts out over time, and what some of its neurons do.

Shapes: K samples, T steps, O outputs, H neurons, J after-spike currents, N neurons that stand for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray

from glifr.characterise.sampling import evenly
from glifr.networks import BaseNetwork
from glifr.records import Examples
from glifr.tasks import Split, TaskDefinition

SAMPLES, NEURONS, TIMES = 6, 8, 200


@torch.no_grad()
def examples(network: BaseNetwork, task: TaskDefinition, split: Split) -> Examples:
    """Records SAMPLES samples, NEURONS neurons and at most TIMES steps of a network, all evenly spaced.

    Args:
        network: The network, which is left in evaluation mode.
        task: Its task.
        split: Where the samples are taken from.

    Returns:
        The recordings.
    """
    network.eval()
    samples = evenly(len(split), SAMPLES).to(split.targets.device)  # digits may be stored by class
    inputs, targets = (part.to(next(network.parameters()).device) for part in split.batch(samples))
    outputs = network(inputs)
    activity, after_spike = network.activity(inputs)
    neurons, times = evenly(activity.shape[-1], NEURONS), evenly(inputs.shape[1], TIMES)

    def kept(values: torch.Tensor) -> torch.Tensor:
        return values.float().cpu()[:, times]

    every_step = targets.ndim == inputs.ndim
    return Examples(
        samples=samples.cpu().numpy(),
        times=(times * task.time_step_ms).float().numpy(),
        outputs=kept(outputs).numpy(),
        targets=kept(targets).numpy() if every_step else None,
        classes=None if task.classes is None else targets.cpu().numpy(),
        neurons=neurons.numpy(),
        activity=kept(activity)[:, :, neurons].numpy(),
        after_spike=None if after_spike is None else kept(after_spike)[:, :, neurons].numpy(),
    )


def cut_at_ends(shown: Examples, task: TaskDefinition, split: Split) -> Examples:
    """Takes away what a network puts out after the end of a sequence.

    Args:
        shown: The recordings.
        task: The task.
        split: Where the samples were taken from.

    Returns:
        The recordings, with NaN there in outputs and targets.
    """
    lengths = split.lengths_of(torch.from_numpy(shown.samples))
    if lengths is None:
        return shown
    ended = torch.from_numpy(shown.times) >= (lengths.cpu()[:, None] - 0.5) * task.time_step_ms

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        cut_off: NDArray[Any] = torch.from_numpy(values).masked_fill(ended.unsqueeze(2), torch.nan).numpy()
        return cut_off

    targets = None if shown.targets is None else cut(shown.targets)
    return replace(shown, outputs=cut(shown.outputs), targets=targets)
