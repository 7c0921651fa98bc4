"""The `learned` start: a network begins with values drawn from a trained network's, so heterogeneous by learning.

Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from glifr.networks.base import BaseNetwork


@torch.no_grad()
def resample(network: BaseNetwork, trained: Mapping[str, Tensor], generator: torch.Generator) -> None:
    """Sets each array of the recurrent layer, weights and neuron parameters, to values drawn from a trained one's.

    Arrays are drawn with replacement, one by one, in the order of the state dict, so that nothing links a neuron's
    parameters; [J,1,H] is one array. The readout keeps its start, as in the published runs: what it has learned fits
    neurons that no longer exist.

    Args:
        network: The network that is changed.
        trained: The state dict of a network with as many after-spike currents; its sizes may differ.
        generator: What the values are drawn from.

    Raises:
        ValueError: An array is missing, or is empty in only one of the two.
    """
    for name, own in network.recurrent_state().items():
        pool = trained[name].flatten() if name in trained else torch.empty(0)
        if (len(pool) == 0) != (own.numel() == 0):
            raise ValueError(f"{name} [{', '.join(map(str, own.shape))}] cannot be drawn from {len(pool)} values")
        if own.numel() > 0:
            drawn = torch.randint(len(pool), own.shape, generator=generator)
            own.copy_(pool[drawn])
