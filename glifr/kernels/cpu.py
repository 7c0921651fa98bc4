"""Backend "cpu": the delay blocks over numba's scans, products one replica at a time, buffers used again.

Nothing it decides depends on threads or on the number of replicas, so a replica's bits are its own.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Literal

from glifr.kernels import blocked, memory, products
from glifr.kernels.passes import Engine
from glifr.kernels.sequence import SequenceInput, SequenceResult

_TILE, _LONG, _TILE_OF_LONG = 64, 256, 16  # samples in a tile; steps from which it is the smaller one


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


@cache
def engine(layer: Literal["glifr", "tanh", "lstm"]) -> Engine:
    """The scans of a layer, with what all layers share."""
    from glifr.kernels import scan_cpu_jobs, units_cpu, vectors  # numba takes a while to import, and may not be there

    forward, backward = {
        "glifr": (scan_cpu_jobs.ForwardScan, scan_cpu_jobs.BackwardScan),
        "tanh": (units_cpu.TanhForward, units_cpu.TanhBackward),
        "lstm": (units_cpu.LSTMForward, units_cpu.LSTMBackward),
    }[layer]
    return Engine(forward, backward, products.looped, memory.empty, _tile, vectors.LANES)


def _tile(sequence: SequenceInput) -> int:
    return _TILE if sequence.x.shape[2] < _LONG else _TILE_OF_LONG


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a GLIFR layer, float32; differentiable once."""
    return blocked.run(sequence, engine("glifr"))
