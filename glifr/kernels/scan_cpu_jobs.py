"""The scans of backend "cpu", as `blocked.py` takes them: they give the compiled code of `scan_cpu.py` its jobs.

Shapes: R replicas, B batch (or a tile of it), T steps, W width (neurons, a multiple of 16), J after-spike currents.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from glifr.equations import Constants, GLIFRParameters, GLIFRState
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.memory import empty
from glifr.kernels.scan import Saved
from glifr.kernels.scan_cpu import CHUNK, SEGMENT, Job, build_backward, build_forward


class _Pass:
    """Runs one variant of compiled code, block after block, from one job."""

    def __init__(self, code: Any, sequence: Tensor, parameters: GLIFRParameters, constants: Constants) -> None:
        R, T, B, W = sequence.shape
        chunks = -(-B // CHUNK)
        scratch_size = (3 + 3 * len(parameters.a) + SEGMENT * len(parameters.a)) * W
        self._threads = threads_for(R * chunks)
        self._runner = Runner(code, Job._fields)
        self.set, self.point = self._runner.set, self._runner.point
        self.set(tasks=R * chunks, chunks=chunks, replicas=R, steps=T, batch=B, width=W, scratch_size=scratch_size)
        _, _, thresh, decay_m, decay_j, r, a = parameters
        self.point(thresh=thresh, decay_m=decay_m, decay_j=decay_j, r=r, a=a, constants=_numbers(constants))
        self._mask: Tensor | None = None
        self.point(scratch=sequence.new_empty(self._threads * scratch_size))

    def mask(self, mask: Tensor | None, like: Tensor) -> None:
        """mask: broadcastable to [R,B,T,W], where `like` is [R,T,B,W]."""
        if mask is None:
            return
        R, T, B, W = like.shape
        if mask.shape[3] != W or mask.stride(3) != 1:
            mask = mask.expand(*mask.shape[:3], W).contiguous()
        self._mask = mask
        strides = [4 * stride for stride in mask.expand(R, B, T, W).stride()]
        self.set(mask=mask.data_ptr(), mask_r=strides[0], mask_b=strides[1], mask_t=strides[2])

    def run(self, begin: int, end: int, lateral: Tensor | None, checkpoint: int) -> None:
        """One block. lateral: [R,n,B,W], of its first n steps."""
        lateral = None if lateral is None else lateral.contiguous()
        self.set(begin=begin, end=end, checkpoint=checkpoint, lateral_steps=0)
        if lateral is not None:
            self.set(lateral=lateral.data_ptr(), lateral_steps=lateral.shape[1])
        self._runner.run(self._threads)


@cache
def _numbers(c: Constants) -> Tensor:
    return torch.tensor([c.reset_rate, 1 / c.sigma_v, c.R, c.I0, c.v_reset], dtype=torch.float32)


def _checkpoints(steps: int, delay: int) -> int:
    """How often the currents are kept in so many steps: once a segment."""
    return steps // delay * -(-delay // SEGMENT) + -(-(steps % delay) // SEGMENT)


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
        voltage, firing = sequence
        ascs = len(parameters.a)
        self._delay = delay
        self.final = GLIFRState(*(torch.clone(s, memory_format=torch.contiguous_format) for s in start))
        keep = keep and ascs > 0
        self._pass = _Pass(compiled(build_forward, ascs, mask is not None, keep), voltage, parameters, constants)
        self.kept: tuple[Tensor, ...] = ()
        if keep:
            count = _checkpoints(voltage.shape[1], delay)
            self.kept = (empty((count, *start.ascurrents.shape), voltage),)
            self._pass.point(checkpoints=self.kept[0])
        self._pass.mask(mask, voltage)
        self._pass.point(voltage=voltage, firing=firing, state_firing=self.final.firing)
        self._pass.point(state_voltage=self.final.voltage, state_ascurrents=self.final.ascurrents)

    def advance(self, begin: int, end: int, lateral: Tensor | None) -> None:
        self._pass.run(begin, end, lateral, _checkpoints(begin, self._delay))


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
        ascs, (R, _, B, W) = len(parameters.a), synaptic.shape
        start = saved.start
        self._delay, self._ascs = saved.delay, ascs
        code = compiled(build_backward, ascs, saved.mask is not None, learned)
        self._pass = _Pass(code, synaptic, parameters, constants)
        self.g_firing, self.g_voltage, self.g_ascurrents = (
            x.new_zeros(x.shape) if g is None else torch.clone(g, memory_format=torch.contiguous_format)
            for g, x in zip(final, start, strict=True)
        )
        self._sums = synaptic.new_zeros(R, -(-B // CHUNK), 2 + 3 * ascs, W) if learned else None
        self._pass.mask(saved.mask, synaptic)
        self._pass.point(
            voltage=saved.voltage,
            firing=saved.firing,
            checkpoints=saved.kept[0] if saved.kept else None,
            state_firing=start.firing,
            state_voltage=start.voltage,
            upstream=upstream,
            synaptic=synaptic,
            g_firing=self.g_firing,
            g_voltage=self.g_voltage,
            g_ascurrents=self.g_ascurrents,
            sums=self._sums,
        )

    def retreat(self, begin: int, end: int, lateral: Tensor | None) -> None:
        self._pass.run(begin, end, lateral, _checkpoints(begin, self._delay))

    def parameter_gradients(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None:
        """Of thresh, dt k_m [R,1,W], dt k_j, r, a [J,R,1,W]; chunks are added in their order."""
        if self._sums is None:
            return None
        first, *rest = self._sums.unbind(1)
        total = first.clone()
        for chunk in rest:
            total += chunk
        R, _, W = total.shape
        currents = total[:, 2:].reshape(R, self._ascs, 3, W).permute(2, 1, 0, 3).unsqueeze(3)
        return total[:, :1], total[:, 1:2], currents[0], currents[1], currents[2]
