"""Engine "triton": block products by torch over scans that Triton compiles for CUDA, generated from a neuron's plan."""

from __future__ import annotations

from glifr.engine.cuda import cudnn
from glifr.engine.sequence import SequenceInput, SequenceResult


def interpreted() -> bool:
    """Whether kernels run on the CPU, in Triton's interpreter: with TRITON_INTERPRET=1 in the environment."""
    import triton

    return bool(triton.knobs.runtime.interpret)


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a model that has a graph, float32; differentiable once."""
    if cudnn.takes(sequence):
        return cudnn.run(sequence)
    from glifr.engine.cuda import layer  # Triton takes a while to import, and may not be there

    return layer.run(sequence)
