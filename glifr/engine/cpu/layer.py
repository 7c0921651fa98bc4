"""Engine "cpu": a layer's sequence as one autograd function around `PassBuffers`, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import pad

from glifr.engine.cpu.blocks import PassBuffers, Sizes, Wanted, Weights
from glifr.engine.definition import NeuronModel, Parameter, State, parts
from glifr.engine.derivatives import differentiable_gradients
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
    return SequenceResult(sent, model.State(*_joined(model.states, final, sent[:, :, -1])))


def _split(entry: Any, tensor: Tensor) -> list[Tensor]:
    return [tensor] if entry.count is None else list(tensor.unbind(0))


def _joined(entries: Sequence[State | Parameter], split: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """What `_split` made of each, as one tensor again. like: has the shape of a part."""
    left = iter(split)
    found = []
    for entry in entries:
        own = [next(left) for _ in parts(entry)]
        if entry.count is None:
            found.append(own[0])
        else:
            found.append(torch.stack(own) if own else like.new_empty(0, *like.shape))
    return found


def _sequence(work: _Work, mask: Tensor | None, tensors: Sequence[Any]) -> SequenceInput:
    """What `run` was given. tensors: as it hands them to `_Layer`."""
    (x, weight_in, weight_lat, history, *others), model = tensors, work.model
    count = sum(len(parts(p)) for p in model.parameters)
    parameters = model.Parameters(*_joined(model.parameters, others[:count], weight_lat[:, :1, : weight_lat.shape[1]]))
    states = others[count:]
    initial = model.State(*_joined(model.states, states, states[0])) if states else None
    constants = model.Constants(*work.constants)
    given = (x, weight_in, weight_lat, parameters, constants, work.delay, mask, initial, history, work.stored)
    return SequenceInput(model, *given)


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
            ctx.save_for_backward(mask, x, weight_in, weight_lat, history, *others)
            ctx.whole, ctx.x, ctx.history, ctx.count, ctx.work = whole, given, before, count, work
            ctx.set_materialize_grads(False)
        return (whole.sent[..., :hidden], *(each[..., :hidden] for each in final))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None, *final: Tensor | None) -> tuple[Tensor | None, ...]:
        whole, count = ctx.whole, ctx.count
        s, hidden = whole.sizes, whole.sizes.hidden
        needs = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            return _differentiable(ctx, [upstream, *final])
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


def _differentiable(ctx: Any, upstream: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """As `_Layer.backward`, with a graph."""
    mask, *tensors = ctx.saved_tensors
    states = ctx.work.model.states

    def outputs(result: SequenceResult) -> list[Tensor]:
        return [result.sent, *(part for s, t in zip(states, result.final, strict=True) for part in _split(s, t))]

    def build(own: Sequence[Tensor | None]) -> SequenceInput:
        return _sequence(ctx.work, mask, own)

    return None, None, *differentiable_gradients(build, outputs, tensors, ctx.needs_input_grad[2:], upstream)


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
