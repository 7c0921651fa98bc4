"""Training steps of engine "cpu" whose memory and jobs are made once: the same functions as `layer.run`, no graph.

Between two passes over some megabytes everything else is out of the processor's caches, so even short Python costs
milliseconds there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from glifr.engine.cpu.blocks import Copies, PassBuffers, Sizes, Wanted, Weights
from glifr.engine.cpu.linear import LinearGradients, LinearProducts
from glifr.engine.sequence import LayerTensors, Recurrence


class PreparedPass:
    """R layers from zero state, unmasked, and their readouts, forward and backward, for inputs of one shape.

    Tensors are read where they are, so they must keep their memory. layers: of each replica its stored tensors, weights
    first; some of each are trained. views: makes `LayerTensors` of a layer's stored tensors. readouts: weight [O,H] and
    bias [O] of each replica; none where the neurons are the outputs. x: an input of that shape [R or 1,B,T,I]. readout:
    whether the last step is read or all are.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        layers: Sequence[Sequence[Tensor]],
        views: Callable[..., LayerTensors],
        readouts: Sequence[Sequence[Tensor]],
        x: Tensor,
        readout: Literal["last", "all"],
    ) -> None:
        model, own = recurrence.model, [views(*(t.detach() for t in layer)) for layer in layers]
        learned = any(t.requires_grad for layer in layers for t in layer[2:])
        (_, batch, steps, inputs), hidden = x.shape, own[0].weight_lat.shape[0]
        s = Sizes(
            model, len(layers), batch, steps, inputs, hidden, recurrence.delay, False, learned, keep=True, stored=True
        )
        weights = Weights(s)
        self._copied = Copies([pair for r, tensors in enumerate(own) for pair in weights.pairs(r, tensors)])
        self._added = [pair for r, tensors in enumerate(own) for pair in weights.sums(r, tensors)]
        self._pass = PassBuffers(weights, tuple(recurrence.constants), None)
        self._pass.prepare_backward(Wanted(False, False, *(any(t[n].requires_grad for t in layers) for n in (0, 1))))
        self._ends = _Ends(self._pass, readouts, readout)
        grads = [[torch.zeros_like(t) for t in layer] for layer in layers]
        targets = [views(*layer) for layer in grads]
        found = self._pass.gradients
        written = [pair for r, tensors in enumerate(targets) for pair in found.pairs(s, r, tensors)]
        each = [pair for ts, gs in zip(layers, grads, strict=True) for pair in zip(ts, gs, strict=True)]
        self._written = Copies([*written, *self._ends.written])
        self._parameters = [(t, g) for t, g in (*each, *self._ends.parameters) if t.requires_grad]
        self._like = x.shape, x.dtype, x.device

    def fits(self, x: Tensor) -> bool:
        """True if `learn` takes it."""
        return (x.shape, x.dtype, x.device) == self._like

    def learn(self, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Sets the gradients of all parameters that have one, and returns losses and outputs.

        losses_of: outputs [R,B,O] or [R,B,T,O] -> losses, whose sum is differentiated. Outputs and gradients lie in
        memory that the next call writes.
        """
        x = x.contiguous()
        self._copied.copy()
        for place, tensor in self._added:
            place.add_(tensor)
        self._pass.forward(x, None)
        self._ends.read()
        outputs = self._ends.outputs.detach().requires_grad_()
        losses = losses_of(outputs)
        (gradient,) = torch.autograd.grad(losses, outputs, torch.ones_like(losses))
        self._pass.state.zero_()
        self._ends.go_back(gradient)
        self._pass.backward(x, None, self._ends.upstream)
        self._written.copy()
        for parameter, found in self._parameters:
            parameter.grad = found
        return losses.detach(), outputs.detach()


class _Ends:
    """What is read of a pass, and where its gradient goes: `upstream`, or the last step's in the state.

    parameters: the readouts' tensors and their gradients. written: places in these, and what is to be copied there.
    """

    def __init__(
        self, whole: PassBuffers, readouts: Sequence[Sequence[Tensor]], readout: Literal["last", "all"]
    ) -> None:
        self.upstream = torch.zeros_like(whole.sent) if readout == "all" else None
        sent, back = whole.sent[:, :, -1], whole.state[0]
        if self.upstream is not None:
            sent, back = whole.sent, self.upstream
        rows = sent[..., : whole.sizes.hidden]
        self.outputs, self._gradient = rows, back[..., : whole.sizes.hidden]
        self.parameters, self.written = list[tuple[Tensor, Tensor]](), list[tuple[Tensor, Tensor]]()
        self._reading: LinearProducts | None = None
        self._returning: LinearGradients | None = None
        if readouts:
            self._prepare(rows, back, *zip(*readouts, strict=True))

    def _prepare(self, rows: Tensor, back: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        flat, learned = rows.flatten(1, -2), [any(t.requires_grad for t in each) for each in (weights, biases)]
        self._reading = LinearProducts(flat, weights, biases)
        self._returning = LinearGradients(flat, weights, back.flatten(1, -2), *learned)
        self.outputs, self._gradient = (
            each.view(*rows.shape[:-1], -1) for each in (self._reading.outputs, self._returning.gradient)
        )
        for weight, found in zip(weights, self._returning.weights, strict=False):
            gradient = torch.zeros_like(weight)
            self.written.append((gradient, found))
            self.parameters.append((weight, gradient))
        self.parameters += zip(biases, self._returning.biases, strict=False)

    def read(self) -> None:
        """Computes the outputs."""
        if self._reading is not None:
            self._reading.run()

    def go_back(self, gradient: Tensor) -> None:
        """Takes the gradient of the outputs to what it is of: neurons, weights, biases."""
        self._gradient.copy_(gradient)
        if self._returning is not None:
            self._returning.run()
