"""The scans of backend "triton", as `blocked.py` takes them: they launch the kernels of `scan_triton.py`.

Launches are not tuned at run time: a size, such as that of the last batch of an epoch, never costs a compilation.

Dimensions: R replicas, B batch, T steps, W width (neurons, padded), J after-spike currents, D steps of a block, S steps
of a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from glifr.kernels.sequence import Constants, GLIFRParameters, GLIFRState
from glifr.kernels.scan import Saved
from glifr.kernels.scan_triton import backward_kernel, forward_kernel

_SEGMENT, _HELD = 8, 24  # steps of a segment at most; currents of a segment that registers hold beside the rest
_BLOCK, _SMALL_BLOCK = 128, 32  # elements of a program, one a thread
_MANY = 2**15  # elements from which programs of _BLOCK are enough to occupy every multiprocessor


def segment_steps(delay: int, steps: int, ascs: int) -> int:
    """S: at most 8, fewer with many currents; blocks of D steps are cut evenly, so that few computed steps are void."""
    block, most = min(delay, steps), max(1, min(_SEGMENT, _HELD // max(ascs, 1)))
    return -(-block // -(-block // most))


def _whole(name: str, tensor: Tensor) -> Tensor:
    """`tensor`, which is written in place; ValueError unless it is contiguous float32."""
    if not tensor.is_contiguous() or tensor.dtype != torch.float32:
        raise ValueError(f"{name} must be contiguous float32, not {tensor.dtype} with strides {tensor.stride()}")
    return tensor


def _own(tensor: Tensor) -> Tensor:
    return torch.clone(tensor, memory_format=torch.contiguous_format)


class _Launcher:
    """What both passes give their kernel, and the launch of a block."""

    def __init__(
        self,
        kernel: Any,
        parameters: GLIFRParameters,
        constants: Constants,
        mask: Tensor | None,
        shape: Sequence[int],
        delay: int,
    ) -> None:
        R, T, B, W = shape
        J, row = len(parameters.a), B * W
        self._kernel, self._delay, self._steps = kernel, delay, T
        self.segment = segment_steps(delay, T, J)
        block = _BLOCK if R * row >= _MANY else _SMALL_BLOCK
        self._grid = (-(-row // block), R)
        thresh, decay_m, decay_j, r, a = (p.contiguous() for p in parameters[2:])
        if mask is not None:
            mask = mask.to(torch.float32).expand(R, B, T, W)
        mask_r, mask_b, mask_t, mask_w = (0, 0, 0, 0) if mask is None else mask.stride()
        self._fixed: dict[str, Any] = {
            **{"thresh": thresh, "decay_m": decay_m, "decay_j": decay_j, "r": r, "a": a, "mask": mask},
            **{"reset_rate": constants.reset_rate, "sharpness": 1 / constants.sigma_v, "resistance": constants.R},
            **{"I0": constants.I0, "v_reset": constants.v_reset, "steps": T, "row": row, "width": W},
            **{"mask_r": mask_r, "mask_b": mask_b, "mask_t": mask_t, "mask_w": mask_w},
            **{"J": J, "S": self.segment, "BLOCK": block, "num_warps": block // 32, "enable_fp_fusion": True},
        }

    def give(self, **tensors: Tensor | None) -> None:
        self._fixed.update(tensors)

    def checkpoints(self, steps: int) -> int:
        """How often the currents are kept in so many steps: once a segment."""
        blocks, left = divmod(steps, self._delay)
        return blocks * -(-self._delay // self.segment) + -(-left // self.segment)

    def launch(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """One block. lateral: [R,n,B,W], of its first n steps."""
        count = 0 if lateral is None else lateral.shape[1]
        # Where there is none, the kernel has a tensor it does not read, so that it is the same kernel.
        whole = self._fixed["voltage"] if lateral is None else lateral.contiguous()
        # Triton launches on the current device, which may be another.
        with torch.cuda.device_of(whole):  # type: ignore[no-untyped-call]
            self._kernel[self._grid](
                **self._fixed,
                lateral=whole,
                lateral_steps=count,
                begin=begin,
                end=end,
                checkpoint=self.checkpoints(begin),
            )


class ForwardScan:
    """As `scan.ForwardScan`. What is kept are the currents before each segment of steps, [n,J,R,B,W]."""

    def __init__(
        self,
        parameters: GLIFRParameters,
        constants: Constants,
        start: GLIFRState,
        mask: Tensor | None,
        sequence: Sequence[Tensor],
        delay: int,
        keep: bool,
    ) -> None:
        voltage, firing = (_whole(name, t) for name, t in zip(("voltage", "firing"), sequence, strict=True))
        self.final = GLIFRState(*(_own(s) for s in start))
        self._launcher = _Launcher(forward_kernel, parameters, constants, mask, voltage.shape, delay)
        self.kept: tuple[Tensor, ...] = ()
        if keep and len(parameters.a):
            count = self._launcher.checkpoints(voltage.shape[1])
            self.kept = (voltage.new_empty((count, *start.ascurrents.shape)),)
        state = dict(zip(("f_state", "v_state", "asc_state"), self.final, strict=True))
        checkpoints = self.kept[0] if self.kept else None
        self._launcher.give(voltage=voltage, firing=firing, checkpoints=checkpoints, **state)

    def advance(self, begin: int, end: int, lateral: Tensor | None) -> None:
        self._launcher.launch(begin, end, lateral)


class BackwardScan:
    """As `scan.BackwardScan`."""

    def __init__(
        self,
        parameters: GLIFRParameters,
        constants: Constants,
        saved: Saved,
        synaptic: Tensor,
        upstream: Tensor | None,
        final: Sequence[Tensor | None],
        learned: bool,
    ) -> None:
        start, self._ascs = saved.start, len(parameters.a)
        like = (start.firing, start.voltage, start.ascurrents)
        own = [x.new_zeros(x.shape) if g is None else _own(g) for g, x in zip(final, like, strict=True)]
        self.g_firing, self.g_voltage, self.g_ascurrents = own
        self._sums = synaptic.new_zeros(2 + 3 * self._ascs, *start.voltage.shape) if learned else None
        self._launcher = _Launcher(backward_kernel, parameters, constants, saved.mask, synaptic.shape, saved.delay)
        self._launcher.give(
            voltage=_whole("voltage", saved.voltage),
            firing=_whole("firing", saved.firing),
            synaptic=_whole("synaptic", synaptic),
            upstream=None if upstream is None else upstream.contiguous(),
            checkpoints=saved.kept[0] if self._ascs else None,
            f_start=start.firing.contiguous(),
            v_start=start.voltage.contiguous(),
            g_firing=self.g_firing,
            g_voltage=self.g_voltage,
            g_ascurrents=self.g_ascurrents,
            sums=self._sums,
        )

    def retreat(self, begin: int, end: int, lateral: Tensor | None) -> None:
        self._launcher.launch(begin, end, lateral)

    def parameter_gradients(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None:
        if self._sums is None:
            return None
        total = self._sums.sum(2, keepdim=True)  # over samples
        first, second, third = (2 + n * self._ascs for n in range(3))
        return total[0], total[1], total[first:second], total[second:third], total[third:]
