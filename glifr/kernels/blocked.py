"""The sequence in blocks of D steps, with a hand-written backward: the fast plain-torch backend.

Lateral input at t needs firing only at t - D. So inside a block of D steps every synaptic input is known before the
block starts, from one matrix product; what is left per neuron and sample is a scalar recurrence (`scan.py`). Backward
runs the blocks from the last to the first; the gradient that lateral input sends into a block is again one product.
Weight gradients are one product each over all steps, at the end. For t < D the lateral product is zero and skipped.

Memory is laid out [R,T,B,H], so that a block is one matrix [D*B,H] per replica without a copy. Kept for backward are
firing, voltage (written over s) and after-spike currents, nothing where no gradient is needed. On the CPU the batch is
computed in tiles whose states fit the caches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from glifr.equations import GLIFRParameters, GLIFRState
from glifr.kernels.scan import BackwardScan, ForwardScan, Saved
from glifr.kernels.sequence import SequenceInput, SequenceResult, mask_at, start_of

_TILE = 2**17  # bytes per thread of one array [R,b,H]: a step works on some ten of them
_LEAST_TILE = 32  # samples; with fewer, calls cost more than caches save
_LEAST_TILED_DELAY = 4  # blocks of few steps need the whole batch for their matrix products to be efficient


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence; differentiable once."""
    results = [_run(tile) for tile in _tiles(sequence)]
    if len(results) == 1:
        return results[0]
    final = zip(*(r.final for r in results), strict=True)
    return SequenceResult(tuple(r.tiles[0] for r in results), GLIFRState(*(torch.cat(part, -2) for part in final)))


def _tiles(sequence: SequenceInput) -> list[SequenceInput]:
    """Parts of the batch whose states fit the CPU's caches; on other devices the batch is whole."""
    x, parameters, _, _, mask, initial, history = sequence
    batch, (replicas, _, hidden) = x.shape[1], parameters.weight_lat.shape
    tile = max(_TILE * torch.get_num_threads() // (replicas * hidden * x.element_size()), _LEAST_TILE)
    if x.device.type != "cpu" or batch <= tile or sequence.delay < _LEAST_TILED_DELAY:
        return [sequence]

    def part(tensor: Tensor, dim: int, begin: int) -> Tensor:
        return tensor if tensor.shape[dim] == 1 else tensor.narrow(dim, begin, min(tile, batch - begin))

    return [
        sequence._replace(
            x=part(x, 1, b),
            mask=None if mask is None else part(mask, 1, b),
            initial=initial and GLIFRState(*(part(state, -2, b) for state in initial)),
            history=None if history is None else part(history, 1, b),
        )
        for b in range(0, batch, tile)
    ]


def _run(sequence: SequenceInput) -> SequenceResult:
    start = start_of(sequence)
    history = None if sequence.history is None else sequence.history.transpose(1, 2).contiguous()
    arguments = (sequence.x, *sequence.parameters, *start, history)
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in arguments)
    firing, *final = _Blocked.apply(*arguments, sequence.mask, sequence.constants, sequence.delay, keep)
    return SequenceResult((firing.transpose(1, 2),), GLIFRState(*final))


def _rows(block: Tensor) -> Tensor:
    """[R,t,B,K] -> [R,t*B,K] without a copy (a slice of steps stays contiguous within its replica)."""
    return block.flatten(1, 2)


class _Blocked(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
        parameters = GLIFRParameters(*arguments[:7])
        start = GLIFRState(*arguments[7:10])
        history, mask, constants, delay, keep = arguments[10:]
        inputs = x.transpose(1, 2).contiguous()  # [R,T,B,I]
        steps = inputs.shape[1]
        replicas = parameters.weight_in.shape[0]
        product = torch.matmul(_rows(inputs), parameters.weight_in)  # [R,T*B,H]
        voltage = product.view(replicas, steps, inputs.shape[2], -1)  # holds s until the scan turns it into v
        firing = torch.empty_like(voltage)
        scan = ForwardScan(parameters, constants, start, steps, keep)
        masks = mask_at(mask, steps)
        for begin in range(0, steps, delay):
            end = min(begin + delay, steps)
            delayed = firing[:, begin - delay : end - delay] if begin else history
            if delayed is not None:
                lateral = torch.bmm(_rows(delayed[:, : end - begin]), parameters.weight_lat)
                _rows(voltage[:, begin:end]).add_(lateral)  # faster than baddbmm_
            scan.advance(voltage[:, begin:end], firing[:, begin:end], masks[begin:end])
        if keep:
            ctx.save_for_backward(inputs, firing, voltage, scan.ascurrents, history, mask, *parameters, *start)
            ctx.constants, ctx.delay = constants, delay
            ctx.set_materialize_grads(False)
        return firing, firing[:, -1].clone(), voltage[:, -1].clone(), scan.ascurrents[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, firing, voltage, ascurrents, history, mask = ctx.saved_tensors[:6]
        parameters, start = GLIFRParameters(*ctx.saved_tensors[6:13]), GLIFRState(*ctx.saved_tensors[13:])
        needs, delay = ctx.needs_input_grad, ctx.delay
        steps = firing.shape[1]
        saved = Saved(start, firing, voltage, ascurrents, mask_at(mask, steps))
        synaptic = torch.empty_like(voltage)
        scan = BackwardScan(
            parameters, ctx.constants, saved, synaptic, gradients[0], gradients[1:], learned=any(needs[3:8])
        )
        weight_back = parameters.weight_lat.transpose(1, 2)
        for begin in reversed(range(0, steps, delay)):
            end = min(begin + delay, steps)
            lateral_end = max(min(end, steps - delay), begin)  # later steps of the block fire into nothing
            if lateral_end > begin:
                later = synaptic[:, begin + delay : lateral_end + delay]
                torch.bmm(_rows(later), weight_back, out=_rows(synaptic[:, begin:lateral_end]))
            scan.retreat(begin, end, lateral_end)
        return (
            _input_gradient(synaptic, parameters.weight_in, inputs) if needs[0] else None,
            _summed_product(inputs, synaptic) if needs[1] else None,
            _lateral_weight_gradient(firing, synaptic, history, delay) if needs[2] else None,
            *(scan.parameter_gradients() or (None,) * 5),
            scan.g_firing,
            scan.g_voltage,
            scan.g_ascurrents,
            _history_gradient(synaptic, weight_back, history) if needs[11] else None,
            *(None,) * 4,
        )


def _summed_product(left: Tensor, right: Tensor) -> Tensor:
    """sum over steps and samples of left [R,t,B,K] times right [R,t,B,H]: [R,K,H]."""
    return torch.matmul(_rows(left).transpose(1, 2), _rows(right))


def _lateral_weight_gradient(firing: Tensor, synaptic: Tensor, history: Tensor | None, delay: int) -> Tensor:
    steps = firing.shape[1]
    gradient = torch.zeros_like(firing[:, 0, :1]).expand(-1, firing.shape[3], -1)
    if steps > delay:
        gradient = _summed_product(firing[:, :-delay], synaptic[:, delay:])
    if history is not None:
        first = min(delay, steps)
        gradient = gradient + _summed_product(history[:, :first], synaptic[:, :first])
    return gradient


def _input_gradient(synaptic: Tensor, weight_in: Tensor, inputs: Tensor) -> Tensor:
    """[R,B,T,I], or its sum over replicas [1,B,T,I] where they shared the input."""
    flat = torch.matmul(_rows(synaptic), weight_in.transpose(1, 2))
    gradient = flat.view(*synaptic.shape[:3], -1).transpose(1, 2)
    return gradient if len(inputs) == len(synaptic) else gradient.sum(0, keepdim=True)


def _history_gradient(synaptic: Tensor, weight_back: Tensor, history: Tensor) -> Tensor:
    """[R,D,B,H]; zero where the sequence is shorter than the delay."""
    gradient = torch.zeros_like(history)
    first = min(history.shape[1], synaptic.shape[1])
    gradient[:, :first] = torch.matmul(synaptic[:, :first], weight_back.unsqueeze(1))
    return gradient
