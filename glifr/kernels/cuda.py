"""Backend "triton": the delay blocks over the Triton scans, products by torch (cuBLAS), the batch whole; float32.

With TRITON_INTERPRET=1 in the environment Triton's interpreter runs the same kernels on the CPU, slowly: for tests.
"""

from __future__ import annotations

import importlib.util
from functools import cache

from glifr.kernels import blocked
from glifr.kernels.passes import Engine
from glifr.kernels.sequence import SequenceInput, SequenceResult


@cache
def available() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Whether the kernels run on the CPU, in Triton's interpreter."""
    from glifr.kernels import scan_triton

    return scan_triton.INTERPRETED


@cache
def _engine() -> Engine:
    from glifr.kernels import scan_triton_launch  # Triton takes a while to import, and may not be there

    return blocked.PLAIN._replace(
        forward_scan=scan_triton_launch.ForwardScan, backward_scan=scan_triton_launch.BackwardScan, tile=_whole_batch
    )


def _whole_batch(sequence: SequenceInput) -> int:
    return sequence.x.shape[1]


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence, float32; differentiable once."""
    return blocked.run(sequence, _engine())
