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
    """Sets each array of the recurrent layer, weights and neuron parameters, to values drawn with replacement from it.

    trained: the state dict of a network with as many after-spike currents; sizes may differ. Arrays are drawn one by
    one, in the order of the state dict, so that nothing links a neuron's parameters; [J,1,H] is one array. The readout
    stays as it began, as in the published runs: what it has learned fits neurons that are not there any more.
    ValueError if an array is missing, or empty in one of the two only.
    """
    for name, own in network.recurrent_state().items():
        pool = trained[name].flatten() if name in trained else torch.empty(0)
        if (len(pool) == 0) != (own.numel() == 0):
            raise ValueError(f"{name} [{', '.join(map(str, own.shape))}] cannot be drawn from {len(pool)} values")
        if own.numel() > 0:
            drawn = torch.randint(len(pool), own.shape, generator=generator)
            own.copy_(pool[drawn])
