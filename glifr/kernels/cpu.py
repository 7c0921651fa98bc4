"""Backend "cpu": a layer's whole pass as one compiled function, forward and backward, as one autograd function.

As `blocked.py`, but that products and scans are one piece of code (`passes_cpu.py`, `scan_cpu.py`, `units_cpu.py`),
which takes a chunk of samples through all steps on one thread. Neurons are padded to whole vectors. Nothing it decides
depends on threads or on the number of replicas, so a replica's bits are its own.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, W width (the next multiple of 16), G gates per neuron (1 but
for the LSTM), J after-spike currents, D delay in steps.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from glifr.equations import Constants, GLIFRState, RNNParameters
from glifr.kernels.chunks_cpu import divide
from glifr.kernels.padding import narrow, narrow_gates, widen, widen_gates, widen_mask, widen_neurons, width_for
from glifr.kernels.sequence import SequenceInput, SequenceResult

if TYPE_CHECKING:
    from glifr.kernels.jobs_cpu import Gradients


Kind = Literal["glifr", "tanh", "lstm"]


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a GLIFR layer, float32; differentiable once."""
    layer = _Layer("glifr", sequence.delay, sequence.constants)
    start = sequence.initial or ()
    firing, *final = _run(layer, sequence.mask, sequence.history, sequence.x, *sequence.parameters, *start)
    return SequenceResult((firing,), GLIFRState(*final))


def run_units(
    kind: Literal["tanh", "lstm"], x: Tensor, p: RNNParameters, delay: int, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """h of the tanh network or the LSTM [R,B,T,H], and its last step [R,B,H]; float32.

    x: [R or 1,B,T,I]. p: [R,I,G*H], [R,H,G*H] and [R,1,G*H]. mask: broadcastable to [R,B,T,H]. Differentiable once.
    """
    hidden, last = _run(_Layer(kind, delay), mask, None, x, *p)
    return hidden, last


class _Layer(NamedTuple):
    """What is no tensor."""

    kind: Kind
    delay: int
    constants: Constants | None = None

    @property
    def parameters(self) -> int:
        return 7 if self.kind == "glifr" else 3


def _run(layer: _Layer, mask: Tensor | None, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    found: tuple[Tensor, ...] = _Compiled.apply(layer, keep, mask, *tensors)
    return found


class _Compiled(Function):
    """Gradients flow to history, x, parameters and start; none to the mask."""

    @staticmethod
    def forward(
        ctx: Any, layer: _Layer, keep: bool, mask: Tensor | None, history: Tensor | None, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        from glifr.kernels import jobs_cpu  # numba takes a while to import, and may not be there

        hidden = tensors[1].shape[1]
        width = width_for(hidden)
        weight_in, weight_lat = tensors[:2]
        work = jobs_cpu.Layer(
            layer.kind,
            hidden,
            divide(*x.shape[1:3], layer.delay),
            layer.constants,
            *_others(layer, tensors[2 : layer.parameters], hidden, width),
            x.contiguous(),
            None if history is None else widen(history, width).contiguous(),
            widen_mask(mask, hidden, width),
            [widen(state, width).contiguous() for state in tensors[layer.parameters :]],
        )
        passed, final = jobs_cpu.forward(work, weight_in, weight_lat, keep)
        if keep:
            ctx.save_for_backward(
                *(weight_in, weight_lat, *passed),
                *(work.neurons, work.bias, work.inputs, work.history, work.mask, *work.start),
            )
            ctx.layer, ctx.division = layer, work.division
            ctx.set_materialize_grads(False)
        return tuple(narrow(each, hidden, width) for each in (passed.firing, *final))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        from glifr.kernels import jobs_cpu

        layer = ctx.layer
        weight_in, weight_lat, values, firing, kept, neurons, bias, *arrays = ctx.saved_tensors
        (inputs, history, mask, *start), hidden = arrays, weight_lat.shape[1]
        work = jobs_cpu.Layer(
            layer.kind, hidden, ctx.division, layer.constants, neurons, bias, inputs, history, mask, start
        )
        width, needs = work.width, ctx.needs_input_grad[3:]
        upstream, *final = (None if g is None else widen(g, width).contiguous() for g in gradients)
        found = jobs_cpu.backward(
            work,
            weight_in,
            weight_lat,
            jobs_cpu.Passed(values, firing, kept),
            upstream,
            final,
            jobs_cpu.Wanted(needs[1], needs[0], needs[2], needs[3], any(needs[4 : 2 + layer.parameters])),
        )
        return (
            *(None, None, None),
            narrow(found.history, hidden, width),
            _shared(found.x, inputs.shape[0]),
            *_parameters(layer, found, hidden, width),
            *(narrow(state, hidden, width) for state in found.start[: len(start)]),
        )


def _others(layer: _Layer, tensors: Sequence[Tensor], hidden: int, width: int) -> tuple[Tensor | None, Tensor | None]:
    """Parameters beside the weights, of W neurons: of GLIFR neurons, or the bias."""
    if layer.kind == "glifr":
        return widen_neurons(tensors, width), None
    return None, widen_gates(tensors[0], hidden, width).contiguous()


def _parameters(layer: _Layer, found: Gradients, hidden: int, width: int) -> list[Tensor | None]:
    """Gradients in the order of the parameters: thresh, dt k_m [R,1,H] and dt k_j, r, a [J,R,1,H] after the weights."""
    lateral = None if found.weight_lat is None else found.weight_lat[:, :hidden]
    weights = [narrow_gates(found.weight_in, hidden, width), narrow_gates(lateral, hidden, width)]
    if found.others is None:
        return [*weights, *[None] * (layer.parameters - 2)]
    if layer.kind != "glifr":
        return [*weights, narrow_gates(found.others, hidden, width)]
    sums = narrow(found.others, hidden, width)
    currents = sums[:, 2:].unflatten(1, (-1, 3)).permute(2, 1, 0, 3).unsqueeze(3)
    return [*weights, sums[:, :1], sums[:, 1:2], *currents.unbind(0)]


def _shared(gradient: Tensor | None, replicas: int) -> Tensor | None:
    """Of x [R,B,T,I]: summed to [1,B,T,I] where replicas shared it."""
    return gradient if gradient is None or gradient.shape[0] == replicas else gradient.sum(0, keepdim=True)
