"""Backend "cpu": a network's whole pass in a few compiled functions, forward and backward, as one autograd function.

As `blocked.py`, but that products and scans are one piece of code (`passes_cpu.py`, `scan_cpu.py`, `units_cpu.py`),
which takes a chunk of samples through all steps on one thread. Parameters are read, and their gradients given, as the
network keeps them (`weights_cpu.py`); neurons are padded to whole vectors in between. Nothing it decides depends on
threads or on the number of replicas, so a replica's bits are its own. On x86 numbers below 1.2e-38 are zeros here
(`denormals_cpu.py`).

Shapes: R replicas, B batch, T steps, I inputs, H neurons, W width (the next multiple of 16), J after-spike currents, D
delay in steps, O outputs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from glifr.equations import Constants, GLIFRState
from glifr.kernels.chunks_cpu import Division, divide
from glifr.kernels.padding import narrow, widen, widen_mask
from glifr.kernels.sequence import Recurrence, SequenceInput, SequenceResult
from glifr.kernels.sizes_cpu import Back, Packed, Sizes, Totals, check
from glifr.kernels.weights_cpu import pack, unpack

if TYPE_CHECKING:
    from glifr.kernels.jobs_cpu import Layer, Passed, Wanted

Readout = Literal["none", "last", "all"]


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence of a GLIFR layer, float32; differentiable once."""
    parameters, replicas = sequence.parameters, sequence.parameters.weight_lat.shape[0]
    inputs, hidden = parameters.weight_in.shape[1:]
    sizes = Sizes("glifr", replicas, inputs, hidden, parameters.a.shape[0], 0, stored=False)
    each = zip(*(p.unbind(p.ndim - 3) for p in parameters), strict=True)
    work = _Work(sizes, sequence.delay, sequence.constants, "none")
    tensors = [p for replica in each for p in replica]
    firing, *final = _run(work, sequence.mask, sequence.history, sequence.x, tensors, sequence.initial or ())
    return SequenceResult((firing,), GLIFRState(*final))


Networks = Sequence[Sequence[Tensor]]  # the parameters of each, in the order of `weights_cpu.py`


def run_networks(
    recurrence: Recurrence,
    networks: Networks,
    x: Tensor,
    mask: Tensor | None,
    sizes: tuple[int, int, int],
    readout: Literal["last", "all"],
) -> Tensor:
    """Outputs [R,B,O] of the last step or [R,B,T,O] of all, of R networks from zero state; differentiable once.

    x: [R or 1,B,T,I]. mask: broadcastable to [R,B,T,H]. sizes: I, H and O. Raises InputError where a parameter is not
    what the sizes say.
    """
    inputs, hidden, outputs = sizes
    all_sizes = Sizes(recurrence.kind, len(networks), inputs, hidden, recurrence.ascs, outputs, stored=True)
    return _run_from_zero(_Work(all_sizes, recurrence.delay, recurrence.constants, readout), networks, x, mask)[0]


def run_hidden(
    recurrence: Recurrence, networks: Networks, x: Tensor, mask: Tensor | None, sizes: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """As `run_networks`, of recurrent layers alone: firing or h [R,B,T,H], its last step [R,B,H]; sizes: I, H."""
    all_sizes = Sizes(recurrence.kind, len(networks), *sizes, recurrence.ascs, 0, stored=True)
    work = _Work(all_sizes, recurrence.delay, recurrence.constants, "none")
    hidden, last, *_ = _run_from_zero(work, networks, x, mask)
    return hidden, last


def _run_from_zero(work: _Work, networks: Networks, x: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
    return _run(work, mask, None, x, [p for network in networks for p in network], ())


class _Work(NamedTuple):
    """What is no tensor. readout: without it firing is given, and the final state."""

    sizes: Sizes
    delay: int
    constants: Constants | None
    readout: Readout
    keep: bool = False


def _run(
    work: _Work,
    mask: Tensor | None,
    history: Tensor | None,
    x: Tensor,
    parameters: Sequence[Tensor],
    start: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    check(work.sizes, parameters)
    parameters = [p if p.is_contiguous() else p.contiguous() for p in parameters]
    tensors = [history, x, *parameters, *start]
    # Within a Function grad mode is off and needs_input_grad ignores no_grad, so what to keep is decided here.
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    found: tuple[Tensor, ...] = _Compiled.apply(work._replace(keep=keep), mask, *tensors)
    return found


class _Compiled(Function):
    """Gradients flow to history, x, parameters and start; none to the mask."""

    @staticmethod
    def forward(
        ctx: Any, work: _Work, mask: Tensor | None, history: Tensor | None, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        from glifr.kernels import jobs_cpu, readout_cpu  # numba takes a while to import, and may not be there

        s, keep = work.sizes, work.keep
        count, width = s.replicas * s.parameters, s.width
        back = Back(keep, keep and ctx.needs_input_grad[3], keep)
        packed, packing = pack(s, tensors[:count], back)
        layer = jobs_cpu.Layer(
            s,
            packed,
            divide(*x.shape[1:3], work.delay),
            work.constants,
            x.contiguous(),
            None if history is None else widen(history, width).contiguous(),
            widen_mask(mask, s.hidden, width),
            [widen(state, width).contiguous() for state in tensors[count:]],
        )
        passed, final, passing = jobs_cpu.forward(layer, keep)
        packing.run()
        passing.run()
        read = final[0] if work.readout == "last" else passed.firing
        if keep:
            ctx.save_for_backward(*_flat(layer, passed), read)
            ctx.work, ctx.division = work, layer.division
            ctx.shapes = [t.shape for t in tensors[:count]]
            ctx.set_materialize_grads(False)
        if work.readout == "none":
            return tuple(narrow(each, s.hidden, width) for each in (passed.firing, *final))
        outputs, reading = readout_cpu.forward(s, packed, read.flatten(1, -2))
        reading.run()
        return (outputs.view(*read.shape[:-1], s.outputs),)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        from glifr.kernels import jobs_cpu, readout_cpu

        work, (*saved, read) = ctx.work, ctx.saved_tensors
        s, (layer, passed) = work.sizes, _unflat(work, ctx.division, saved)
        needs_history, needs_x, *needs = ctx.needs_input_grad[2:]
        count, of_readout = s.replicas * s.parameters, None
        wanted = wanted_of(s, needs_x, needs_history, needs[:count])
        recurs = any(wanted) or any(needs[count:])
        upstream, final = None, list[Tensor | None]()
        if work.readout == "none":
            upstream, *final = (None if g is None else widen(g, s.width).contiguous() for g in gradients)
        else:
            assert gradients[0] is not None
            gradient = gradients[0].contiguous().flatten(1, -2)
            rows = read.flatten(1, -2)
            reaching, of_readout, reading = readout_cpu.backward(s, layer.packed, rows, gradient, recurs)
            reading.run()
            upstream, final = (None, [reaching]) if work.readout == "last" else (reaching, [])
        found = None
        if recurs:
            found, passing = jobs_cpu.backward(layer, passed, upstream, final, wanted)
            passing.run()
        totals = Totals(None if found is None else found.totals, of_readout)
        of_parameters, unpacking = unpack(s, totals, layer.packed.others, ctx.shapes, needs[:count])
        if unpacking is not None:
            unpacking.run()
        return (
            *(None, None),
            None if found is None else narrow(found.history, s.hidden, s.width),
            None if found is None else _shared(found.x, layer.inputs.shape[0]),
            *of_parameters,
            *(narrow(state, s.hidden, s.width) for state in (found.start if found else [])[: len(needs) - count]),
        )


def wanted_of(s: Sizes, x: bool, history: bool, parameters: Sequence[bool]) -> Wanted:
    """Whether any replica wants a gradient; replicas that do not are given none afterwards."""
    from glifr.kernels.jobs_cpu import Wanted

    each = [parameters[begin : begin + s.recurrent] for begin in range(0, len(parameters), s.parameters)]
    return Wanted(
        x, history, any(n[0] for n in each), any(n[1] for n in each), any(needed for n in each for needed in n[2:])
    )


def _flat(layer: Layer, passed: Passed) -> tuple[Tensor | None, ...]:
    return (*layer.packed, *passed, layer.inputs, layer.history, layer.mask, *layer.start)


def _unflat(work: _Work, division: Division, tensors: Sequence[Any]) -> tuple[Layer, Passed]:
    from glifr.kernels.jobs_cpu import Layer, Passed

    first, second = len(Packed._fields), len(Packed._fields) + len(Passed._fields)
    inputs, history, mask, *start = tensors[second:]
    packed, passed = Packed(*tensors[:first]), Passed(*tensors[first:second])
    return Layer(work.sizes, packed, division, work.constants, inputs, history, mask, start), passed


def _shared(gradient: Tensor | None, replicas: int) -> Tensor | None:
    """Of x [R,B,T,I]: summed to [1,B,T,I] where replicas shared it."""
    return gradient if gradient is None or gradient.shape[0] == replicas else gradient.sum(0, keepdim=True)
