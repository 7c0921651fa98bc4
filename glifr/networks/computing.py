"""Networks' layers as an engine takes them, R networks at once.

Shapes: R replicas, B batch, T steps, I inputs, H neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from glifr.engine.sequence import SequenceInput
from glifr.networks.layer import stack
from glifr.networks.state import NetworkState, start_tensors

if TYPE_CHECKING:
    from glifr.networks.network import Network


def sequence_of(
    networks: Sequence[Network], x: Tensor, mask: Tensor | None, state: NetworkState | None = None
) -> SequenceInput:
    """Puts the recurrent layers on one input into the form that engines take. Each layer gets its own gradients.

    Args:
        networks: R networks.
        x: Inputs [R,B,T,I], or [1,B,T,I] shared by all.
        mask: Broadcastable to [R,B,T,H], None for ones.
        state: Where the sequences of one network begin, None for zeros.

    Returns:
        The input of an engine.
    """
    layers = [n.neuron_layer for n in networks]
    model, constants, delay = networks[0].recurrence()
    each = [layer.views(*layer.tensors()) for layer in layers]
    weight_in, weight_lat = stack([views.weight_in for views in each]), stack([views.weight_lat for views in each])
    parts = iter(
        [stack([sum(of[1:], of[0]) for of in part]) for part in zip(*(v.parameters for v in each), strict=True)]
    )
    hidden = networks[0].hidden_size

    def whole(count: int | None) -> Tensor:
        """A parameter [R,1,H] or [J,R,1,H], as it is stored."""
        if count is None:
            return next(parts)
        own = [next(parts) for _ in range(count)]
        return stack(own) if own else x.new_empty(0, len(layers), 1, hidden)

    parameters = model.Parameters(*(whole(p.count) for p in model.parameters))
    initial, history = (None, None) if state is None else start_tensors(model, state)
    return SequenceInput(
        model, x, weight_in, weight_lat, parameters, constants, delay, mask, initial, history, stored=True
    )
