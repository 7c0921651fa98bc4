"""Launches the generated kernels of a neuron model, block by block, for a pass of one set of sizes.

A kernel is compiled once for a model, a segment's length and a program's size; no other size, such as that of the last
batch of an epoch, costs a compilation, and nothing is tuned at run time.

Shapes: R replicas, B batch, T steps, H neurons, G gates, D delay in steps, n elements of the state, F followed ones, P
parts of parameters.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from glifr.engine.cuda.codegen import held, kernels_of, rows, uniform
from glifr.engine.graph import evaluate
from glifr.engine.layout import Layout

_SEGMENT, _HELD = 8, 40  # steps of a segment at most; numbers of a segment that registers hold beside the rest
_FEW = 5  # with so many held, 128 registers are enough for a masked backward scan
BLOCK, SMALL_BLOCK = 128, 32  # elements of a program, one a thread
_MANY = 2**15  # elements from which programs of BLOCK are enough to occupy every multiprocessor


def kernels(layout: Layout) -> Mapping[str, Any]:
    """The model's kernels by name: compiled at their first launch, or interpreted where Triton is told so."""
    return _kernels(layout, triton.knobs.runtime.interpret)


@cache
def _kernels(layout: Layout, interpreted: bool) -> Mapping[str, Any]:
    text = kernels_of(layout)
    facts = "".join("NY"[fact] for fact in layout.facts)
    name = f"<kernels of {layout.plan.model.name} {layout.plan.model.digest[:16]} {facts}>"
    # Triton reads a function's source, which `inspect` finds here
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": f"{__name__}.generated"}
    exec(compile(text, name, "exec"), found)  # made from a graph of known operations
    return found


def segment_steps(delay: int, steps: int, held: int) -> int:
    """S: at most 8, fewer where much is held for each; blocks of D steps are cut evenly, so that few steps are void."""
    block, most = min(delay, steps), max(1, min(_SEGMENT, _HELD // max(held, 1)))
    return -(-block // -(-block // most))


@cache
def segment(layout: Layout, delay: int, steps: int) -> int:
    """S of a model."""
    return segment_steps(delay, steps, held(layout))


def options(layout: Layout, name: str, block: int) -> dict[str, Any]:
    """How a kernel is compiled for programs of so many elements.

    The compiler's own choice of registers leaves some masked backward scans 8 bytes short, which it spills.
    """
    found = {"num_warps": block // 32, "enable_fp_fusion": True}
    if name == "backward_kernel" and layout.plan.masked:
        found["maxnreg"] = 128 if held(layout) <= _FEW else 168
    return found


class Sizes(NamedTuple):
    """Of a pass."""

    replicas: int
    batch: int
    steps: int
    hidden: int
    delay: int


class Scans:
    """The scans of one pass. Tensors that are written must be contiguous float32.

    values: synaptic input [R,T,B,G*H], which becomes slots; sent [R,T,B,H]; start [n,R,B,H]; parameters [P,R,H].
    """

    def __init__(
        self,
        layout: Layout,
        sizes: Sizes,
        constants: Sequence[float],
        mask: Tensor | None,
        keep: bool,
        tensors: Mapping[str, Tensor],
    ) -> None:
        s, self._kernels, self._layout = sizes, kernels(layout), layout
        row, values, followed = s.batch * s.hidden, tensors["values"], len(layout.plan.followed)
        for name in ("values", "sent"):
            _whole(name, tensors[name])
        self.segment = segment(layout, s.delay, s.steps)
        block = BLOCK if s.replicas * row >= _MANY else SMALL_BLOCK
        self._grid = (-(-row // block), s.replicas)
        self._block_size = block
        self._per_block = -(-min(s.delay, s.steps) // self.segment) * followed * s.replicas * row  # numbers kept
        blocks = -(-s.steps // s.delay) if keep else 0
        kept = values.new_empty(max(blocks * self._per_block, 1))
        self._sizes, self._keep, self._kept = s, keep, kept
        self.state = tensors["start"].clone()
        self.coefficients = values.new_empty(s.replicas, len(rows(layout)), s.hidden)
        self._given: dict[str, Any] = {
            **{name: tensors[name] for name in ("values", "sent", "start")},
            **{"state": self.state, "coefficients": self.coefficients, "kept": kept},
            **{"steps": s.steps, "batch": s.batch, "width": s.hidden},
            **_uniform(layout, constants),
        }
        if mask is not None:
            mask = mask.to(torch.float32).expand(s.replicas, s.batch, s.steps, s.hidden)
            names = (f"mask_{axis}" for axis in "rbth")
            self._given |= {"mask": mask, **dict(zip(names, mask.stride(), strict=True))}
        if len(rows(layout)):
            named = dict(zip((c.name for c in layout.plan.model.constants), constants, strict=True))
            given = {"parameters": tensors["parameters"], "coefficients": self.coefficients, "width": s.hidden}
            self._launch("coefficients_kernel", (-(-s.hidden // block), s.replicas), **given, **named)

    def _launch(self, name: str, grid: tuple[int, int], **arguments: Any) -> None:
        # Triton launches on the current device, which may be another.
        with torch.cuda.device_of(self.coefficients):  # type: ignore[no-untyped-call]
            self._kernels[name][grid](
                **arguments, BLOCK=self._block_size, **options(self._layout, name, self._block_size)
            )

    def _block(self, begin: int, end: int) -> dict[str, Any]:
        kept = (
            self._kept[begin // self._sizes.delay * self._per_block :] if self._keep and self._per_block else self._kept
        )
        return {**self._given, "begin": begin, "end": end, "kept": kept, "S": self.segment}

    def forward(self, begin: int, end: int) -> None:
        """The block of these steps, whose synaptic input is whole."""
        self._launch("forward_kernel", self._grid, **self._block(begin, end), KEEP=self._keep)

    def prepare_backward(self, gradient: Tensor, final: Tensor) -> Tensor:
        """What `backward` leaves the gradient of the start in: `final`, that of the last state [n,R,B,H].

        gradient: of the synaptic input, written [R,T,B,G*H].
        """
        count = len(self._layout.learned_parts)
        self._sums = gradient.new_zeros(count, *final.shape[1:])
        self._given |= {"gradient": _whole("gradient", gradient), "state": _whole("final", final), "sums": self._sums}
        return final

    def backward(self, begin: int, end: int, reaching: Tensor | None) -> None:
        """The block of these steps. reaching: gradient of what its first n steps sent [R,n,B,H]."""
        count = 0 if reaching is None else reaching.shape[1]
        place = self._sums if reaching is None else reaching  # where there is none, a tensor that is not read
        more = {"reaching": place, "reaching_r": place.stride(0), "reached": count}
        self._launch("backward_kernel", self._grid, **self._block(begin, end), **more)

    def parameter_gradients(self) -> Tensor:
        """[P,R,H], after `backward`: summed over samples in a fixed order."""
        total, slopes = self._sums.sum(2), self._layout.slopes
        return total * self.coefficients[:, -slopes:].transpose(0, 1) if slopes else total


def _whole(name: str, tensor: Tensor) -> Tensor:
    """`tensor`, which is written in place; ValueError unless it is contiguous float32."""
    if not tensor.is_contiguous() or tensor.dtype != torch.float32:
        raise ValueError(f"{name} must be contiguous float32, not {tensor.dtype} with strides {tensor.stride()}")
    return tensor


def _uniform(layout: Layout, constants: Sequence[float]) -> dict[str, float]:
    """What is made of constants alone, as the kernels are given it."""
    numbers = {
        c.name: torch.tensor(value, dtype=torch.float64)
        for c, value in zip(layout.plan.model.constants, constants, strict=True)
    }
    values = evaluate(uniform(layout), lambda which: numbers[which.name], torch.zeros((), dtype=torch.float64))
    return {f"u{n}": float(value) for n, value in enumerate(values)}
