"""A trial's share of a GPU. Ray counts shares but keeps none of them: the cap on memory is set here."""

from __future__ import annotations

import torch


def cap_gpu_memory(share: float) -> None:
    """Lets this process take at most `share` of its GPU's memory; 0 or 1 and more: no cap.

    What exceeds it then fails in the trial that took too much, not in its neighbours. CUDA's own context, some
    hundred MB a process, is not counted.
    """
    if 0 < share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)
