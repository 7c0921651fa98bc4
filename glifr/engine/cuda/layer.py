"""Engine "triton": a layer's sequence as one autograd function of block products by torch (cuBLAS) and Triton scans.

Lateral input at t needs what was sent at t - D. So inside a block of D steps every synaptic input is known before the
block starts, from one matrix product. Backward runs the blocks from the last to the first; the gradient that lateral
input sends into a block is again one product. Weight gradients are one product each over all steps, at the end.

Float32. With TRITON_INTERPRET=1 in the environment Triton's interpreter runs the same kernels on
the CPU, slowly: for tests.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, G gates, D delay in steps, n elements of the state, P parts
of parameters. Memory is laid out [R,T,B,*], so that a block is one matrix [D*B,*] per replica without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from glifr.engine.cuda.launch import Scans, Sizes
from glifr.engine.definition import NeuronModel, Parameter, State, parts
from glifr.engine.derivatives import differentiable_gradients
from glifr.engine.layout import layout_of
from glifr.engine.sequence import SequenceInput, SequenceResult, start_of


class _Work(NamedTuple):
    """All that is no tensor. keep: whether a backward pass follows."""

    model: NeuronModel
    constants: tuple[float, ...]
    delay: int
    stored: bool
    keep: bool


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a model that has a graph, float32."""
    start = start_of(sequence)
    tensors = (sequence.history, sequence.x, sequence.weight_in, sequence.weight_lat, *sequence.parameters, *start)
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    work = _Work(sequence.model, tuple(sequence.constants), sequence.delay, sequence.stored, keep)
    sent, *final = _Layer.apply(work, sequence.mask, *tensors)
    return SequenceResult(sent, sequence.model.State(*final))


def _stacked(tensors: Sequence[Tensor], entries: Sequence[State | Parameter]) -> Tensor:
    """The parts of all entries, one after another, contiguous."""
    return torch.cat([t.unsqueeze(0) if e.count is None else t for t, e in zip(tensors, entries, strict=True)])


def _unstacked(whole: Tensor, entries: Sequence[State | Parameter]) -> list[Tensor]:
    """What `_stacked` makes one of."""
    each = torch.split(whole, [len(parts(e)) for e in entries])
    return [t[0] if e.count is None else t for t, e in zip(each, entries, strict=True)]


def _rows(block: Tensor) -> Tensor:
    """[R,t,B,K] -> [R,t*B,K] without a copy (a slice of steps stays contiguous within its replica)."""
    return block.flatten(1, 2)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """[R or 1,n,K] times [R or 1,K,N]."""
    return torch.mm(left[0], right[0]).unsqueeze(0) if len(left) == len(right) == 1 else torch.matmul(left, right)


def _add_product(target: Tensor, left: Tensor, right: Tensor) -> None:
    """target [R,n,N] += left [R,n,K] times right [R,K,N]."""
    if len(target) == 1:
        target[0].addmm_(left[0], right[0])
    else:
        target.baddbmm_(left, right)


class _Layer(Function):
    """Gradients flow to history, x, weights, parameters and start; none to the mask."""

    @staticmethod
    def forward(
        ctx: Any,
        work: _Work,
        mask: Tensor | None,
        history: Tensor | None,
        x: Tensor,
        weight_in: Tensor,
        weight_lat: Tensor,
        *others: Tensor,
    ) -> tuple[Tensor, ...]:
        model, delay, count = work.model, work.delay, len(work.model.parameters)
        replicas, hidden = weight_lat.shape[:2]
        sizes = Sizes(replicas, x.shape[1], x.shape[2], hidden, delay)
        learned = work.keep and any(ctx.needs_input_grad[6 : 6 + count])
        layout = layout_of(model, mask is not None, learned, work.stored)
        given = (history, x, weight_in, weight_lat, *others)
        x = x.transpose(1, 2).contiguous()
        history = None if history is None else history.transpose(1, 2).contiguous()
        values = _product(_rows(x), weight_in).view(replicas, *x.shape[1:3], -1)
        tensors = {
            **{"values": values, "sent": values.new_empty(*values.shape[:3], hidden)},
            **{"start": _stacked(others[count:], model.states)},
            **{"parameters": _stacked([t.squeeze(-2) for t in others[:count]], model.parameters)},
        }
        sent, scans = tensors["sent"], Scans(layout, sizes, work.constants, mask, work.keep, tensors)
        for begin in range(0, sizes.steps, delay):
            end = min(begin + delay, sizes.steps)
            before = sent[:, begin - delay : end - delay] if begin else history
            if before is not None:
                _add_product(_rows(values[:, begin:end]), _rows(before[:, : end - begin]), weight_lat)
            scans.forward(begin, end)
        final = scans.state.clone()
        final[0] = sent[:, -1]
        for element, gate in layout.plan.kept.items():
            final[layout.place[element]] = values[:, -1, :, gate * hidden : (gate + 1) * hidden]
        if work.keep:
            ctx.save_for_backward(mask, *given, values, sent)
            ctx.scans, ctx.work, ctx.sizes, ctx.learned, ctx.x, ctx.history = scans, work, sizes, learned, x, history
            ctx.set_materialize_grads(False)
        return (sent.transpose(1, 2), *_unstacked(final, model.states))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None, *final: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return _differentiable(ctx, [upstream, *final])
        (_, _, _, weight_in, weight_lat, *_, values, sent), history, x = ctx.saved_tensors, ctx.history, ctx.x
        model, sizes, wants = ctx.work.model, ctx.sizes, ctx.needs_input_grad[2:]
        count = len(model.parameters)
        g = torch.empty_like(values)
        carried = ctx.scans.prepare_backward(g, _gradients_of(final, model.states, sent))
        _scan_back(ctx.scans, sizes, g, None if upstream is None else _by_time(upstream), weight_lat.transpose(1, 2))
        of_history = _of_history(g, weight_lat, history) if wants[0] else None
        of_x = None
        if wants[1]:
            of_x = _product(_rows(g), weight_in.transpose(1, 2)).view(*values.shape[:3], -1).transpose(1, 2)
            of_x = of_x if len(x) == len(g) else of_x.sum(0, keepdim=True)
        of_in = _product(_rows(x).transpose(1, 2), _rows(g)) if wants[2] else None
        of_lat = _of_weight_lat(g, sent, history, sizes.delay) if wants[3] else None
        of_parameters: list[Tensor | None] = [None] * count
        if ctx.learned:
            found = ctx.scans.parameter_gradients().unsqueeze(-2)
            of_parameters = [*_unstacked(found, model.parameters)]
        return (None, None, of_history, of_x, of_in, of_lat, *of_parameters, *_unstacked(carried, model.states))


def _differentiable(ctx: Any, upstream: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """As `_Layer.backward`, with a graph."""
    (mask, *tensors), work = ctx.saved_tensors[:-2], ctx.work
    model, count = work.model, len(work.model.parameters)

    def build(own: Sequence[Any]) -> SequenceInput:
        history, x, weight_in, weight_lat, *others = own
        parameters, initial = model.Parameters(*others[:count]), model.State(*others[count:])
        constants = model.Constants(*work.constants)
        given = (parameters, constants, work.delay, mask, initial, history, work.stored)
        return SequenceInput(model, x, weight_in, weight_lat, *given)

    def outputs(result: SequenceResult) -> list[Tensor]:
        return [result.sent, *result.final]

    return None, None, *differentiable_gradients(build, outputs, tensors, ctx.needs_input_grad[2:], upstream)


def _by_time(upstream: Tensor) -> Tensor:
    """[R,B,T,H] -> [R,T,B,H], a copy that may be written to."""
    return upstream.transpose(1, 2).clone(memory_format=torch.contiguous_format)


def _gradients_of(final: Sequence[Tensor | None], states: Sequence[State], sent: Tensor) -> Tensor:
    """The gradient of the final state [n,R,B,H]."""
    shape = sent.select(1, 0).shape
    zeros = sent.new_zeros(shape)
    each = [
        g if g is not None else zeros if s.count is None else zeros.expand(s.count, *shape)
        for g, s in zip(final, states, strict=True)
    ]
    return _stacked(each, states)


def _scan_back(scans: Scans, s: Sizes, g: Tensor, upstream: Tensor | None, weight_back: Tensor) -> None:
    """All blocks, from the last. upstream: gradient of what was sent [R,T,B,H], written to."""
    for begin in reversed(range(0, s.steps, s.delay)):
        end = min(begin + s.delay, s.steps)
        sends = max(min(end, s.steps - s.delay) - begin, 0)  # so many first steps of the block send to later ones
        reaching = None if upstream is None else upstream[:, begin:end]
        if sends:
            later = _rows(g[:, begin + s.delay : begin + s.delay + sends])
            if reaching is None:
                reaching = _product(later, weight_back).view(s.replicas, sends, s.batch, -1)
            else:
                _add_product(_rows(reaching[:, :sends]), later, weight_back)
        scans.backward(begin, end, reaching)


def _of_weight_lat(g: Tensor, sent: Tensor, history: Tensor | None, delay: int) -> Tensor:
    found = sent.new_zeros(len(g), sent.shape[-1], g.shape[-1])
    if g.shape[1] > delay:
        _add_product(found, _rows(sent[:, :-delay]).transpose(1, 2), _rows(g[:, delay:]))
    if history is not None:
        first = min(delay, g.shape[1])
        _add_product(found, _rows(history[:, :first]).transpose(1, 2), _rows(g[:, :first]))
    return found


def _of_history(g: Tensor, weight_lat: Tensor, history: Tensor) -> Tensor:
    """[R,B,D,H]; zero where the sequence is shorter than the delay."""
    found, first = torch.zeros_like(history), min(history.shape[1], g.shape[1])
    flat = _product(_rows(g[:, :first]), weight_lat.transpose(1, 2))
    found[:, :first] = flat.view(len(g), first, g.shape[2], -1)
    return found.transpose(1, 2)
