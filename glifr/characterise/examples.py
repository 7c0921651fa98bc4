"""A network on a few samples of its task: what it puts out over time, and what some of its neurons do.

Shapes: K samples, T steps, O outputs, H neurons, J after-spike currents, N neurons that stand for all.
"""

from __future__ import annotations

import torch

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

    regression = task.classes is None
    return Examples(
        samples=samples.cpu().numpy(),
        times=(times * task.time_step_ms).float().numpy(),
        outputs=kept(outputs).numpy(),
        targets=kept(targets).numpy() if regression else None,
        classes=None if regression else targets.cpu().numpy(),
        neurons=neurons.numpy(),
        activity=kept(activity)[:, :, neurons].numpy(),
        after_spike=None if after_spike is None else kept(after_spike)[:, :, neurons].numpy(),
    )
