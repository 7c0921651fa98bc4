"""Engine "cpu": a layer's sequence as one autograd function around `PassBuffers`; float32, differentiable once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from glifr.engine.cpu.blocks import PassBuffers, Sizes, Wanted, Weights
from glifr.engine.definition import NeuronModel, parts
from glifr.engine.sequence import LayerTensors, SequenceInput, SequenceResult


class _Work(NamedTuple):
    model: NeuronModel
    constants: Sequence[float]
    delay: int
    keep: bool
    stored: bool


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a model that has a graph, float32, on the CPU."""
    model, initial = sequence.model, sequence.initial
    states = (
        [] if initial is None else [part for s, t in zip(model.states, initial, strict=True) for part in _split(s, t)]
    )
    parameters = [part for p, t in zip(model.parameters, sequence.parameters, strict=True) for part in _split(p, t)]
    tensors = [sequence.x, sequence.weight_in, sequence.weight_lat, sequence.history, *parameters, *states]
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    work = _Work(model, tuple(sequence.constants), sequence.delay, keep, sequence.stored)
    sent, *final = _Layer.apply(work, sequence.mask, *tensors)
    return SequenceResult(sent, model.State(*_joined(model, final)))


def _split(entry: Any, tensor: Tensor) -> list[Tensor]:
    return [tensor] if entry.count is None else list(tensor.unbind(0))


def _joined(model: NeuronModel, final: Sequence[Tensor]) -> list[Tensor]:
    """The state's parts as its tensors."""
    left = iter(final)
    found = []
    for state in model.states:
        own = [next(left) for _ in parts(state)]
        if state.count is None:
            found.append(own[0])
        else:
            found.append(torch.stack(own) if own else final[0].new_empty(0, *final[0].shape))
    return found


class _Layer(Function):
    """Gradients flow to x, weights, history, parameters and start; none to the mask."""

    @staticmethod
    def forward(
        ctx: Any,
        work: _Work,
        mask: Tensor | None,
        x: Tensor,
        weight_in: Tensor,
        weight_lat: Tensor,
        history: Tensor | None,
        *others: Tensor,
    ) -> tuple[Tensor, ...]:
        count = sum(len(parts(p)) for p in work.model.parameters)
        learned = work.keep and any(ctx.needs_input_grad[6 : 6 + count])
        replicas, hidden = weight_lat.shape[:2]
        (_, batch, steps, inputs), masked = x.shape, mask is not None
        s = Sizes(
            work.model, replicas, batch, steps, inputs, hidden, work.delay, masked, learned, work.keep, work.stored
        )
        weights = Weights(s, of_x=work.keep and ctx.needs_input_grad[2])
        for r in range(replicas):
            parameters = tuple((part[r],) for part in others[:count])
            for place, tensor in weights.pairs(r, LayerTensors(weight_in[r], weight_lat[r], parameters)):
                place.copy_(tensor)
        whole = PassBuffers(
            weights, work.constants, None if mask is None else _widen(mask.expand(*mask.shape[:3], hidden), s)
        )
        for row, start in zip(whole.start, others[count:], strict=False):
            row[..., :hidden].copy_(start)
        given, before = x.contiguous(), None if history is None else _widen(history, s).contiguous()
        whole.forward(given, before)
        final = whole.final
        if work.keep:
            ctx.save_for_backward(weight_in, weight_lat, *others)
            ctx.whole, ctx.x, ctx.history, ctx.count = whole, given, before, count
            ctx.set_materialize_grads(False)
        return (whole.sent[..., :hidden], *(each[..., :hidden] for each in final))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor | None, *final: Tensor | None) -> tuple[Tensor | None, ...]:
        whole, count = ctx.whole, ctx.count
        s, hidden = whole.sizes, whole.sizes.hidden
        needs = ctx.needs_input_grad[2:]
        whole.prepare_backward(Wanted(needs[0], needs[3], needs[1], needs[2]))
        whole.state.zero_()
        for row, gradient in zip(whole.state, final, strict=True):
            if gradient is not None:
                row[..., :hidden].copy_(gradient)
        g = whole.backward(ctx.x, ctx.history, None if upstream is None else _widen(upstream, s).contiguous())
        of_x = None if g.x is None else g.x[..., : s.inputs]
        if of_x is not None and len(ctx.x) != s.replicas:
            of_x = of_x.sum(0, keepdim=True)
        of_parameters = [row[:, None, :hidden] for row in g.parameters.unbind(1)] or [None] * count
        starts = [row[..., :hidden].clone() for row in g.start] if len(needs) > 4 + count else []
        return (
            *(None, None, of_x),
            _narrow(g.weight_in, s) if needs[1] else None,
            _narrow(g.weight_lat[:, :hidden], s) if needs[2] else None,
            None if g.history is None else g.history[..., :hidden],
            *of_parameters,
            *starts,
        )


def _widen(tensor: Tensor, s: Sizes) -> Tensor:
    """[*,H] -> [*,W], with numbers side by side."""
    if s.width != s.hidden:
        return pad(tensor, (0, s.width - s.hidden))
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _narrow(gradient: Tensor, s: Sizes) -> Tensor:
    """[R,K,G*W] -> [R,K,G*H]."""
    if s.width == s.hidden:
        return gradient
    return gradient.view(*gradient.shape[:2], s.model.gates, s.width)[..., : s.hidden].flatten(2)
