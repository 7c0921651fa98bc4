"""A training step recorded as a CUDA graph: one launch replays all its kernels."""

from __future__ import annotations

from collections.abc import Callable

from glifr.training.steps import CudaRecorder

_WARM = 3  # steps before the recording: lazy initialisation and autotuning must not be recorded


def recorded(step: Callable[[], None]) -> Callable[[], None]:
    """Replays `step`, whose tensors must all keep their places. RuntimeError if it cannot be recorded; CUDA only."""
    recorder = CudaRecorder()
    for _ in range(_WARM):
        recorder.warm_up(step)
    return recorder.record(step)
