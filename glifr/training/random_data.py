"""Random data in the shape of a task's: for timing and for tests, never for a result."""

from __future__ import annotations

import torch

from glifr.tasks import Split, TaskData, TaskDefinition


def random_data(task: TaskDefinition, samples: int, device: torch.device | str = "cpu", repeats: int = 1) -> TaskData:
    """Numbers in the shape of the task's, the same each time; `repeats` times over without more memory."""
    generator = torch.Generator(device).manual_seed(0)
    inputs = torch.randn(samples, task.steps, task.inputs, generator=generator, device=device)
    values = (samples, task.steps, task.outputs) if task.readout == "all" else (samples, task.outputs)
    targets = (
        torch.randint(task.outputs, (samples,), generator=generator, device=device)
        if task.loss == "cross_entropy"
        else torch.randn(*values, generator=generator, device=device)
    )
    places = torch.arange(samples, device=device).repeat(repeats)
    return TaskData(Split(places, targets.repeat(repeats, *[1] * (targets.ndim - 1)), inputs.__getitem__), None)
