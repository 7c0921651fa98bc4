"""The LSTM step by step, forward and backward, in place and without autograd. Equations: glifr.equations.lstm_step.

`pack` brings the gates into the order input, forget, output, cell, so that three of them are one sigmoid. Backward,
with F_t the gradient that reaches h_t and Gc the carry of the cell from step t+1:

    Gc   = Gc + m F_t o (1 - tanh(c_t)^2)
    d_o  = o (1 - o) m F_t tanh(c_t)      d_i = i (1 - i) Gc g
    d_f  = f (1 - f) Gc c_{t-1}           d_g = (1 - g^2) Gc i
    Gc   = Gc f                           after its uses above

Saves the gates (written over their pre-activations), h and c; tanh(c) is recomputed, which costs less than to store it.

Shapes: R replicas, B batch, T steps, I inputs, H units. Gates are [R,T,B,4H]. The delay is one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from glifr.equations import LSTMParameters, RNNParameters
from glifr.engine.cpu.memory import empty
from glifr.kernels.scan import Saved
from glifr.kernels.sequence import mask_at

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def pack(p: LSTMParameters) -> RNNParameters:
    """weight_in [R,I,4H], weight_lat [R,H,4H] and bias [R,1,4H], with the gates as the scans below take them."""
    bias = (p.bias_ih + p.bias_hh).unsqueeze(2)
    return RNNParameters(_ordered(p.weight_ih), _ordered(p.weight_hh), _ordered(bias))


def _ordered(weight: Tensor) -> Tensor:
    """[R,4H,K] in torch's order of gates -> [R,K,4H] in ours."""
    i, f, g, o = weight.chunk(4, 1)
    return torch.cat([i, f, o, g], 1).transpose(1, 2)


class ForwardScan:
    """Turns gate pre-activations [R,T,B,4H] into gates, in place, and writes h [R,T,B,H].

    kept: c of every step [R,T,B,H], where a backward will follow.
    """

    def __init__(
        self,
        parameters: Any,
        constants: Any,
        start: Any,
        mask: Tensor | None,
        sequence: Sequence[Tensor],
        delay: int,
        keep: bool,
    ) -> None:
        gates, self._hidden = sequence
        replicas, steps, batch, units = self._hidden.shape
        self._gates, self._each_hidden, self._masks = gates.unbind(1), self._hidden.unbind(1), mask_at(mask, steps)
        cells = empty((replicas, steps if keep else 1, batch, units), gates)
        self._cells = cells.unbind(1) * (1 if keep else steps)
        self.kept = (cells,)

    def advance(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """The one step `begin`. lateral: its lateral input [R,1,B,4H], None for zeros."""
        gates, cell, hidden, mask = self._gates[begin], self._cells[begin], self._each_hidden[begin], self._masks[begin]
        before = self._cells[begin - 1] if begin else None
        self._open(gates, None if lateral is None else lateral[:, 0], before, cell, hidden)
        if mask is not None:
            hidden.mul_(mask)

    def _open(self, gates: Tensor, lateral: Tensor | None, before: Tensor | None, cell: Tensor, hidden: Tensor) -> None:
        """Writes gates, c and h of a step. before: c of the step before, None for zeros."""
        units = cell.shape[-1]
        if lateral is not None:
            gates.add_(lateral)
        gates[..., : 3 * units].sigmoid_()
        i, f, o, g = gates.chunk(4, -1)
        g.tanh_()
        if before is None:
            torch.mul(i, g, out=cell)
        else:
            torch.mul(f, before, out=cell).addcmul_(i, g)  # they share memory where c is not kept
        torch.tanh(cell, out=hidden)
        hidden.mul_(o)

    @property
    def final(self) -> tuple[Tensor, ...]:
        """h of the last step."""
        return (self._hidden[:, -1].clone(),)


class BackwardScan:
    """Turns gradients of h into gradients of the gates' pre-activations, written to `synaptic` [R,T,B,4H].

    upstream: gradient of h from outside [R,T,B,H], or None. final: gradient of the last h [R,B,H], or None.
    """

    def __init__(
        self,
        parameters: Any,
        constants: Any,
        saved: Saved,
        synaptic: Tensor,
        upstream: Tensor | None,
        final: Sequence[Tensor | None],
        learned: bool,
    ) -> None:
        steps = synaptic.shape[1]
        self._synaptic, self._gates, self._cells = synaptic.unbind(1), saved.voltage.unbind(1), saved.kept[0].unbind(1)
        self._upstream = None if upstream is None else upstream.unbind(1)
        self._masks, self._final, self._last = mask_at(saved.mask, steps), final[0], steps - 1
        self._carry = torch.zeros_like(self._cells[0])
        self._g_hidden = torch.empty_like(self._carry)

    def retreat(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """The one step `begin`. lateral: gradient that the step after it sends to h, [R,1,B,H]."""
        before = self._cells[begin - 1] if begin else None
        reaching = self._gather(begin, lateral)
        self._close(self._gates[begin], reaching, before, self._cells[begin], self._carry, self._synaptic[begin])

    def _close(
        self, gates: Tensor, reaching: Tensor, before: Tensor | None, cell: Tensor, carry: Tensor, found: Tensor
    ) -> None:
        """Writes the gradient of a step's pre-activations to `found`, and takes the carry of c to the step before."""
        i, f, o, g = gates.chunk(4, -1)
        g_i, g_f, g_o, g_g = found.chunk(4, -1)
        squashed = torch.tanh(cell)
        torch.mul(reaching, squashed, out=g_o)
        carry.add_(_tanh_backward(reaching * o, squashed, grad_input=squashed))
        torch.mul(carry, g, out=g_i)
        if before is not None:
            torch.mul(carry, before, out=g_f)
        else:
            g_f.zero_()
        torch.mul(carry, i, out=g_g)
        carry.mul_(f)
        sigmoids = found[..., : 3 * cell.shape[-1]]
        _sigmoid_backward(sigmoids, gates[..., : 3 * cell.shape[-1]], grad_input=sigmoids)
        _tanh_backward(g_g, g, grad_input=g_g)

    def _gather(self, t: int, lateral: Tensor | None) -> Tensor:
        """All that reaches h_t, times its mask."""
        total = self._g_hidden
        if lateral is not None:
            total = lateral[:, 0]
        elif t == self._last and self._final is not None:
            total.copy_(self._final)
        else:
            total.zero_()
        if self._upstream is not None:
            total.add_(self._upstream[t])
        mask = self._masks[t]
        return total if mask is None else total.mul_(mask)

    def parameter_gradients(self) -> None:
        """There are no parameters beside the weights."""
