"""Training steps of engine "cpu" whose memory and jobs are made once: the same functions as `layer.run`, no graph.

Between two passes over some megabytes everything else is out of the processor's caches, so even short Python costs
milliseconds there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from glifr.engine.cpu.blocks import Pass, Sizes, Wanted, Weights
from glifr.engine.sequence import LayerTensors, Recurrence


class PreparedPass:
    """R layers from zero state, unmasked, forward and backward, for inputs of one shape.

    Tensors are read where they are, so they must keep their memory. layers: of each replica its stored tensors, weights
    first; some of each are trained. views: makes `LayerTensors` of a layer's stored tensors. read_out: what neurons
    sent in the last step [R,B,H] or in all [R,B,T,H] -> outputs. others: what `read_out` reads beside. x: an input of
    that shape [R or 1,B,T,I].
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
        model, own = recurrence.model, [views(*(t.detach() for t in layer)) for layer in layers]
        learned = any(t.requires_grad for layer in layers for t in layer[2:])
        (_, batch, steps, inputs), hidden = x.shape, own[0].weight_lat.shape[0]
        s = self._sizes = Sizes(
            model, len(layers), batch, steps, inputs, hidden, recurrence.delay, False, learned, keep=True, stored=True
        )
        weights = Weights(s)
        self._copied = _Pairs([pair for r, tensors in enumerate(own) for pair in weights.pairs(r, tensors)])
        self._added = [pair for r, tensors in enumerate(own) for pair in weights.sums(r, tensors)]
        self._pass = Pass(weights, tuple(recurrence.constants), None)
        self._pass.prepare_backward(Wanted(False, False, *(any(t[n].requires_grad for t in layers) for n in (0, 1))))
        self._read_out, self._others = read_out, [t for t in others if t.requires_grad]
        sent, self._upstream = self._pass.sent[..., : s.hidden], None
        self._sent = sent[:, :, -1] if readout == "last" else sent
        if readout == "all":
            self._upstream = torch.zeros_like(self._pass.sent)
        grads = [[torch.zeros_like(t) for t in layer] for layer in layers]
        targets = [views(*layer) for layer in grads]
        found = self._pass.gradients
        self._written = _Pairs([pair for r, tensors in enumerate(targets) for pair in found.pairs(s, r, tensors)])
        each = [pair for ts, gs in zip(layers, grads, strict=True) for pair in zip(ts, gs, strict=True)]
        self._parameters = [(t, g) for t, g in each if t.requires_grad]
        self._like = x.shape, x.dtype, x.device

    def fits(self, x: Tensor) -> bool:
        """Whether `learn` takes it."""
        return (x.shape, x.dtype, x.device) == self._like

    def learn(self, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Sets the gradients of all parameters that have one, and returns losses and outputs.

        losses_of: outputs -> losses, whose sum is differentiated. Gradients lie in memory that the next call writes.
        """
        x = x.contiguous()
        self._copied.copy()
        for place, tensor in self._added:
            place.add_(tensor)
        self._pass.forward(x, None)
        sent = self._sent.detach().requires_grad_()
        outputs = self._read_out(sent)
        losses = losses_of(outputs)
        gradient, *of_others = torch.autograd.grad(losses.sum(), [sent, *self._others])
        self._backward(x, gradient)
        for parameter, found in (*self._parameters, *zip(self._others, of_others, strict=True)):
            parameter.grad = found
        return losses.detach(), outputs.detach()

    def _backward(self, x: Tensor, gradient: Tensor) -> None:
        whole, s = self._pass, self._sizes
        whole.state.zero_()
        (whole.state[0] if self._upstream is None else self._upstream)[..., : s.hidden].copy_(gradient)
        whole.backward(x, None, self._upstream)
        self._written.copy()


class _Pairs:
    """Places, and what is copied there again and again."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._places, self._sources = [place for place, _ in pairs], [source for _, source in pairs]

    def copy(self) -> None:
        torch._foreach_copy_(self._places, self._sources)
