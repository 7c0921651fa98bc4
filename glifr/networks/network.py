"""What all networks are: a recurrent layer, a readout, dropout and silencing.

y_t = h_t W_out + b_out, with h the firing (GLIFR) or hidden state (RNN, LSTM) after dropout and silencing.
Shapes: B batch, T steps, I inputs, H neurons, O outputs, D delay in steps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.engine.backends import check_backend
from glifr.engine.reference import Trace, trace
from glifr.engine.sequence import Recurrence
from glifr.errors import InputError, Problem
from glifr.networks.call import Call, compute
from glifr.networks.computing import mask_of, sequence_of
from glifr.networks.layer import Layer
from glifr.networks.readout import Readout
from glifr.networks.state import NetworkState, zero_state


class Network(nn.Module):
    """A recurrent layer and a linear readout of every step.

    neuron_layer, output_linear: the two layers, whose hooks fire once for a sequence; without `output_weight`,
    output_linear is None and the outputs are the H neurons themselves. dropout_generator: what dropout draws from in
    training mode, None for torch's global one.
    """

    neuron_layer: Layer
    neuron_mask: Tensor | None

    def __init__(
        self,
        sizes: tuple[int, int, int],
        dropout_prob: float,
        backend: str,
        output_weight: bool,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        names = ("in_size", "hid_size", "out_size")
        sizes = tuple(checks.size(name, n) for name, n in zip(names, sizes, strict=True))  # type: ignore[assignment]
        self.in_size, self.hidden_size, self.out_size = sizes
        self.dropout_prob = checks.probability("dropout_prob", dropout_prob)
        self.backend = check_backend(backend)
        self.dropout_generator: torch.Generator | None = None
        self.register_buffer("neuron_mask", None, persistent=False)
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
        return trace(sequence_of([self], inputs.unsqueeze(0), mask_of([self], inputs, None)))

    def neuron_parameters(self) -> dict[str, Tensor]:
        """thresh, k_m [1,H] and k_j, r_j, a_j [J,1,H] in natural units (rates in 1/ms); {} for RNN and LSTM."""
        return {}

    def _delay_words(self) -> list[str]:
        """The delay, as `extra_repr` shows it."""
        return []

    def trained_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def zero_state(self, batch: int | None = None) -> NetworkState:
        """Where a sequence begins if no state is given; batch None: without a batch dimension."""
        batch = None if batch is None else checks.size("batch", batch, least=0)
        return zero_state(self.recurrence(), self.hidden_size, batch, next(self.neuron_layer.parameters()))

    def silence(self, idx: Any, *, persistent: bool = False) -> None:
        """Silences the neurons `idx` (integers, or booleans for all H) until the next call; none restores all.

        persistent: whether `state_dict` has it, as "neuron_mask"; a network that loads one with it is silenced so.
        Raises InputError for an index outside 0 .. H-1 and for what is no index.
        """
        index = torch.as_tensor(idx).detach().cpu().flatten()
        if index.numel() == 0:
            self.register_buffer("neuron_mask", None, persistent=False)
            return
        problem = Problem("no such neurons", "idx", idx, f"integers from 0 to {self.hidden_size - 1}, or H booleans")
        if index.dtype == torch.bool:
            if len(index) != self.hidden_size:
                raise InputError(problem)
            index = index.nonzero().flatten()
        elif index.is_floating_point() or index.is_complex() or index.min() < 0 or index.max() >= self.hidden_size:
            raise InputError(problem)
        like = next(self.neuron_layer.parameters())
        mask = torch.ones(self.hidden_size, dtype=like.dtype)
        mask[index.long()] = 0
        self.register_buffer("neuron_mask", mask.to(like.device), persistent=persistent)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if f"{prefix}neuron_mask" in state_dict:
            mask = next(self.neuron_layer.parameters()).new_ones(self.hidden_size)
            self.register_buffer("neuron_mask", mask, persistent=True)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(
        self,
        inputs: Tensor,
        state: NetworkState | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        return_state: bool = False,
        track: bool = False,
    ) -> Any:
        """Outputs [B,T,O] of inputs [B,T,I], or [T,O] of [T,I]; B may be 0.

        state: where the sequences begin, as a call with `return_state` gave it; None for zeros. A sequence in parts,
        each from the state after the one before, gives what the whole gives, and its gradients unless the state was
        detached: cut at multiples of D, to the bit with backend "cpu"; elsewhere to rounding.
        lengths: the steps of each sequence of a padded batch [B], from 0 to T. Outputs after a sequence's end are
        zeros, its state is that at its end, and padding has no effect.

        Returns the outputs; with track=True then every state, each [B,T,H] where not said otherwise: voltages,
        after-spike currents [J,B,T,H] and synaptic currents (GLIFR), pre-activations (RNN), h and c (LSTM), as the
        plain loop computes them; with return_state=True last the state after the last step. A tuple if more than one.

        Gradients of gradients, `torch.func` and `torch.export` use the portable engine; `torch.compile` leaves the
        network as it is. Under autocast the recurrent layer computes in its own number type, the readout as torch's
        Linear.

        Raises InputError if inputs, state or lengths do not fit.
        """
        call = Call(inputs, state, lengths, return_state, track)
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            from glifr.networks.uncompiled import compute_uncompiled  # imports what else nobody needs

            return compute_uncompiled(self, call)
        return compute(self, call)

    def draw_dropout(self, steps: int, batch: int, like: Tensor) -> Tensor | None:
        """A mask [T,B,H] of 0 and 1/(1-p), drawn per step, sample and neuron; None where nothing is dropped."""
        p = self.dropout_prob
        if not self.training or p == 0:
            return None
        shape = (steps, batch, self.hidden_size)
        if p == 1:
            return like.new_zeros(shape)
        generator = self.dropout_generator
        device = like.device if generator is None else generator.device
        drawn = torch.rand(shape, generator=generator, device=device, dtype=torch.float32)
        return (drawn >= p).to(like.device, like.dtype).div_(1 - p)

    def extra_repr(self) -> str:
        found = [f"{self.in_size}, {self.hidden_size}, {self.out_size}", *self._delay_words()]
        found.append(f"backend={self.backend!r}")
        if self.dropout_prob:
            found.append(f"dropout_prob={self.dropout_prob:g}")
        if self.neuron_mask is not None:
            found.append(f"silenced={int((self.neuron_mask == 0).sum())} of {self.hidden_size}")
        return ", ".join(found)
