"""Runs the compiled passes on arrays that end, or begin, at a page that nobody may touch.

A program of its own, since a touch kills it: `python tests/support/guard_pages.py end`, or `begin`.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import torch
from engine_cases import EngineCase, outputs_and_gradients
from torch import Tensor

from glifr.engine.backends import RUN
from glifr.engine.cpu import jobs
from glifr.networks import BNNFC, LSTMFC, RNNFC, Network

_PAGE = mmap.PAGESIZE
_LIBC = ctypes.CDLL(None, use_errno=True)

CASES = [
    EngineCase("glifr 2", 17, 5, 1, 17, "dropout", initial=True, history=True, hidden=20),
    EngineCase("glifr 0", 16, 4, 1, 16, hidden=16),
    EngineCase("glifr 3", 9, 1, 2, 5, "neurons", shared_input=True, stored=True, hidden=17),
    EngineCase("two", 3, 50, 1, 33, inputs=70, hidden=5),
    EngineCase("adaptive", 40, 33, 1, 3, inputs=600, hidden=30),
    EngineCase("branching", 6, 2, 2, 9, "dropout", initial=True, hidden=31),
]


class _Guarded:
    """A copy of a tensor's numbers with an untouchable page right after it, or right before."""

    def __init__(self, tensor: Tensor, end: bool) -> None:
        span = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
        tensor = tensor.as_strided((span if tensor.numel() else 0,), (1,))  # a view may have gaps
        self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
        inner = -(-self.size // _PAGE) * _PAGE
        self._memory = mmap.mmap(-1, inner + 2 * _PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for page in (start, start + _PAGE + inner):
            if _LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(_PAGE), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.address = start + _PAGE + (inner - self.size if end else 0)
        self.take()

    def take(self) -> None:
        ctypes.memmove(self.address, self.tensor.data_ptr(), self.size)

    def give_back(self) -> None:
        ctypes.memmove(self.tensor.data_ptr(), self.address, self.size)


def guard(end: bool) -> None:
    """From now on every array that compiled code is pointed to is a guarded copy while the code runs."""
    point, run = jobs.Runner.point, jobs.Runner.run

    def guarded_point(self: Any, **tensors: Tensor | None) -> None:
        point(self, **tensors)
        for name, tensor in tensors.items():
            if tensor is not None:
                copies = self.__dict__.setdefault("guarded", {})  # two names may mean one array
                copy = copies.setdefault(tensor.data_ptr(), _Guarded(tensor, end))
                self.set(**{name: copy.address})

    def guarded_run(self: Any, threads: int) -> None:
        copies = self.__dict__.get("guarded", {}).values()
        for copy in copies:
            copy.take()
        run(self, threads)
        for copy in copies:
            copy.give_back()

    jobs.Runner.point, jobs.Runner.run = guarded_point, guarded_run  # type: ignore[method-assign]


def train_once(network: Network, steps: int) -> list[Tensor]:
    outputs = network(torch.randn(19, steps, 3, generator=torch.Generator().manual_seed(1)))
    outputs.square().sum().backward()
    return [outputs.detach(), *(p.grad for p in network.parameters() if p.grad is not None)]


def everything() -> list[Tensor]:
    """All that the passes give, in an order that does not change."""
    found = [tensor for case in CASES for tensor in outputs_and_gradients(RUN["cpu"], case, dtype=torch.float32)]
    for hidden in (16, 21):
        generator = torch.Generator().manual_seed(hidden)
        found += train_once(RNNFC(3, hidden, 4, delay=0.15, backend="cpu", generator=generator), 10)
        found += train_once(LSTMFC(3, hidden, 4, backend="cpu", generator=generator), 7)
        found += train_once(BNNFC(3, hidden, 17, delay=0.15, backend="cpu", generator=generator), 9)
        found += train_once(BNNFC(3, hidden, 16, ascs=False, delay=0.1, backend="cpu", generator=generator), 3)
    return found


def main(where: str) -> None:
    wanted = everything()
    guard(end=where == "end")
    assert all(torch.equal(f, w) for f, w in zip(everything(), wanted, strict=True))
    print("as before")


if __name__ == "__main__":
    main(sys.argv[1])
