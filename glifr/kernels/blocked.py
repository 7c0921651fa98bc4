"""The sequence in blocks of D steps with a hand-written backward, as one autograd function over interchangeable scans.

What a pass computes: `passes.py`. Here a batch becomes tiles whose states fit the CPU's caches. All tiles are one node
of the graph, so that what they share is prepared once and their weight gradients are added here. Nothing is kept where
no gradient is needed. Backend "cpu" has a function of its own (`cpu.py`).

Shapes: R replicas, B batch, b a tile of it, T steps, I inputs, H neurons, D delay in steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from glifr.kernels.sequence import GLIFRParameters, GLIFRState
from glifr.kernels.passes import Engine, Layer, Passed, Tile, Wanted, backward, forward
from glifr.kernels.scan import BackwardScan, ForwardScan
from glifr.kernels.sequence import SequenceInput, SequenceResult, start_of

__all__ = ["PLAIN", "Engine", "cached_tile", "run", "run_layer"]

_TILE = 2**17  # bytes per thread of one array [R,b,H]: a step of the plain-torch scan works on some ten of them
_LEAST_TILE = 32  # samples; with fewer, calls cost more than caches save
_LEAST_TILED_DELAY = 4  # blocks of few steps need the whole batch for their matrix products to be efficient


def run(sequence: SequenceInput, engine: Engine | None = None) -> SequenceResult:
    """Runs a GLIFR sequence, by default in plain torch; differentiable once."""
    engine = PLAIN if engine is None else engine
    layer = Layer(GLIFRParameters, GLIFRState, sequence.constants, sequence.delay)
    start = sequence.initial or start_of(sequence)
    tiles, final = run_layer(
        layer,
        engine,
        engine.tile(sequence),
        (sequence.history, sequence.x, *sequence.parameters, *start),
        sequence.mask,
    )
    return SequenceResult(tiles, GLIFRState(*final))


def run_layer(
    layer: Layer, engine: Engine, tile: int, tensors: Sequence[Tensor | None], mask: Tensor | None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Firing of consecutive parts of the batch, each [R,b,T,H] in memory [R,T,b,H], and the final state.

    tile: samples in a part, on the CPU. tensors: history [R,B,D,H] or None, x [R or 1,B,T,I], parameters, start.
    """
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    batch, delay = tensors[1].shape[1], layer.delay  # type: ignore[union-attr]
    on_cpu = tensors[1].device.type == "cpu"  # type: ignore[union-attr]
    tile = tile if on_cpu and delay >= _LEAST_TILED_DELAY else batch
    results = _Blocked.apply(_Plan(layer, engine, tile, keep), mask, *tensors)
    parts = -(-batch // tile)
    return results[:parts], results[parts:]


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    if len(right) == 1 and out is None:
        return torch.mm(left[0], right[0]).unsqueeze(0)
    return torch.matmul(left, right) if out is None else torch.matmul(left, right, out=out)


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device=like.device)


def cached_tile(sequence: SequenceInput) -> int:
    """As many samples as the threads' caches hold."""
    replicas, _, hidden = sequence.parameters.weight_lat.shape
    return max(_TILE * torch.get_num_threads() // (replicas * hidden * sequence.x.element_size()), _LEAST_TILE)


PLAIN = Engine(ForwardScan, BackwardScan, _product, _empty, cached_tile)


class _Plan(NamedTuple):
    """All that is no tensor. tile: samples computed together."""

    layer: Layer
    engine: Engine
    tile: int
    keep: bool


class _Blocked(Function):
    """Gradients flow to history, x, parameters and start; none to the mask."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, mask: Tensor | None, history: Tensor | None, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        layer, count = plan.layer, len(plan.layer.parameters._fields)
        weight_in, weight_lat, *others = tensors[:count]
        # contiguous, as products may round by how their operands lie in memory
        parameters = layer.parameters(weight_in.contiguous(), weight_lat.contiguous(), *others)
        start = layer.start(*tensors[count:])
        whole = Tile(x.transpose(1, 2), _transposed(history), mask, start)
        tiles = _tiles(whole, plan.tile)
        passed, final = zip(*(forward(plan.engine, layer, parameters, t, plan.keep) for t in tiles), strict=True)
        if plan.keep:
            each = [_flat(*pair) for pair in zip(tiles, passed, strict=True)]
            ctx.save_for_backward(*parameters, *(tensor for tile in each for tensor in tile))
            ctx.plan, ctx.tiles = plan, len(tiles)
            ctx.set_materialize_grads(False)
        return (
            *(p.firing.transpose(1, 2) for p in passed),
            *(_join(state, -2) for state in zip(*final, strict=True)),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        layer, (_, _, *needs) = ctx.plan.layer, ctx.needs_input_grad
        count = len(layer.parameters._fields)
        parameters, saved = layer.parameters(*ctx.saved_tensors[:count]), ctx.saved_tensors[count:]
        size = len(saved) // ctx.tiles
        wanted = Wanted(needs[0], needs[1], needs[2], needs[3], any(needs[4 : 2 + count]))
        begin, found = 0, []
        for i in range(ctx.tiles):
            tile, passed = _unflat(layer, saved[i * size : (i + 1) * size])
            end = begin + passed.firing.shape[2]
            upstream = _transposed(gradients[i])
            upstream = None if upstream is None else upstream.contiguous()
            final = [g if g is None else _part(g, -2, begin, end) for g in gradients[ctx.tiles :]]
            found.append(backward(ctx.plan.engine, layer, parameters, tile, passed, upstream, final, wanted))
            begin = end
        history, x, *others = zip(*found, strict=True)
        totals = [_total(each) for each in others[:count]]
        return (
            None,
            None,
            _transposed(_join(history, 2)),
            _transposed(_join(x, 2)),
            *totals,
            *(_join(each, -2) for each in others[count:]),
        )


def _part(tensor: Tensor, dim: int, begin: int, end: int) -> Tensor:
    """Samples begin .. end-1, of a tensor that may be the same for all."""
    whole = tensor.shape[dim] == 1 or (begin == 0 and end >= tensor.shape[dim])
    return tensor if whole else tensor.narrow(dim, begin, end - begin)


def _tiles(whole: Tile, size: int) -> list[Tile]:
    """The batch in parts of `size` samples, inputs and history of each contiguous."""
    batch = whole.inputs.shape[2]
    tiles = []
    for begin in range(0, batch, size):
        end = min(begin + size, batch)
        history = None if whole.history is None else _part(whole.history, 2, begin, end).contiguous()
        mask = None if whole.mask is None else _part(whole.mask, 1, begin, end)
        start = type(whole.start)(*(_part(state, -2, begin, end) for state in whole.start))
        tiles.append(Tile(_part(whole.inputs, 2, begin, end).contiguous(), history, mask, start))
    return tiles


def _flat(tile: Tile, passed: Passed) -> tuple[Tensor | None, ...]:
    return (tile.inputs, tile.history, tile.mask, *tile.start, passed.firing, passed.voltage, *passed.kept)


def _unflat(layer: Layer, tensors: Sequence[Any]) -> tuple[Tile, Passed]:
    states = len(layer.start._fields)
    inputs, history, mask, *rest = tensors
    tile = Tile(inputs, history, mask, layer.start(*rest[:states]))
    return tile, Passed(rest[states], rest[states + 1], tuple(rest[states + 2 :]))


def _join(parts: Sequence[Tensor | None], dim: int) -> Any:
    """What was computed for each tile, as one; None where nothing was."""
    return parts[0] if len(parts) == 1 or parts[0] is None else torch.cat([p for p in parts if p is not None], dim)


def _total(parts: Sequence[Tensor | None]) -> Any:
    """The sum over tiles, in their order."""
    first, *rest = parts
    if first is None or not rest:
        return first
    total = first.clone()
    for part in rest:
        assert part is not None
        total += part
    return total


def _transposed(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.transpose(1, 2)
