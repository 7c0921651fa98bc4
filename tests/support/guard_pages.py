"""Runs the compiled passes on arrays that end, or begin, at a page that nobody may touch.

A program of its own, since a touch kills it: `python tests/support/guard_pages.py end`, or `begin`.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import torch
from kernel_cases import BIASED, Case, outputs_and_gradients
from torch import Tensor

from glifr.kernels import cpu, jobs
from glifr.kernels.sizes_cpu import Packed, Sizes, Totals
from glifr.networks import BNNFC, LSTMFC, RNNFC, Network

_PAGE = mmap.PAGESIZE
_LIBC = ctypes.CDLL(None, use_errno=True)

CASES = [
    Case(steps=17, delay=5, hidden=20, batch=17, initial=True, history=True, mask="dropout"),
    Case(steps=16, delay=4, hidden=16, batch=16, ascs=0),
    Case(steps=9, delay=1, hidden=17, batch=5, ascs=1, replicas=2, shared_input=True, mask="neurons"),
    Case(steps=3, delay=50, hidden=5, batch=33, constants=BIASED, inputs=70),
]


class _Guarded:
    """A copy of a tensor's numbers with an untouchable page right after it, or right before."""

    def __init__(self, tensor: Tensor, end: bool) -> None:
        assert tensor.is_contiguous()
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

    def as_tensor(self) -> Tensor:
        """These guarded numbers, which stay as long as the tensor does."""
        if not self.size:
            return self.tensor
        numbers = (ctypes.c_float * self.tensor.numel()).from_address(self.address)
        numbers.owner = self  # type: ignore[attr-defined]
        return torch.frombuffer(numbers, dtype=torch.float32).view(self.tensor.shape)

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

    def guarded_run(self: Any) -> None:
        copies = self.__dict__.get("guarded", {}).values()
        for copy in copies:
            copy.take()
        run(self)
        for copy in copies:
            copy.give_back()

    jobs.Runner.point, jobs.Runner.run = guarded_point, guarded_run  # type: ignore[method-assign]
    guard_parameters(end)


def guard_parameters(end: bool) -> None:
    """The same for parameters, their gradients, and the totals that these come from: they are found by a table."""
    pack, unpack, new_empty = cpu.pack, cpu.unpack, Tensor.new_empty

    def guarded(tensor: Tensor) -> Tensor:
        return _Guarded(tensor.detach(), end).as_tensor()

    def guarded_pack(s: Sizes, parameters: Any, back: Any) -> tuple[Packed, jobs.Runner]:
        return pack(s, [guarded(p) for p in parameters], back)

    def guarded_unpack(s: Sizes, totals: Totals, others: Tensor, *rest: Any) -> Any:
        Tensor.new_empty = lambda *a, **k: guarded(new_empty(*a, **k))  # type: ignore[method-assign,assignment]
        try:
            copies = Totals(*(each if each is None else guarded(each) for each in totals))
            return unpack(s, copies, guarded(others), *rest)
        finally:
            Tensor.new_empty = new_empty  # type: ignore[method-assign]

    cpu.pack, cpu.unpack = guarded_pack, guarded_unpack  # type: ignore[attr-defined]


def train_once(network: Network, steps: int) -> list[Tensor]:
    outputs = network(torch.randn(19, steps, 3, generator=torch.Generator().manual_seed(1)))
    outputs.square().sum().backward()
    return [outputs.detach(), *(p.grad for p in network.parameters() if p.grad is not None)]


def everything() -> list[Tensor]:
    """All that the passes give, in an order that does not change."""
    found = [tensor for case in CASES for tensor in outputs_and_gradients(cpu.run, case, dtype=torch.float32)]
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
