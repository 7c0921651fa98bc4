"""R networks as one computation, and training steps of theirs that are prepared once.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from glifr import checks
from glifr.errors import InputError, Problem
from glifr.networks.base import BaseNetwork, When, mask_of

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass


def forward_replicas(
    networks: Sequence[BaseNetwork],
    inputs: Tensor,
    *,
    readout: When = "all",
    neuron_masks: Tensor | None = None,
) -> Tensor:
    """Runs R networks of one class, shape and setting as one computation; each gets its own gradients.

    Each network draws its dropout from its own generator, so a replica's result does not depend on the others, except
    for rounding: vectorised arithmetic treats the ends of arrays differently. Backend "cpu" is exact in this too,
    whatever the number of threads.

    Args:
        networks: The networks; one may occur several times.
        inputs: [R,B,T,I], or [B,T,I] shared by all.
        readout: "all", or "last" to apply the readout to the last step alone.
        neuron_masks: [R,H], where 0 silences a neuron, in addition to what the network itself has silenced.

    Returns:
        Outputs [R,B,T,O], or [R,B,O] of the last step.

    Raises:
        InputError: Networks, inputs and masks do not fit together.
    """
    first = _common(networks)
    if inputs.ndim == 3:
        inputs = inputs.unsqueeze(0)
    elif len(inputs) != len(networks):
        raise InputError(Problem("one input per network", "inputs", tuple(inputs.shape), f"[{len(networks)}, B, T, I]"))
    checks.shape("inputs", inputs, (len(inputs), "B", "T", first.in_size))
    checks.alike("inputs", inputs, next(first.parameters()))
    if neuron_masks is not None:
        checks.shape("neuron_masks", neuron_masks, (len(networks), first.hidden_size))
    return first.run(networks, inputs, mask_of(networks, inputs[0], neuron_masks), readout)


def prepare_replicas(networks: Sequence[BaseNetwork], inputs: Tensor, readout: When) -> PreparedPass | None:
    """Prepares training steps of R networks once, for inputs of one shape.

    The networks' parameters must stay at their place in memory: an optimiser's steps and `load_state_dict` leave them
    there, `Module.to` may not.

    Args:
        networks: The networks.
        inputs: Inputs of that shape [R,B,T,I].
        readout: "all" or "last", as in `forward_replicas`.

    Returns:
        The prepared pass; None where nothing would be gained.

    Raises:
        InputError: Networks and inputs do not fit together.
    """
    first = _common(networks)
    checks.shape("inputs", inputs, (len(networks), "B", "T", first.in_size))
    checks.alike("inputs", inputs, next(first.parameters()))
    return first.prepare(networks, inputs, readout)


def _common(networks: Sequence[BaseNetwork]) -> BaseNetwork:
    """The first of networks that can be computed together; InputError where they cannot."""

    def described(n: BaseNetwork) -> tuple[Hashable, ...]:
        sizes = (n.in_size, n.hidden_size, n.out_size)
        return (type(n).__name__, *sizes, n.dropout_prob, n.training, n.backend, *n.alike())

    if not networks:
        raise InputError(Problem("there is no network to run", "networks", [], "one or more"))
    first = described(networks[0])
    for network in networks[1:]:
        if described(network) != first:
            raise InputError(
                Problem("networks computed as one must be alike", "networks", described(network), str(first))
            )
    return networks[0]
