"""Lower bound of a training step: its matrix products alone, at the best rate this device reached.

The rate is the best of two seconds' repetitions of a product of the size that a delay block has: by the device's own
library and, on a CPU, by the products of backend "cpu" too, with a scan of tanh units, on as many threads. What is
above the floor is the scan, memory and calls; the plain loop multiplies more, zeros too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.ceilings import operations_of_products
from benchmarks.speed.context import Context
from benchmarks.speed.timing import seconds_per_step, waiting
from glifr.engine.backends import available
from glifr.neurons import tanh

_ROWS, _SIDE = 2048, 256  # of a block of line MNIST
_SECONDS = 2.0


def measure(context: Context) -> None:
    """Writes `floors`: the operations of a step's products, and how many a second the device can do."""
    rate = product_rate(context.device)
    rows: list[dict[str, Any]] = [
        {"shape": s.key, "title": s.title, "operations": operations_of_products(s), "operations_per_second": rate}
        for s in context.shapes
    ]
    context.results.write("floors", rows)


def product_rate(device: torch.device) -> float:
    """Operations a second of [2048,256] times [256,256] in float32."""
    left, right = torch.randn(1, _ROWS, _SIDE, device=device), torch.randn(1, _SIDE, _SIDE, device=device)
    out, wait = torch.empty(_ROWS, _SIDE, device=device), waiting(device)
    ways: list[Callable[[], object]] = [lambda: torch.mm(left[0], right[0], out=out)]
    if device.type == "cpu" and available("cpu"):
        ways.append(_own_product(left, right[0]))
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        best = min([best, *(seconds_per_step(way, 10, wait) for way in ways)])
    return 2 * _ROWS * _SIDE * _SIDE / best


def _own_product(left: Tensor, right: Tensor) -> Callable[[], object]:
    """That of backend "cpu", as a step of tanh units makes it of its input."""
    from glifr.engine.cpu.blocks import PassBuffers, Sizes, Weights  # needs numba
    from glifr.engine.sequence import LayerTensors

    keep = learned = masked = False
    weights = Weights(Sizes(tanh(), 1, _ROWS, 1, _SIDE, _SIDE, 1, masked, learned, keep, stored=True))
    for place, tensor in weights.pairs(0, LayerTensors(right, right, ((torch.zeros(1, _SIDE),),))):
        place.copy_(tensor)
    whole, x = PassBuffers(weights, (), None), left.view(1, _ROWS, 1, _SIDE)
    return lambda: whole.forward(x, None)
