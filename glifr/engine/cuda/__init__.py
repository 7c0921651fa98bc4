"""Engine "triton": block products by torch over scans that Triton compiles for CUDA, generated from a neuron's plan."""

from __future__ import annotations

import importlib.util
from functools import cache

from glifr.engine.sequence import SequenceInput, SequenceResult


@cache
def available() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Whether kernels run on the CPU, in Triton's interpreter: with TRITON_INTERPRET=1 in the environment."""
    import triton

    return bool(triton.knobs.runtime.interpret)


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a model that has a graph, float32; differentiable once."""
    from glifr.engine.cuda import layer  # Triton takes a while to import, and may not be there

    return layer.run(sequence)
