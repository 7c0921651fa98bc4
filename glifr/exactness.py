"""Where a replica's bits are its own, whatever is computed beside it."""

from __future__ import annotations

import torch

from glifr.kernels import choose_backend


def batches_exactly(backend: str, device: torch.device | str) -> bool:
    """Whether a replica computed among others has the bits that it has alone.

    Vectorised kernels round the ends of an array differently, so of the backends on the CPU only "cpu" promises it; on
    CUDA none does. Raises InputError if `backend` cannot run on `device`.
    """
    return torch.device(device).type == "cpu" and choose_backend(backend, device) == "cpu"
