"""Training steps of engine "cpu" whose memory and jobs are made once: the same functions as `layer.run`, no graph.

Between two passes over some megabytes everything else is out of the processor's caches, so even short Python costs
milliseconds there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from glifr.engine.cpu.blocks import Pass, Sizes, Weights
from glifr.engine.sequence import LayerTensors, Recurrence


class PreparedPass:
    """R layers from zero state, unmasked, forward and backward, for inputs of one shape.

    Tensors are read where they are, so they must keep their memory. layers: of each replica its stored tensors; some of
    each layer's are trained. views: makes `LayerTensors` of a layer's stored tensors. read_out: hidden states [R,B,H] of
    the last step or [R,B,T,H] of all -> outputs. others: what `read_out` reads beside. x: an input of that shape
    [R or 1,B,T,I].
    """

    def __init__(
        self,
        recurrence: Recurrence,
        layers: Sequence[Sequence[Tensor]],
        views: Callable[..., LayerTensors],
        read_out: Callable[[Tensor], Tensor],
        others: Sequence[Tensor],
        x: Tensor,
        readout: Literal["last", "all"],
    ) -> None:
        model = recurrence.model
        own = [views(*(t.detach() for t in layer)) for layer in layers]
        hidden = own[0].weight_lat.shape[0]
        count = len(own[0].parameters)
        grads = [[torch.zeros_like(t) for t in layer] for layer in layers]
        learned = any(t.requires_grad for layer in layers for t in layer[2:])
        facts = False, learned, True, True
        s = self._sizes = Sizes(model, len(layers), *x.shape[1:], hidden, recurrence.delay, *facts)
        self._weights, self._found = Weights.for_sizes(s, count), Weights.for_sizes(s, count)
        self._pairs = [pair for r, tensors in enumerate(own) for pair in self._weights.pairs(s, r, tensors)]
        self._sums = [
            (self._weights.parameters[n, r, :hidden], other[0])
            for r, tensors in enumerate(own)
            for n, (_, *others_) in enumerate(tensors.parameters)
            for other in others_
        ]
        self._pass = Pass(s, tuple(recurrence.constants), self._weights, in_place=True)
        self._pass.prepare_backward()
        self._last, self._read_out, self._others = readout == "last", read_out, [t for t in others if t.requires_grad]
        sent = self._pass.sent
        self._hidden = (sent[:, -1] if self._last else sent.transpose(1, 2))[..., :hidden]
        self._upstream = None if self._last else torch.zeros_like(sent)
        self._by_time = s.inputs <= s.columns
        self._x = x.new_empty(len(x), s.steps, s.batch, s.inputs) if self._by_time else x
        targets = [views(*layer) for layer in grads]
        self._grads = [(n, w) for r, each in enumerate(targets) for w, n in self._found.pairs(s, r, each)]
        self._grads += [
            (other[0], self._found.parameters[n, r, :hidden])
            for r, each in enumerate(targets)
            for n, (_, *others_) in enumerate(each.parameters)
            for other in others_
        ]
        each_pair = [pair for ts, gs in zip(layers, grads, strict=True) for pair in zip(ts, gs, strict=True)]
        self._parameters = [(t, g) for t, g in each_pair if t.requires_grad]
        self._wanted = tuple(any(layer[n].requires_grad for layer in layers) for n in (0, 1))
        self._like = x.shape, x.dtype, x.device

    def fits(self, x: Tensor) -> bool:
        """Whether `learn` takes it."""
        return (x.shape, x.dtype, x.device) == self._like

    def learn(self, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Sets the gradients of all parameters that have one, and returns losses and outputs.

        losses_of: outputs -> losses, whose sum is differentiated. Gradients lie in memory that the next call writes.
        """
        by_time = x.transpose(1, 2)
        x = self._x.copy_(by_time) if self._by_time else by_time
        for wide, narrow in self._pairs:
            wide.copy_(narrow)
        for wide, narrow in self._sums:
            wide += narrow
        self._pass.forward(x, None)
        hidden = self._hidden.detach().requires_grad_()
        outputs = self._read_out(hidden)
        losses = losses_of(outputs)
        gradient, *of_others = torch.autograd.grad(losses.sum(), [hidden, *self._others])
        self._backward(x, gradient)
        for parameter, found in (*self._parameters, *zip(self._others, of_others, strict=True)):
            parameter.grad = found
        return losses.detach(), outputs.detach()

    def _backward(self, x: Tensor, gradient: Tensor) -> None:
        whole, hidden = self._pass, self._sizes.hidden
        whole.state.zero_()
        if self._upstream is None:
            whole.state[0][..., :hidden].copy_(gradient)
        else:
            self._upstream[..., :hidden].copy_(gradient.transpose(1, 2))
            if self._sizes.width != hidden:
                self._upstream[..., hidden:].zero_()
        whole.backward(self._upstream)
        whole.gradients(x, None, (*self._wanted, False, False), into=self._found)
        for target, source in self._grads:
            target.copy_(source)
