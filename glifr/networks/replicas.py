"""What all networks are: a recurrent layer, a readout, dropout and silencing; and R of them as one computation.

y_t = h_t W_out + b_out, with h the firing (GLIFR) or hidden state (RNN, LSTM) after dropout and silencing.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.engine.backends import RUN, check_backend, choose_backend
from glifr.engine.reference import Trace, trace
from glifr.engine.sequence import Recurrence, SequenceInput
from glifr.errors import InputError, Problem
from glifr.networks.layers import Layer, stack
from glifr.parameters import start_weights

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass


# R B T H: in a longer step Python's part is small, and its memory is better not held while something else is computed
_MOST_PREPARED = 2**24


class Network(nn.Module):
    """A recurrent layer from zero state, and a linear readout of every step.

    neuron_layer, output_linear: the two layers; without `output_weight`, output_linear is None and the outputs are the
    H neurons themselves. dropout_generator: what dropout draws from in training mode, None for torch's global one.
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
        return trace(_sequence([self], inputs.unsqueeze(0), _mask([self], inputs, None)))

    def neuron_parameters(self) -> dict[str, Tensor]:
        """thresh, k_m [1,H] and k_j, r_j, a_j [J,1,H] in natural units (rates in 1/ms); {} for RNN and LSTM."""
        return {}

    def trained_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def silence(self, idx: Any) -> None:
        """Silences the neurons `idx` (integers, or booleans for all H) until the next call; none restores all.

        Raises InputError for an index outside 0 .. H-1 and for what is no index.
        """
        index = torch.as_tensor(idx).detach().cpu().flatten()
        if index.numel() == 0:
            self.neuron_mask = None
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
        self.neuron_mask = mask.to(like.device)

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
    mask = _mask(networks, inputs[0], neuron_masks)
    backend = choose_backend(first.backend, inputs.device, inputs.dtype, first.neuron_layer.model)
    result = RUN[backend](_sequence(networks, inputs, mask))
    return _read_out(networks, result.sent if readout == "all" else result.final[0], exact=backend == "cpu")


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

    read = [p for n in networks if n.output_linear is not None for p in n.output_linear.parameters()]
    views = first.neuron_layer.views
    return PreparedPass(
        first.recurrence(), tensors, views, partial(_read_out, networks, exact=True), read, inputs, readout
    )


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


def _mask(networks: Sequence[Network], inputs: Tensor, neuron_masks: Tensor | None) -> Tensor | None:
    """Silencing times dropout, broadcastable to [R,B,T,H], of inputs [B,T,I]; None where nothing is masked."""
    batch, steps = inputs.shape[:2]
    mask = None if neuron_masks is None else neuron_masks.to(inputs)[:, None, None]
    if any(n.neuron_mask is not None for n in networks):
        ones = inputs.new_ones(networks[0].hidden_size)
        own = stack([ones if n.neuron_mask is None else n.neuron_mask.to(inputs) for n in networks])[:, None, None]
        mask = own if mask is None else mask * own
    dropped = [d for d in (n.draw_dropout(steps, batch, inputs) for n in networks) if d is not None]
    if not dropped:
        return mask
    dropout = stack(dropped).transpose(1, 2)  # memory stays [R,T,B,H], as the kernels read it
    return dropout if mask is None else dropout * mask


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
