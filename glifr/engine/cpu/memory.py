"""Large float32 buffers that are used again, so that no step pays for fresh pages of memory.

They lie in huge pages where the system has them: a pass over some megabytes then leaves the processor its table of
pages, which else the Python between two passes has to fetch anew.

A buffer is handed out as a tensor, and comes back by itself once nothing refers to its memory any more: neither the
tensor, nor a view, nor a graph that has saved it. So a result may lie in one, and any number of forwards may precede a
backward. Sizes that are no longer asked for are let go as soon as another size is missing.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import weakref
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_LEAST = 2**16  # numbers; fewer are cheap to allocate
_PAGE = 2**21  # bytes of a huge page, and where one may begin
_LEAST_HUGE = 2**17  # numbers that are worth a page of their own
_LINE = 64  # bytes of a line of the cache: a vector that begins elsewhere costs two of them

_free: defaultdict[int, list[np.ndarray]] = defaultdict(list)


def empty(shape: Sequence[int], like: Tensor) -> Tensor:
    """An uninitialised contiguous tensor of that shape; from the free buffers where it is large, float32, on a CPU."""
    count = math.prod(shape)
    if count < _LEAST or like.dtype != torch.float32 or like.device.type != "cpu":
        return torch.empty(tuple(shape), dtype=like.dtype, device=like.device)
    try:
        buffer = _free[count].pop()
    except IndexError:
        _free.clear()
        buffer = _allocate(count)
    lease = buffer.view()  # dies with the last tensor on it
    weakref.finalize(lease, _give_back, buffer).atexit = False
    return torch.from_numpy(lease).view(tuple(shape))


def _give_back(buffer: np.ndarray) -> None:
    _free[buffer.size].append(buffer)


def _allocate(count: int) -> np.ndarray:
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None or count < _LEAST_HUGE:
        return _from(np.empty(count + _LINE // 4, dtype=np.float32), count, _LINE)
    pages = mmap.mmap(-1, -(-4 * count // _PAGE) * _PAGE + _PAGE)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        pages.madvise(advice)
    return _from(np.frombuffer(pages, dtype=np.float32), count, _PAGE)


def _from(whole: np.ndarray, count: int, place: int) -> np.ndarray:
    """So many numbers of it, from the first address on that is a multiple of `place` bytes."""
    begin = -whole.ctypes.data % place // 4
    return whole[begin : begin + count]
