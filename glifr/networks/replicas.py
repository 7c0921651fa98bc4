"""R networks as one computation, and training steps of theirs that are prepared once.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from glifr import checks
from glifr.engine.backends import backend_for, choose_backend, run_sequence
from glifr.errors import InputError, Problem
from glifr.networks.computing import mask_of, sequence_of
from glifr.networks.network import Network
from glifr.networks.readout import read_out

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass

# R B T H: in a longer step Python's part is small, and its memory is better not held while something else is computed
_MOST_PREPARED = 2**24


def forward_replicas(
    networks: Sequence[Network],
    inputs: Tensor,
    *,
    readout: Literal["last", "all"] = "all",
    neuron_masks: Tensor | None = None,
) -> Tensor:
    """Runs R networks of one class, shape and setting as one computation; each gets its own gradients.

    inputs: [R,B,T,I], or [B,T,I] shared by all. readout: 'all' gives [R,B,T,O]; 'last' applies the output layer to the
    last step alone and gives [R,B,O]. neuron_masks: [R,H], 0 silences a neuron, beside what the network itself has
    silenced. One network may stand several times in the list. Each draws its dropout from its own generator, so a
    replica's result does not depend on the others, except for rounding: vectorised arithmetic ends arrays differently.
    Backend "cpu" is exact in this too, whatever the number of threads.

    Raises InputError if networks, inputs and masks do not fit together.
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
    mask = mask_of(networks, inputs[0], neuron_masks)
    backend = backend_for(first.backend, inputs, first.neuron_layer.model)
    result = run_sequence(backend, sequence_of(networks, inputs, mask))
    sent = result.sent if readout == "all" else result.final[0]
    layers = [n.output_linear for n in networks if n.output_linear is not None]
    return read_out(layers, sent, exact=backend == "cpu") if layers else sent


def prepare_replicas(
    networks: Sequence[Network], inputs: Tensor, readout: Literal["last", "all"]
) -> PreparedPass | None:
    """Training steps of R networks on inputs [R,B,T,I] like these, prepared once; None where nothing would be gained.

    That is backend "cpu" without dropout and silencing, where a step is short (see `_MOST_PREPARED`) and something of
    every recurrent layer is trained. The networks' parameters must keep their memory: an optimiser's steps and
    `load_state_dict` leave it, `Module.to` may not. Raises InputError if networks and inputs do not fit together.
    """
    first = _common(networks)
    checks.shape("inputs", inputs, (len(networks), "B", "T", first.in_size))
    checks.alike("inputs", inputs, next(first.parameters()))
    model = first.neuron_layer.model
    masked = first.dropout_prob > 0 or any(n.neuron_mask is not None for n in networks)
    large = len(networks) * inputs.shape[1:3].numel() * first.hidden_size > _MOST_PREPARED
    if masked or large or choose_backend(first.backend, inputs.device, inputs.dtype, model) != "cpu":
        return None
    tensors = [n.neuron_layer.tensors() for n in networks]
    if not all(t.is_contiguous() for each in tensors for t in each):
        return None
    if not all(any(t.requires_grad for t in each) for each in tensors):
        return None
    from glifr.engine.cpu.prepared import PreparedPass  # needs numba

    readouts = [(n.output_linear.weight, n.output_linear.bias) for n in networks if n.output_linear is not None]
    return PreparedPass(first.recurrence(), tensors, first.neuron_layer.views, readouts, inputs, readout)


def _common(networks: Sequence[Network]) -> Network:
    def described(n: Network) -> tuple[Hashable, ...]:
        sizes = (n.in_size, n.hidden_size, n.out_size, n.output_linear is None)
        model, constants, delay = n.recurrence()
        return (
            type(n).__name__,
            *sizes,
            n.dropout_prob,
            n.training,
            n.backend,
            model.name,
            id(model),
            constants,
            delay,
        )

    if not networks:
        raise InputError(Problem("there is no network to run", "networks", [], "one or more"))
    first = described(networks[0])
    for network in networks[1:]:
        if described(network) != first:
            raise InputError(
                Problem("networks computed as one must be alike", "networks", described(network), str(first))
            )
    return networks[0]
