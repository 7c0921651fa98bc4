"""On CUDA: what the scans and the products of a training step reach, against the chip's own measured ceilings.

The profiler gives the time of every kernel. Products are the library's matrix kernels, scans the kernels that are
neither those nor torch's own. Bytes and operations are what the algorithm needs at least, so the shares are from below.
Letters: B batch, T steps, I inputs, H neurons, O outputs, D delay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.speed.cases import Candidate, training_step
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import Shape
from benchmarks.speed.timing import seconds_per_step, waiting
from glifr.engine.backends import choose_backend

_PRODUCTS = re.compile(r"gemm|gemv|cutlass|cublas|nvjet|xmma|splitk", re.IGNORECASE)
_TORCHS = re.compile(r"at::native|^void |Memcpy|Memset|cub::|#", re.IGNORECASE)
_COPIED, _SIDE, _REPEATS, _STEPS = 2**31, 8192, 10, 5  # bytes of the large copy; side of the large product


def measure(context: Context) -> None:
    """Writes `ceilings`; for CUDA alone."""
    rows: list[dict[str, Any]] = []
    copied, multiplied = _copy_ceiling(context.device), _product_ceiling(context.device)
    for place, shape in enumerate(context.shapes):
        context.tick(place / len(context.shapes), shape.title)
        spent = _profiled(shape, context.device)
        if spent["scan"]:
            rows.append(_row(f"scans, {shape.title}", "GB/s", bytes_of_scans(shape) / spent["scan"], copied))
        if spent["product"]:
            achieved = operations_of_products(shape) / spent["product"]
            rows.append(_row(f"products, {shape.title}", "GFLOP/s", achieved, multiplied))
    context.results.write("ceilings", rows)


def _row(what: str, unit: str, achieved: float, ceiling: float) -> dict[str, Any]:
    return {"what": what, "unit": unit, "achieved": achieved / 1e9, "ceiling": ceiling / 1e9}


def bytes_of_scans(shape: Shape) -> int:
    """Forward: s and lateral read, v and f written. Backward: f, v, lateral and what reaches f read, g_s written."""
    B, T, H, delayed = shape.batch, shape.steps, shape.hidden, max(0, shape.steps - shape.delay)
    upstream = T if shape.readout == "all" else 0
    return 4 * B * H * (3 * T + delayed + 3 * T + delayed + upstream)


def operations_of_products(shape: Shape) -> int:
    """Forward, weight gradients and lateral gradient; the readout's forward and both its gradients."""
    B, T, I, H = shape.batch, shape.steps, shape.inputs, shape.hidden  # noqa: E741
    delayed, read = max(0, T - shape.delay), T if shape.readout == "all" else 1
    return 2 * B * (2 * T * I * H + 3 * delayed * H * H + 3 * read * H * shape.outputs)


def kind_of(kernel: str) -> str:
    """'product', 'scan' or 'other', by a CUDA kernel's name."""
    if _PRODUCTS.search(kernel):
        return "product"
    return "other" if _TORCHS.search(kernel) else "scan"


def seconds_by_kind(microseconds: Mapping[str, float], steps: int) -> dict[str, float]:
    """Seconds a step of each kind, from the time of each kernel over so many steps."""
    spent = {"product": 0.0, "scan": 0.0, "other": 0.0}
    for kernel, time in microseconds.items():
        spent[kind_of(kernel)] += time / 1e6 / steps
    return spent


def _profiled(shape: Shape, device: torch.device) -> dict[str, float]:
    step = training_step(shape, Candidate("profiled", "backend", choose_backend("auto", device)), device)
    for _ in range(_STEPS):
        step()
    torch.cuda.synchronize(device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(_STEPS):
            step()
        torch.cuda.synchronize(device)
    events = [event for event in profiler.key_averages() if not getattr(event, "is_user_annotation", False)]
    found = {event.key: float(event.self_device_time_total) for event in events}
    return seconds_by_kind(found, _STEPS)


def _copy_ceiling(device: torch.device) -> float:
    """Bytes a second of a large copy, read and written."""
    source = torch.empty(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED / _best(lambda: target.copy_(source), device)


def _product_ceiling(device: torch.device) -> float:
    """Operations a second of a large float32 product, as accurate as the networks' own."""
    left, right = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    return 2 * _SIDE**3 / _best(lambda: left @ right, device)


def _best(work: Any, device: torch.device) -> float:
    wait = waiting(device)
    return min(seconds_per_step(work, 1, wait) for _ in range(_REPEATS))
