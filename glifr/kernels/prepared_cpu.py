"""Training steps of backend "cpu" whose memory and jobs are made once: what autograd and Python cost is left out.

The jobs are those of `cpu.py`, with the same bits. Between two passes over some megabytes everything else is out of the
processor's caches, so even short Python costs milliseconds there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from glifr.kernels import jobs_cpu, readout_cpu
from glifr.kernels.chunks_cpu import divide
from glifr.kernels.cpu import wanted_of
from glifr.kernels.jobs import Runner
from glifr.kernels.sequence import Recurrence
from glifr.kernels.sizes_cpu import Back, Sizes, Totals, check
from glifr.kernels.weights_cpu import pack, unpack


class PreparedPass:
    """R networks from zero state, unmasked, forward and backward, for inputs of one shape.

    Parameters are read where they are, so they must keep their memory. parameters: of each network in turn, contiguous,
    as `cpu.run_networks` takes them; at least one of a recurrent layer is trained. x: an input of that shape
    [R or 1,B,T,I], contiguous. sizes: I, H and O, which is 0 without readout. Raises InputError where a parameter is
    not what the sizes say.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        networks: Sequence[Sequence[Tensor]],
        x: Tensor,
        sizes: tuple[int, int, int],
        readout: Literal["last", "all"],
    ) -> None:
        inputs, hidden, outputs = sizes
        s = Sizes(recurrence.kind, len(networks), inputs, hidden, recurrence.ascs, outputs, stored=True)
        self._parameters = [p for network in networks for p in network]
        check(s, self._parameters)
        packed, packing = pack(s, self._parameters, Back(weight_lat=True, weight_in=False, readout=True))
        division = divide(*x.shape[1:3], recurrence.delay)
        layer = jobs_cpu.Layer(s, packed, division, recurrence.constants, x, None, None, ())
        passed, final, self._advance = jobs_cpu.forward(layer, keep=True)
        read = final[0] if readout == "last" else passed.firing
        self._forward, self._backward = [packing, self._advance], list[Runner]()
        if not outputs:
            reaching, of_readout = read.new_zeros(read.shape), None  # [...,W], of which only H are written
            self._outputs, self._gradient = read[..., :hidden], reaching[..., :hidden]
        else:
            flat = read.flatten(1, -2)
            y, reading = readout_cpu.forward(s, packed, flat)
            gradient = read.new_empty((*flat.shape[:2], outputs))
            g_h, of_readout, going_back = readout_cpu.backward(s, packed, flat, gradient, needs_h=True)
            assert g_h is not None
            self._forward.append(reading)
            self._backward.append(going_back)
            reaching = g_h.view(read.shape)
            self._outputs = y.view(*read.shape[:-1], outputs)
            self._gradient = gradient.view(*read.shape[:-1], outputs)
        needs = [p.requires_grad for p in self._parameters]
        upstream, ends = (None, [reaching]) if readout == "last" else (reaching, [])
        found, self._retreat = jobs_cpu.backward(layer, passed, upstream, ends, wanted_of(s, False, False, needs))
        shapes, totals = [p.shape for p in self._parameters], Totals(found.totals, of_readout)
        self._gradients, unpacking = unpack(s, totals, packed.others, shapes, needs)
        assert unpacking is not None
        self._backward += [self._retreat, unpacking]
        self._like = x.shape, x.dtype, x.device

    def fits(self, x: Tensor) -> bool:
        """Whether `learn` takes it."""
        return (x.shape, x.dtype, x.device) == self._like

    def learn(self, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Sets the gradients of all parameters that have one, and returns losses and outputs.

        losses_of: outputs [R,B,O] or [R,B,T,O] -> losses, whose sum is differentiated. What is returned, and the
        gradients, lie in memory that the next call writes again.
        """
        x = x.contiguous()
        self._advance.point(x=x)
        self._retreat.point(x=x)
        for job in self._forward:
            job.run()
        outputs = self._outputs.detach().requires_grad_()
        losses = losses_of(outputs)
        (gradient,) = torch.autograd.grad(losses.sum(), outputs)
        self._gradient.copy_(gradient)
        for job in self._backward:
            job.run()
        for parameter, found in zip(self._parameters, self._gradients, strict=True):
            if found is not None:
                parameter.grad = found
        return losses.detach(), outputs.detach()
