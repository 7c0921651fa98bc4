"""One tile of the batch, block by block: the forward pass, and the backward pass by hand.

Lateral input at t needs firing only at t - D. So inside a block of D steps every synaptic input is known before the
block starts, from one matrix product; what is left couples no neurons and is the scan's. Backward runs the blocks from
the last to the first; the gradient that lateral input sends into a block is again one product. Weight gradients are one
product each over all steps, at the end. For t < D the lateral product is zero and skipped.

Kept for backward are firing, voltage (written over s) and what the scan needs beside. The gradient of s is one array
more, which the weight gradients read.

Shapes: R replicas, b samples of the tile, T steps, I inputs, H neurons, G gates per neuron (1 but for the LSTM), D
delay in steps. Memory is laid out [R,T,b,H], so that a block is one matrix [D*b,H] per replica without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from glifr.kernels.scan import Saved
from glifr.kernels.sequence import SequenceInput


class Engine(NamedTuple):
    """What a backend is made of.

    forward_scan, backward_scan: classes like those of `scan.py`. product: left [R or 1,n,K] times right [R,K,N],
    written to the third argument where it is given. empty: an uninitialised tensor of a shape, like another. tile: how
    many samples are computed together on the CPU.
    """

    forward_scan: Callable[..., Any]
    backward_scan: Callable[..., Any]
    product: Callable[..., Tensor]
    empty: Callable[[Sequence[int], Tensor], Tensor]
    tile: Callable[[SequenceInput], int]


class Layer(NamedTuple):
    """What is computed, beside tensors.

    parameters, start: the named tuples of its tensors; parameters begin with weight_in [R,I,G*H] and weight_lat
    [R,H,G*H]. constants: what all neurons share. overwrites: without a mask the scan writes firing over s.
    """

    parameters: Any
    start: Any
    constants: Any
    delay: int
    overwrites: bool = False


class Tile(NamedTuple):
    """Part of the batch."""

    inputs: Tensor  # [R or 1,T,b,I], contiguous
    history: Tensor | None  # [R,D,b,H]
    mask: Tensor | None  # broadcastable to [R,b,T,H]
    start: Any  # each [...,R,b,H]


class Passed(NamedTuple):
    """What a forward pass has left for the backward pass."""

    firing: Tensor  # [R,T,b,H]
    voltage: Tensor  # [R,T,b,G*H]
    kept: Sequence[Tensor]


class Wanted(NamedTuple):
    """Which gradients the backward pass shall compute, beside those of the start."""

    history: bool
    x: bool
    weight_in: bool
    weight_lat: bool
    neurons: bool


def forward(engine: Engine, layer: Layer, parameters: Any, tile: Tile, keep: bool) -> tuple[Passed, Any]:
    """The pass, and the state after its last step. keep: whether a backward pass will follow."""
    inputs, delay = tile.inputs, layer.delay
    steps, batch = inputs.shape[1:3]
    replicas, width, columns = parameters.weight_lat.shape
    voltage = engine.empty((replicas, steps, batch, columns), inputs)
    engine.product(_rows(inputs), parameters.weight_in, _rows(voltage))  # s, until the scan turns it into v
    overwritten = layer.overwrites and tile.mask is None
    firing = voltage if overwritten else engine.empty((replicas, steps, batch, width), inputs)
    scan = engine.forward_scan(parameters, layer.constants, tile.start, tile.mask, (voltage, firing), delay, keep)
    for begin in range(0, steps, delay):
        end = min(begin + delay, steps)
        delayed = firing[:, begin - delay : end - delay] if begin else tile.history
        lateral = None
        if delayed is not None:
            flat = engine.product(_rows(delayed[:, : end - begin]), parameters.weight_lat)
            lateral = flat.view(replicas, end - begin, batch, columns)
        scan.advance(begin, end, lateral)
    return Passed(firing, voltage, scan.kept), scan.final


def backward(
    engine: Engine,
    layer: Layer,
    parameters: Any,
    tile: Tile,
    passed: Passed,
    upstream: Tensor | None,
    final: Sequence[Tensor | None],
    wanted: Wanted,
) -> tuple[Tensor | None, ...]:
    """Gradients of history [R,D,b,H], x [R or 1,T,b,I], of each parameter and each state at the start.

    upstream: gradient of firing from outside [R,T,b,H], None for zeros. final: gradients of the final state, or None.
    """
    product, delay, steps = engine.product, layer.delay, passed.voltage.shape[1]
    synaptic = engine.empty(passed.voltage.shape, passed.voltage)
    saved = Saved(tile.start, passed.firing, passed.voltage, passed.kept, tile.mask, delay)
    scan = engine.backward_scan(parameters, layer.constants, saved, synaptic, upstream, final, learned=wanted.neurons)
    weight_back = parameters.weight_lat.transpose(1, 2)
    for begin in reversed(range(0, steps, delay)):
        end = min(begin + delay, steps)
        lateral, lateral_end = None, min(end, steps - delay)  # later steps of the block fire into nothing
        if lateral_end > begin:
            flat = product(_rows(synaptic[:, begin + delay : lateral_end + delay]), weight_back)
            lateral = flat.view(len(flat), lateral_end - begin, *passed.firing.shape[2:])
        scan.retreat(begin, end, lateral)
    history = tile.history
    neurons = scan.parameter_gradients() or (None,) * (len(parameters) - 2)
    return (
        _history_gradient(product, synaptic, weight_back, history) if history is not None and wanted.history else None,
        _input_gradient(product, synaptic, parameters.weight_in, tile.inputs) if wanted.x else None,
        _summed_product(product, tile.inputs, synaptic) if wanted.weight_in else None,
        _lateral_weight_gradient(product, passed.firing, synaptic, history, delay) if wanted.weight_lat else None,
        *neurons,
        *(getattr(scan, f"g_{state}") for state in layer.start._fields),
    )


_Product = Callable[..., Tensor]


def _rows(block: Tensor) -> Tensor:
    """[R,t,b,K] -> [R,t*b,K] without a copy (a slice of steps stays contiguous within its replica)."""
    return block.flatten(1, 2)


def _summed_product(product: _Product, left: Tensor, right: Tensor) -> Tensor:
    """sum over steps and samples of left [R or 1,t,b,K] times right [R,t,b,N]: [R,K,N]."""
    return product(_rows(left).transpose(1, 2), _rows(right))


def _lateral_weight_gradient(
    product: _Product, firing: Tensor, synaptic: Tensor, history: Tensor | None, delay: int
) -> Tensor:
    steps, gradient = firing.shape[1], None
    if steps > delay:
        gradient = _summed_product(product, firing[:, :-delay], synaptic[:, delay:])
    if history is not None:
        first = min(delay, steps)
        before = _summed_product(product, history[:, :first], synaptic[:, :first])
        gradient = before if gradient is None else gradient.add_(before)
    return firing.new_zeros(len(firing), firing.shape[3], synaptic.shape[3]) if gradient is None else gradient


def _input_gradient(product: _Product, synaptic: Tensor, weight_in: Tensor, inputs: Tensor) -> Tensor:
    """[R,T,b,I], or its sum over replicas [1,T,b,I] where they shared the input."""
    flat = product(_rows(synaptic), weight_in.transpose(1, 2))
    gradient = flat.view(*synaptic.shape[:3], -1)
    return gradient if len(inputs) == len(synaptic) else gradient.sum(0, keepdim=True)


def _history_gradient(product: _Product, synaptic: Tensor, weight_back: Tensor, history: Tensor) -> Tensor:
    """[R,D,b,H]; zero where the sequence is shorter than the delay."""
    gradient = torch.zeros_like(history)
    first = min(history.shape[1], synaptic.shape[1])
    flat = product(_rows(synaptic[:, :first]), weight_back)
    gradient[:, :first] = flat.view(gradient[:, :first].shape)
    return gradient
