"""Gives the compiled code of backend "cpu" its jobs: what is allocated, where it lies, what came out.

Shapes as in `cpu.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from glifr.equations import Constants
from glifr.kernels import scan_cpu, units_cpu
from glifr.kernels.chunks_cpu import Division
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.engine.cpu.memory import empty
from glifr.kernels.padding import LANES, width_for
from glifr.kernels.places_cpu import Job
from glifr.kernels.sizes_cpu import Packed, Sizes

_STATES = ("firing", "voltage", "ascurrents")


class Layer(NamedTuple):
    """What a pass needs. constants: GLIFR's.

    inputs: [R or 1,B,T,I]. history [R,B,D,W]: firing of the D steps before. All contiguous.
    mask: broadcastable to [R,B,T,W]. start: firing, voltage [R,B,W] and after-spike currents [J,R,B,W], none for zeros.
    """

    sizes: Sizes
    packed: Packed
    division: Division
    constants: Constants | None
    inputs: Tensor
    history: Tensor | None
    mask: Tensor | None
    start: Sequence[Tensor]

    def states(self) -> list[Tensor]:
        """Uninitialised: firing; of GLIFR voltage and after-spike currents too."""
        state = (self.sizes.replicas, self.division.batch, self.sizes.width)
        shapes = [state, state, (self.sizes.ascs, *state)] if self.sizes.kind == "glifr" else [state]
        return [empty(shape, self.inputs) for shape in shapes]


class Passed(NamedTuple):
    """What a forward pass leaves: values [R,B,T,G*W] and firing [R,B,T,W], and what it kept."""

    values: Tensor
    firing: Tensor
    kept: Tensor | None


class Wanted(NamedTuple):
    """Which gradients the backward pass shall give."""

    x: bool
    history: bool
    weight_in: bool
    weight_lat: bool
    others: bool  # the neurons' parameters, or the bias


class Gradients(NamedTuple):
    """Of x [R,B,T,I], history [R,B,D,W], None where not wanted; of the parameters as in `Totals`; of the start."""

    x: Tensor | None
    history: Tensor | None
    totals: Tensor
    start: list[Tensor]


def forward(layer: Layer, keep: bool) -> tuple[Passed, list[Tensor], Runner]:
    """The pass, the state after its last step (of tanh network and LSTM h alone), and what computes them."""
    s = layer.sizes
    size = (s.replicas, *layer.inputs.shape[1:3])
    masked, state = layer.mask is not None, layer.states()
    values, kept = empty((*size, s.columns), layer.inputs), None
    firing = values if s.kind == "tanh" and not masked else empty((*size, s.width), layer.inputs)
    if s.kind == "lstm":
        kept = empty((*size, s.width) if keep else state[0].shape, layer.inputs)
    elif keep and s.ascs:
        kept = empty((layer.division.blocks, *state[2].shape), layer.inputs)
    if s.kind == "glifr":
        code = compiled(scan_cpu.build_forward, s.ascs, masked, keep)
    else:
        code = compiled(units_cpu.build_forward, s.kind == "lstm", masked, keep)
    threads = threads_for(s.replicas * layer.division.tasks)
    runner = _runner(code, layer, threads)
    runner.point(weight_in=layer.packed.weight_in, weight_lat=layer.packed.weight_lat)
    runner.point(values=values, firing=firing, kept=kept, **_named("state", state))
    runner.set(tasks=s.replicas * layer.division.groups * layer.division.chunks)
    return Passed(values, firing, kept), state, runner.on(threads)


def backward(
    layer: Layer, passed: Passed, upstream: Tensor | None, final: Sequence[Tensor | None], wanted: Wanted
) -> tuple[Gradients, Runner]:
    """The gradients, and what computes them.

    upstream: gradient of firing from outside [R,B,T,W], contiguous, or None. final: of the final state, or None.
    """
    s, division, inputs = layer.sizes, layer.division, layer.inputs
    if s.kind == "glifr":
        code = compiled(scan_cpu.build_backward, s.ascs, layer.mask is not None, wanted.others)
    else:
        code = compiled(units_cpu.build_backward, s.kind == "lstm", layer.mask is not None)
    total = (s.inputs + s.width) * s.columns + s.others
    totals = empty((division.groups, s.replicas, total), inputs)
    history = torch.zeros_like(layer.history) if layer.history is not None and wanted.history else None
    carries = layer.states()
    threads = threads_for(s.replicas * division.groups)
    runner = _runner(code, layer, threads, division.chunk * division.steps * s.columns)
    runner.point(weight_lat=layer.packed.lat_back)
    x = None
    if wanted.x:
        wide = width_for(s.inputs)
        x = empty((s.replicas, *inputs.shape[1:3], wide), inputs)
        runner.point(weight_in=layer.packed.in_back, g_x=x)
        runner.set(wide_inputs=wide)
    runner.set(total=total, learns_in=wanted.weight_in, learns_lat=wanted.weight_lat)
    if s.kind != "glifr" and wanted.others:
        runner.point(ones=_one())
    runner.point(values=passed.values, firing=passed.firing, kept=passed.kept, upstream=upstream)
    runner.point(totals=totals, g_history=history, **_named("state", carries), **_named("final", final))
    if s.kind == "lstm":
        runner.point(state_voltage=torch.empty_like(carries[0]))
    runner.set(tasks=s.replicas * division.groups)
    found = Gradients(None if x is None else x[..., : s.inputs], history, totals, carries)
    return found, runner.on(threads)


def _runner(code: Any, layer: Layer, threads: int, local: int = 0) -> Runner:
    """With what forward and backward passes have in common, beside the weights. local: a thread's scratch, more."""
    runner, division, s, inputs = Runner(code, Job._fields), layer.division, layer.sizes, layer.inputs
    scratch = (3 + 3 * s.ascs) * s.width + LANES * (1 + (division.block + 1) * (s.ascs + 1)) + local
    runner.set(
        replicas=s.replicas,
        steps=division.steps,
        batch=division.batch,
        inputs=s.inputs,
        width=s.width,
        columns=s.columns,
        delay=division.delay,
        block=division.block,
        stretch=division.stretch,
        chunk=division.chunk,
        groups=division.groups,
        chunks=division.chunks,
        scratch_size=scratch,
        x_replica=4 * inputs.stride(0) if inputs.shape[0] > 1 else 0,
    )
    runner.point(x=inputs, history=layer.history)
    runner.point(**{"neurons" if s.kind == "glifr" else "bias": layer.packed.others})
    runner.point(scratch=empty((threads * scratch,), inputs), **_named("start", layer.start))
    if layer.constants is not None:
        runner.point(constants=_numbers(layer.constants))
    if layer.mask is not None:
        _point_to_mask(runner, layer.mask, (s.replicas, division.batch, division.steps, s.width))
    return runner


def _named(which: str, states: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    return {f"{which}_{name}": state for name, state in zip(_STATES, states, strict=False)}


def _point_to_mask(runner: Runner, mask: Tensor, shape: tuple[int, ...]) -> None:
    """By its strides: it may be the same for all steps, samples or replicas."""
    if mask.shape[3] != shape[3] or mask.stride(3) != 1:
        mask = mask.expand(*mask.shape[:3], shape[3]).contiguous()
    strides = [4 * stride for stride in mask.expand(shape).stride()]
    runner.keep(mask=mask)
    runner.set(mask=mask.data_ptr(), mask_r=strides[0], mask_b=strides[1], mask_t=strides[2])


@cache
def _numbers(c: Constants) -> Tensor:
    return torch.tensor([c.reset_rate, 1 / c.sigma_v, c.R, c.I0, c.v_reset], dtype=torch.float32)


@cache
def _one() -> Tensor:
    return torch.ones(1, dtype=torch.float32)
