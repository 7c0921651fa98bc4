"""What all networks are: a recurrent layer, a readout, dropout and silencing.

y_t = h_t W_out + b_out, with h the firing (GLIFR) or hidden state (RNN, LSTM) after dropout and silencing.
Shapes: B batch, T steps, I inputs, H neurons, O outputs, D delay in steps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from glifr import checks
from glifr.engine.backends import backend_for, batches_exactly, choose_backend, run_sequence
from glifr.engine.definition import VOLTAGE
from glifr.engine.reference import Trace, trace
from glifr.engine.sequence import Recurrence
from glifr.errors import InputError, Problem
from glifr.networks.base import Activity, BaseNetwork, NeuronsAlone, When, mask_of, summed_currents
from glifr.networks.call import Call, compute
from glifr.networks.computing import sequence_of
from glifr.networks.layer import Layer
from glifr.networks.readout import Readout, read_out
from glifr.networks.state import NetworkState, zero_state

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass

# R B T H: in a longer step Python's part is small, and its memory is better not held while something else is computed
MOST_PREPARED = 2**24


class Network(BaseNetwork):
    """A recurrent layer and a linear readout of every step.

    Attributes:
        neuron_layer: The recurrent layer, whose hooks fire once per sequence.
        output_linear: The readout, likewise; None without `output_weight`, where the outputs are the H neurons
            themselves.
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
        self.output_linear = Readout(self.hidden_size, self.out_size, generator) if output_weight else None
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
        return trace(sequence_of([self], inputs.unsqueeze(0), mask_of([self], inputs)))

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
    def run(cls, networks: Sequence[Self], inputs: Tensor, mask: Tensor | None, readout: When) -> Tensor:
        first = networks[0]
        backend = backend_for(first.backend, inputs, first.neuron_layer.model)
        result = run_sequence(backend, sequence_of(networks, inputs, mask))
        sent = result.sent if readout == "all" else result.final[0]
        layers = [n.output_linear for n in networks if n.output_linear is not None]
        return read_out(layers, sent, exact=backend == "cpu") if layers else sent

    @classmethod
    def prepare(cls, networks: Sequence[Self], inputs: Tensor, readout: When) -> PreparedPass | None:
        """Prepares training steps, with backend "cpu", where a step is short (`MOST_PREPARED`); see `prepare_replicas`.

        Dropout and silencing rule it out, and something of every recurrent layer must be trained.
        """
        first = networks[0]
        model = first.neuron_layer.model
        masked = first.dropout_prob > 0 or any(n.neuron_mask is not None for n in networks)
        large = len(networks) * inputs.shape[1:3].numel() * first.hidden_size > MOST_PREPARED
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

    def _delay_words(self) -> list[str]:
        """The delay, as `extra_repr` shows it."""
        return []

    def zero_state(self, batch: int | None = None) -> NetworkState:
        """Where a sequence begins if no state is given; batch None: without a batch dimension."""
        batch = None if batch is None else checks.size("batch", batch, least=0)
        return zero_state(self.recurrence(), self.hidden_size, batch, next(self.neuron_layer.parameters()))

    def forward(
        self,
        inputs: Tensor,
        state: NetworkState | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        return_state: bool = False,
        track: bool = False,
    ) -> Any:
        """Computes the outputs of a sequence.

        Gradients of gradients, `torch.func` and `torch.export` use the portable engine; `torch.compile` leaves the
        network as it is. Under autocast the recurrent layer computes in its own number type, the readout as torch's
        Linear does.

        Args:
            inputs: [B,T,I], or [T,I] without a batch; B may be 0.
            state: Where the sequences begin, as a call with `return_state` returned it; zeros by default. A sequence
                computed in parts, each from the state after the one before, gives what the whole gives, and its
                gradients unless the state was detached: to the bit with backend "cpu" if cut at multiples of D (below
                512 inputs), to rounding otherwise.
            lengths: Steps of each sequence of a padded batch [B], from 0 to T. Outputs after a sequence's end are zero,
                its state is that at its end, and padding has no effect.
            return_state: Whether the state after the last step is returned too.
            track: Whether every state is returned too, as the plain loop computes it.

        Returns:
            The outputs [B,T,O], or [T,O] without a batch. With track=True then every state, each [B,T,H] unless said
            otherwise: voltages, after-spike currents [J,B,T,H] and synaptic currents (GLIFR), pre-activations (RNN), h
            and c (LSTM). With return_state=True the state last. A tuple if more than one.

        Raises:
            InputError: Inputs, state or lengths do not fit.
        """
        call = Call(inputs, state, lengths, return_state, track)
        if torch.compiler.is_dynamo_compiling():  # torch.compile, or torch.export with strict=True, which is refused
            from glifr.networks.uncompiled import compute_uncompiled  # imports what else nobody needs

            return compute_uncompiled(self, call)
        return compute(self, call)

    def extra_repr(self) -> str:
        found = [f"{self.in_size}, {self.hidden_size}, {self.out_size}", *self._delay_words()]
        found.append(f"backend={self.backend!r}")
        if self.dropout_prob:
            found.append(f"dropout_prob={self.dropout_prob:g}")
        if self.neuron_mask is not None:
            found.append(f"silenced={int((self.neuron_mask == 0).sum())} of {self.hidden_size}")
        return ", ".join(found)
