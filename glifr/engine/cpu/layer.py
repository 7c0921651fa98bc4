"""Engine "cpu": a layer's sequence as one autograd function around `Pass`; float32, differentiable once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from glifr.engine.cpu.blocks import Pass, Sizes, Weights
from glifr.engine.definition import NeuronModel, parts
from glifr.engine.sequence import SequenceInput, SequenceResult


class _Work(NamedTuple):
    model: NeuronModel
    constants: Sequence[float]
    delay: int
    keep: bool


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a model that has a graph, float32, on the CPU."""
    model, initial = sequence.model, sequence.initial
    states = [] if initial is None else [part for s, t in zip(model.states, initial, strict=True) for part in _split(s, t)]
    parameters = [part for p, t in zip(model.parameters, sequence.parameters, strict=True) for part in _split(p, t)]
    tensors = [sequence.x, sequence.weight_in, sequence.weight_lat, sequence.history, *parameters, *states]
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    work = _Work(model, tuple(sequence.constants), sequence.delay, keep)
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
    def forward(  # noqa: PLR0913 - autograd takes tensors one by one
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
        s = Sizes(
            work.model, replicas, x.shape[1], x.shape[2], x.shape[3], hidden, work.delay, mask is not None, learned, work.keep
        )
        weights = Weights.for_sizes(s, count)
        weights.fill(s, weight_in, weight_lat, others[:count])
        whole = Pass(s, work.constants, weights)
        for row, start in zip(whole.start, others[count:], strict=False):
            row[..., :hidden].copy_(start)
        if mask is not None:
            wide = pad(mask.expand(*mask.shape[:3], hidden), (0, s.width - hidden))
            whole.mask(wide.contiguous() if mask.is_contiguous() else wide)
        by_time = _by_time(x, s)
        before = None if history is None else pad(history.transpose(1, 2), (0, s.width - hidden)).contiguous()
        whole.forward(by_time, before)
        final = whole.final
        if work.keep:
            ctx.save_for_backward(weight_in, weight_lat, *others)
            ctx.whole, ctx.x, ctx.history, ctx.count, ctx.shared = whole, by_time, before, count, x.shape[0] != replicas
            ctx.set_materialize_grads(False)
        return (whole.sent[..., :hidden].transpose(1, 2), *(each[..., :hidden] for each in final))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor | None, *final: Tensor | None) -> tuple[Tensor | None, ...]:
        whole, count = ctx.whole, ctx.count
        s, hidden = whole.sizes, whole.sizes.hidden
        whole.prepare_backward()
        whole.state.zero_()
        for row, gradient in zip(whole.state, final, strict=True):
            if gradient is not None:
                row[..., :hidden].copy_(gradient)
        reaching = None
        if upstream is not None:
            reaching = pad(upstream.transpose(1, 2), (0, s.width - hidden)).clone(memory_format=torch.contiguous_format)
        whole.backward(reaching)
        needs = ctx.needs_input_grad[2:]
        g = whole.gradients(ctx.x, ctx.history, (needs[1], needs[2], needs[0], needs[3]))
        of_x = None if g.x is None else g.x.transpose(1, 2)
        if of_x is not None and ctx.shared:
            of_x = of_x.sum(0, keepdim=True)
        of_parameters = [None] * count
        if g.parameters is not None:
            learned = {which: n for n, which in enumerate(whole.layout.learned_parts)}
            of_parameters = [g.parameters[learned[w]][:, None, :hidden] for w in whole.layout.parameters]  # type: ignore[misc]
        starts = [row[..., :hidden].clone() for row in g.start] if len(needs) > 4 + count else []
        return (
            *(None, None, of_x),
            _narrow(g.weight_in, s),
            None if g.weight_lat is None else _narrow(g.weight_lat[:, :hidden], s),
            None if g.history is None else g.history[..., :hidden].transpose(1, 2),
            *of_parameters,
            *starts,
        )


def _by_time(x: Tensor, s: Sizes) -> Tensor:
    """[R or 1,T,B,I], in that order in memory where a copy costs less than one of the synaptic input."""
    by_time = x.transpose(1, 2)
    return by_time.contiguous() if s.inputs <= s.columns else by_time


def _narrow(gradient: Tensor | None, s: Sizes) -> Tensor | None:
    """[R,K,G*W] -> [R,K,G*H]."""
    if gradient is None or s.width == s.hidden:
        return gradient
    return gradient.unflatten(2, (s.model.gates, s.width))[..., : s.hidden].flatten(2)
