"""The linear readout y = h W_out + b_out, of one network or of R as one computation.

Shapes: R replicas, B batch, T steps, H neurons, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from glifr.networks.layer import stack
from glifr.parameters import start_weights


class Readout(nn.Linear):
    """torch's Linear with its default start, uniform in +-sqrt(1/H), drawn from `generator`: weight, then bias."""

    def __init__(self, hidden_size: int, out_size: int, generator: torch.Generator | None) -> None:
        super().__init__(hidden_size, out_size, device="meta")  # draws nothing from the global generator
        self.weight = nn.Parameter(start_weights((out_size, hidden_size), hidden_size, 1.0, generator))
        self.bias = nn.Parameter(start_weights((out_size,), hidden_size, 1.0, generator))

    def forward(self, input: Tensor, exact: bool = False) -> Tensor:
        """Outputs [*,O] of what neurons sent [*,H]. exact: see `read_out`."""
        return read_out([self], input.unsqueeze(0), exact)[0]


def read_out(layers: Sequence[nn.Linear], sent: Tensor, exact: bool = False) -> Tensor:
    """Applies the readouts of R networks.

    Args:
        layers: The readout of each network.
        sent: What their neurons sent [R,*,H].
        exact: Whether engine "cpu" computes it, in float32, so that a replica has the bits that it has alone.

    Returns:
        Outputs [R,*,O].
    """
    rows, shape = sent.flatten(1, -2), (*sent.shape[:-1], layers[0].out_features)
    if exact:
        from glifr.engine.cpu.linear import linear  # needs numba

        return linear(rows, [layer.weight for layer in layers], [layer.bias for layer in layers]).view(shape)
    weight, bias = stack([layer.weight for layer in layers]), stack([layer.bias for layer in layers])
    return torch.baddbmm(bias.unsqueeze(1), rows, weight.transpose(1, 2)).view(shape)
