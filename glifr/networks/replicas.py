"""Networks of a recurrent layer of neurons and a readout; R of them as one computation of an engine.

y_t = h_t W_out + b_out, with h the firing (GLIFR) or hidden state (RNN, LSTM) after dropout and silencing.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.engine.backends import RUN, batches_exactly, choose_backend
from glifr.engine.definition import VOLTAGE
from glifr.engine.reference import Trace, trace
from glifr.engine.sequence import Recurrence, SequenceInput
from glifr.errors import InputError, Problem
from glifr.networks.base import (
    Activity,
    BaseNetwork,
    NeuronsAlone,
    Readout,
    forward_replicas,
    mask_of,
    stack,
    summed_currents,
)
from glifr.networks.layers import Layer
from glifr.parameters import start_weights

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass


# R B T H: in a longer step Python's part is small, and its memory is better not held while something else is computed
_MOST_PREPARED = 2**24


class Network(BaseNetwork):
    """A recurrent layer from zero state, and a linear readout of every step.

    neuron_layer, output_linear: the two layers; without `output_weight`, output_linear is None and the outputs are the
    H neurons themselves.
    """

    neuron_layer: Layer

    def __init__(
        self,
        sizes: tuple[int, int, int],
        dropout_prob: float,
        backend: str,
        output_weight: bool,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(sizes, dropout_prob, backend)
        self.output_linear = _readout(self.hidden_size, self.out_size, generator) if output_weight else None
        if not output_weight and self.out_size != self.hidden_size:
            raise InputError(
                Problem(
                    "without output weights the outputs are the neurons themselves",
                    "out_size",
                    self.out_size,
                    f"out_size = hid_size = {self.hidden_size}",
                )
            )

    @abstractmethod
    def recurrence(self) -> Recurrence:
        """The recurrent layer, beside its parameters: what networks must have in common to be computed as one."""

    @abstractmethod
    def tracked(self, trace: Trace) -> tuple[Tensor, ...]:
        """The states that are given to whoever tracks them, each [...,R,B,T,H]."""

    def traced(self, inputs: Tensor) -> Trace:
        """Every state on inputs [B,T,I], by the plain loop; R is 1."""
        return trace(_sequence([self], inputs.unsqueeze(0), mask_of([self], inputs)))

    @property
    def has_readout(self) -> bool:
        return self.output_linear is not None

    def isolated(self) -> NeuronsAlone | None:
        model, constants, _ = self.recurrence()
        if VOLTAGE not in model.State._fields or model.gates > 1:
            return None
        return NeuronsAlone(model, constants, self.neuron_layer.values(), self.dt, self.hidden_size)

    def batches_exactly(self, device: torch.device | str) -> bool:
        return batches_exactly(self.backend, device, self.neuron_layer.model)

    def recurrent_state(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.neuron_layer.state_dict(prefix="neuron_layer.")
        return found

    def activity(self, inputs: Tensor) -> Activity:
        kept = self.traced(inputs)
        currents = summed_currents(kept.states)
        return Activity(kept.states[0][0], None if currents is None else currents[0])

    def alike(self) -> tuple[Hashable, ...]:
        model, constants, delay = self.recurrence()
        return self.output_linear is None, model.name, id(model), constants, delay

    @classmethod
    def run(cls, networks: Sequence[Self], inputs: Tensor, mask: Tensor | None, readout: Readout) -> Tensor:
        first = networks[0]
        backend = choose_backend(first.backend, inputs.device, inputs.dtype, first.neuron_layer.model)
        result = RUN[backend](_sequence(networks, inputs, mask))
        return _read_out(networks, result.sent if readout == "all" else result.final[0], exact=backend == "cpu")

    @classmethod
    def prepare(cls, networks: Sequence[Self], inputs: Tensor, readout: Readout) -> PreparedPass | None:
        """Done by backend "cpu", without dropout and silencing, where a step is short (see `_MOST_PREPARED`) and
        something of every recurrent layer is trained.
        """
        first = networks[0]
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

    def forward(self, inputs: Tensor, track: bool = False) -> Tensor | tuple[Tensor, ...]:
        """Outputs [B,T,O] of inputs [B,T,I], from zero state.

        track=True returns the outputs and then every state: voltages, after-spike currents [J,B,T,H] and synaptic
        currents (GLIFR), pre-activations (RNN), h and c (LSTM), each [B,T,H] where not said otherwise. GLIFR states
        come from the reference backend, which keeps them. InputError if the inputs do not fit.
        """
        checks.shape("inputs", inputs, ("B", "T", self.in_size))
        if not track:
            return forward_replicas([self], inputs)[0]
        checks.alike("inputs", inputs, next(self.parameters()))
        kept = self.traced(inputs)
        outputs = _read_out([self], kept.states[0])
        return (outputs[0], *(state.select(-4, 0) for state in self.tracked(kept)))


def _sequence(networks: Sequence[Network], x: Tensor, mask: Tensor | None) -> SequenceInput:
    """The recurrent layers on x [R or 1,B,T,I] and mask, broadcastable to [R,B,T,H]. Each gets its own gradients."""
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
    return SequenceInput(model, x, weight_in, weight_lat, parameters, constants, delay, mask, stored=True)


def _read_out(networks: Sequence[Network], sent: Tensor, exact: bool = False) -> Tensor:
    """Outputs [R,B,T,O] or [R,B,O] of what neurons sent [R,B,T,H] or [R,B,H].

    exact: by engine "cpu", so that a replica has the bits that it has alone; differentiable once.
    """
    layers = [n.output_linear for n in networks if n.output_linear is not None]
    if not layers:
        return sent
    if exact:
        from glifr.engine.cpu.linear import linear  # needs numba

        rows = linear(sent.flatten(1, -2), [layer.weight for layer in layers], [layer.bias for layer in layers])
        return rows.view(*sent.shape[:-1], -1)
    weight, bias = stack([layer.weight for layer in layers]), stack([layer.bias for layer in layers])
    return torch.baddbmm(bias.unsqueeze(1), sent.flatten(1, -2), weight.transpose(1, 2)).view(*sent.shape[:-1], -1)


def _readout(hidden_size: int, out_size: int, generator: torch.Generator | None) -> nn.Linear:
    """torch's Linear with its default start, uniform in +-sqrt(1/H), drawn from `generator`: weight, then bias."""
    linear = nn.Linear(hidden_size, out_size, device="meta")  # draws nothing from the global generator
    linear.weight = nn.Parameter(start_weights((out_size, hidden_size), hidden_size, 1.0, generator))
    linear.bias = nn.Parameter(start_weights((out_size,), hidden_size, 1.0, generator))
    return linear
