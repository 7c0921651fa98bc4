"""All that is kept of a trained network beyond its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glifr.characterise.examples import cut_at_ends, examples
from glifr.characterise.single import current_curves, step_responses
from glifr.networks import BaseNetwork
from glifr.records import Characteristics
from glifr.tasks import Split, TaskDefinition


def characterise(
    network: BaseNetwork, start: Mapping[str, Tensor], task: TaskDefinition, split: Split
) -> Characteristics | None:
    """Describes a network after training. Draws nothing at random and changes no parameter.

    Args:
        network: The trained network.
        start: Its `neuron_parameters()` before training.
        task: Its task.
        split: The samples that examples are taken from.

    Returns:
        The description; None if a number in it is not finite.
    """
    if not all(torch.isfinite(p).all() for p in network.parameters()):
        return None
    neurons = network.isolated()
    found = Characteristics(
        start=_plain(start),
        end=_plain(network.neuron_parameters()),
        examples=examples(network, task, split),
        curves=current_curves(neurons) if neurons else None,
        steps=step_responses(neurons) if neurons else None,
    )
    return replace(found, examples=cut_at_ends(found.examples, task, split)) if found.finite else None


def _plain(parameters: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """[1,H] as [H] and [J,1,H] as [J,H]."""
    return {name: values.detach().float().cpu().squeeze(-2).numpy() for name, values in parameters.items()}
