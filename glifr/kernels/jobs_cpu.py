"""Gives the compiled code of backend "cpu" its jobs: what is allocated, where it lies, what came out.

Shapes as in `cpu.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from glifr.equations import Constants
from glifr.kernels import scan_cpu, units_cpu
from glifr.kernels.chunks_cpu import Division
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.memory import empty
from glifr.kernels.pack_cpu import Side, pack
from glifr.kernels.padding import LANES, width_for
from glifr.kernels.passes_cpu import SUMMED, build_sum
from glifr.kernels.places_cpu import Job

if TYPE_CHECKING:
    from glifr.kernels.cpu import Kind

_STATES = ("firing", "voltage", "ascurrents")


class Layer(NamedTuple):
    """What a pass needs beside its weights. neurons: [2+3J,R,W], GLIFR only: thresh, dt k_m, all dt k_j, all r, all a.

    constants: GLIFR's. bias [R,1,G*W]: of the others. inputs: [R or 1,B,T,I]. history [R,B,D,W]: firing of the D steps
    before. All contiguous.
    mask: broadcastable to [R,B,T,W]. start: firing, voltage [R,B,W] and after-spike currents [J,R,B,W], none for zeros.
    """

    kind: Kind
    hidden: int  # H
    division: Division
    constants: Constants | None
    neurons: Tensor | None
    bias: Tensor | None
    inputs: Tensor
    history: Tensor | None
    mask: Tensor | None
    start: Sequence[Tensor]

    @property
    def width(self) -> int:
        """W."""
        return width_for(self.hidden)

    @property
    def gates(self) -> int:
        """G."""
        return 4 if self.kind == "lstm" else 1

    @property
    def ascs(self) -> int:
        return 0 if self.neurons is None else (self.neurons.shape[0] - 2) // 3

    def states(self, replicas: int, width: int) -> list[Tensor]:
        """Uninitialised: firing; of GLIFR voltage and after-spike currents too."""
        state = (replicas, self.division.batch, width)
        shapes = [state, state, (self.ascs, *state)] if self.kind == "glifr" else [state]
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
    """Of x [R,B,T,I], history [R,B,D,W] and parameters, None where not wanted; of the start."""

    x: Tensor | None
    history: Tensor | None
    weight_in: Tensor | None
    weight_lat: Tensor | None
    others: (
        Tensor | None
    )  # of neurons [R,2+3J,W]: thresh, dt k_m, then dt k_j, r and a of each current; of bias [R,1,G*W]
    start: list[Tensor]


def forward(layer: Layer, weight_in: Tensor, weight_lat: Tensor, keep: bool) -> tuple[Passed, list[Tensor]]:
    """The pass with weight_in [R,I,G*H] and weight_lat [R,H,G*H]; and the state after its last step.

    Of the tanh network and the LSTM that is h alone.
    """
    replicas, width, gates = weight_lat.shape[0], layer.width, layer.gates
    size, columns, ascs = layer.inputs.shape[1:3], gates * width, layer.ascs
    values = empty((replicas, *size, columns), layer.inputs)
    shares = layer.kind == "tanh" and layer.mask is None
    firing = values if shares else empty((replicas, *size, width), layer.inputs)
    state, kept = layer.states(replicas, width), None
    if layer.kind == "lstm":
        kept = empty((replicas, *size, width) if keep else state[0].shape, layer.inputs)
    elif keep and ascs:
        kept = empty((layer.division.blocks, *state[2].shape), layer.inputs)
    masked = layer.mask is not None
    if layer.kind == "glifr":
        code = compiled(scan_cpu.build_forward, ascs, masked, keep)
    else:
        code = compiled(units_cpu.build_forward, layer.kind == "lstm", masked, keep)
    each_gate = Side(layer.hidden, width, gates)
    threads = threads_for(replicas * layer.division.tasks)
    runner = _runner(code, layer, replicas, threads)
    runner.point(weight_in=pack(weight_in, Side(weight_in.shape[1], weight_in.shape[1]), each_gate))
    runner.point(weight_lat=pack(weight_lat, Side(layer.hidden, width), each_gate))
    runner.point(values=values, firing=firing, kept=kept, **_named("state", state))
    runner.set(tasks=replicas * layer.division.groups * layer.division.chunks)
    runner.run(threads)
    return Passed(values, firing, kept), state


def backward(
    layer: Layer,
    weight_in: Tensor,
    weight_lat: Tensor,
    passed: Passed,
    upstream: Tensor | None,
    final: Sequence[Tensor | None],
    wanted: Wanted,
) -> Gradients:
    """upstream: gradient of firing from outside [R,B,T,W], contiguous, or None. final: of the final state, or None."""
    replicas, width, gates, ascs, division = weight_lat.shape[0], layer.width, layer.gates, layer.ascs, layer.division
    columns = gates * width
    if layer.kind == "glifr":
        code = compiled(scan_cpu.build_backward, ascs, layer.mask is not None, wanted.others)
    else:
        code = compiled(units_cpu.build_backward, layer.kind == "lstm", layer.mask is not None)
    others = columns if layer.neurons is None else (2 + 3 * ascs) * width
    sizes = [layer.inputs.shape[3] * columns, width * columns, others]
    totals = empty((division.groups, replicas, sum(sizes)), layer.inputs)
    history = torch.zeros_like(layer.history) if layer.history is not None and wanted.history else None
    carries = layer.states(replicas, width)
    threads = threads_for(replicas * division.groups)
    runner = _runner(code, layer, replicas, threads, division.chunk * division.steps * columns)
    each_gate, inputs = Side(layer.hidden, width, gates), layer.inputs.shape[3]
    runner.point(weight_lat=pack(weight_lat.transpose(1, 2), each_gate, Side(layer.hidden, width)))
    x = None
    if wanted.x:
        wide = width_for(inputs)
        x = empty((replicas, *layer.inputs.shape[1:3], wide), layer.inputs)
        runner.point(weight_in=pack(weight_in.transpose(1, 2), each_gate, Side(inputs, wide)), g_x=x)
        runner.set(wide_inputs=wide)
    runner.set(total=sum(sizes), learns_in=wanted.weight_in, learns_lat=wanted.weight_lat)
    if layer.bias is not None and wanted.others:
        runner.point(ones=layer.bias.new_ones(1))
    runner.point(values=passed.values, firing=passed.firing, kept=passed.kept, upstream=upstream)
    runner.point(totals=totals, g_history=history, **_named("state", carries), **_named("final", final))
    if layer.kind == "lstm":
        runner.point(state_voltage=torch.empty_like(carries[0]))
    runner.set(tasks=replicas * division.groups)
    runner.run(threads)
    g_in, g_lat, g_others = torch.split(_summed(totals), sizes, 1)
    return Gradients(
        None if x is None else x[..., :inputs],
        history,
        g_in.view(replicas, -1, columns) if wanted.weight_in else None,
        g_lat.view(replicas, width, columns) if wanted.weight_lat else None,
        g_others.view(replicas, -1, width if layer.bias is None else columns) if wanted.others else None,
        carries,
    )


def _runner(code: Any, layer: Layer, replicas: int, threads: int, local: int = 0) -> Runner:
    """With what forward and backward passes have in common, beside the weights. local: a thread's scratch, more."""
    runner, division, width = Runner(code, Job._fields), layer.division, layer.width
    scratch = (3 + 3 * layer.ascs) * width + LANES * (1 + (division.block + 1) * (layer.ascs + 1)) + local
    inputs = layer.inputs
    runner.set(
        replicas=replicas,
        steps=division.steps,
        batch=division.batch,
        inputs=inputs.shape[3],
        width=width,
        columns=layer.gates * width,
        delay=division.delay,
        block=division.block,
        stretch=division.stretch,
        chunk=division.chunk,
        groups=division.groups,
        chunks=division.chunks,
        scratch_size=scratch,
        x_replica=4 * inputs.stride(0) if inputs.shape[0] > 1 else 0,
    )
    runner.point(x=inputs, history=layer.history, neurons=layer.neurons, bias=layer.bias)
    runner.point(scratch=empty((threads * scratch,), inputs), **_named("start", layer.start))
    if layer.constants is not None:
        runner.point(constants=_numbers(layer.constants))
    if layer.mask is not None:
        _point_to_mask(runner, layer.mask, (replicas, division.batch, division.steps, width))
    return runner


def _named(which: str, states: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    return {f"{which}_{name}": state for name, state in zip(_STATES, states, strict=False)}


def _point_to_mask(runner: Runner, mask: Tensor, shape: tuple[int, ...]) -> None:
    """By its strides: it may be the same for all steps, samples or replicas."""
    if mask.shape[3] != shape[3] or mask.stride(3) != 1:
        mask = mask.expand(*mask.shape[:3], shape[3]).contiguous()
    strides = [4 * stride for stride in mask.expand(shape).stride()]
    runner.keep(mask)
    runner.set(mask=mask.data_ptr(), mask_r=strides[0], mask_b=strides[1], mask_t=strides[2])


@cache
def _numbers(c: Constants) -> Tensor:
    return torch.tensor([c.reset_rate, 1 / c.sigma_v, c.R, c.I0, c.v_reset], dtype=torch.float32)


def _summed(totals: Tensor) -> Tensor:
    """[groups,R,n] -> [R,n], added in the order of the groups."""
    groups, replicas, size = totals.shape
    if groups > 1:
        runner = Runner(compiled(build_sum), Job._fields)
        runner.set(groups=groups, replicas=replicas, total=size)
        runner.point(totals=totals)
        runner.run(threads_for(-(-4 * replicas * size // SUMMED)))
    return totals[0]
