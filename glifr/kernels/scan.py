"""The scalar recurrence of a GLIFR layer over time, forward and backward, in place and without autograd.

Equations: glifr/neurons/glifr.py. The backward, with c = dt/tau, q = dt k_m R, F_t the gradient that reaches f_t from the
readout and from later blocks, and carries (Gf, Gv, Ga_j) from step t+1:

    d_t  = m (F_t + Gf) p (1 - p) / sigma_v,  p = sigmoid((v_t - thresh) / sigma_v)
    g_t  = Gv + d_t                                              gradient of v_t, which is that of s_t
    Ga_j = Ga_j + q g_t
    Gf   = sum_j c Ga_j (r_j asc_j,t-1 + a_j) - c g_t (v_{t-1} - v_reset)
    Gv   = g_t (1 - dt k_m - c f_{t-1})
    Ga_j = Ga_j (1 - dt k_j + c f_{t-1} r_j)                     after its use above

The gradient of dt k_m needs sum_t g_t asc_j,t, which costs nothing: Ga_j asc_j,t is both q g_t asc_j,t plus the carry
from step t+1 times asc_j,t, and c a_j f_{t-1} Ga_j plus the carry to step t-1 times asc_j,t-1. Over all steps the
carries cancel but for first and last, so q sum_t g_t asc_j,t = c a_j sum_t f_{t-1} Ga_j + first - last.

Shapes: R replicas, B batch (or a tile of it), T steps, H neurons, J after-spike currents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from glifr.kernels.sequence import Constants, GLIFRParameters, GLIFRState
from glifr.kernels.sequence import mask_at

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class _Coefficients(NamedTuple):
    """What the recurrence multiplies by, [R,1,H] and [J,R,1,H]."""

    keep_m: Tensor  # 1 - dt k_m
    drive: Tensor  # dt k_m R
    keep_j: Tensor  # 1 - dt k_j
    multiply: Tensor  # c r_j
    add: Tensor  # c a_j

    @classmethod
    def of(cls, p: GLIFRParameters, c: Constants) -> _Coefficients:
        return cls(1 - p.decay_m, p.decay_m * c.R, 1 - p.decay_j, p.r * c.reset_rate, p.a * c.reset_rate)


class ForwardScan:
    """Turns synaptic input into voltage and firing, block by block.

    mask: broadcastable to [R,B,T,H] or None. sequence: voltage, which holds s until it gets v, and firing, which is
    written; each [R,T,B,H]. delay: steps in a block. keep: whether a backward will follow; `kept` is what it needs
    beside voltage and firing: currents [T,J,R,B,H].
    """

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
        self._voltage, self._firing = sequence
        steps = self._voltage.shape[1]
        self._masks = mask_at(mask, steps)
        self.thresh, self.constants = parameters.thresh, constants
        self.coefficients = _Coefficients.of(parameters, constants)
        self.state = start
        self.ascurrents = start.ascurrents.new_empty((steps if keep else 1, *start.ascurrents.shape))
        places = [(whole, whole.unbind(0)) for whole in self.ascurrents.unbind(0)]
        self._places = iter(places if keep else places * steps)
        self._work, self._factor = torch.empty_like(start.voltage), torch.empty_like(start.ascurrents)

    @property
    def kept(self) -> tuple[Tensor, ...]:
        return (self.ascurrents,)

    @property
    def final(self) -> GLIFRState:
        """After the last step."""
        return GLIFRState(self._firing[:, -1].clone(), self._voltage[:, -1].clone(), self.ascurrents[-1].clone())

    def advance(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """The block of steps begin .. end-1. lateral: its lateral input [R,t,B,H], None for zeros."""
        voltage, firing, masks = self._voltage[:, begin:end], self._firing[:, begin:end], self._masks[begin:end]
        if lateral is not None:
            voltage.add_(lateral)
        if self.constants.I0 != 0:
            voltage.add_((self.coefficients.drive * self.constants.I0).unsqueeze(1))
        for v, f, m in zip(voltage.unbind(1), firing.unbind(1), masks, strict=True):
            ascurrents, each = next(self._places)
            self._step(GLIFRState(f, v, ascurrents), each, m)

    def _step(self, new: GLIFRState, currents: Sequence[Tensor], mask: Tensor | None) -> None:
        """Writes the next state into the tensors of `new`, whose voltage holds s. currents: its asc_j, one by one."""
        k, c, old = self.coefficients, self.constants, self.state
        f, v = new.firing, new.voltage
        torch.addcmul(k.keep_j, old.firing, k.multiply, out=self._factor)
        torch.mul(old.ascurrents, self._factor, out=new.ascurrents)
        new.ascurrents.addcmul_(old.firing, k.add)
        for current in currents:
            v.addcmul_(current, k.drive)
        torch.sub(k.keep_m, old.firing, alpha=c.reset_rate, out=self._work)
        v.addcmul_(old.voltage, self._work)
        if c.v_reset != 0:
            v.add_(old.firing, alpha=c.reset_rate * c.v_reset)
        _fire(v, self.thresh, c.sigma_v, f)
        if mask is not None:
            f.mul_(mask)
        self.state = new


def _fire(v: Tensor, thresh: Tensor, sigma_v: float, out: Tensor) -> None:
    torch.sub(v, thresh, out=out)
    if sigma_v != 1:
        out.div_(sigma_v)
    out.sigmoid_()


class _Sums:
    """Products summed over steps, per sample: what the gradients of the neuron parameters are made of."""

    def __init__(self, g_voltage: Tensor, g_ascurrents: Tensor) -> None:
        self.fired, self.leaked = (torch.zeros_like(g_voltage) for _ in range(2))  # [R,B,H]
        self.decay_j, self.r, self.a = (torch.zeros_like(g_ascurrents) for _ in range(3))  # [J,R,B,H]
        self.g_final = g_ascurrents.clone()


class Saved(NamedTuple):
    """What a forward left for its backward, of one tile of samples.

    firing, voltage: [R,T,B,H]. kept: what the forward scan has kept beside. mask: broadcastable to [R,B,T,H], or None.
    delay: steps in a block.
    """

    start: GLIFRState
    firing: Tensor
    voltage: Tensor
    kept: Sequence[Tensor]
    mask: Tensor | None
    delay: int


class BackwardScan:
    """Turns gradients of firing into gradients of synaptic input, from the last step to the first.

    synaptic: [R,T,B,H], written: gradient of s. upstream: gradient of firing from outside [R,T,B,H], or None. final:
    gradients of the last firing, voltage [R,B,H] and after-spike currents [J,R,B,H], each or None. learned: whether
    gradients of the neuron parameters are wanted. After the last step, g_firing, g_voltage, g_ascurrents are those of
    the start.
    """

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
        start = saved.start
        self.thresh, self.decay_m = parameters.thresh, parameters.decay_m
        self.constants = constants
        self.coefficients = _Coefficients.of(parameters, constants)
        self.fired = [start.firing, *saved.firing.unbind(1)]  # fired[t] is f_{t-1}
        self.volts = [start.voltage, *saved.voltage.unbind(1)]
        self.currents = [start.ascurrents, *saved.kept[0].unbind(0)]
        self.masks = mask_at(saved.mask, synaptic.shape[1])
        self.synaptic = synaptic.unbind(1)
        self.upstream = upstream.unbind(1) if upstream is not None else None
        like = (start.firing, start.voltage, start.ascurrents)
        own = [torch.zeros_like(x) if g is None else g.clone() for g, x in zip(final, like, strict=True)]
        self.g_firing, self.g_voltage, self.g_ascurrents = own
        self.sums = _Sums(self.g_voltage, self.g_ascurrents) if learned else None
        self._work, self._work_j = torch.empty_like(start.voltage), torch.empty_like(start.ascurrents)
        self._g_each, self._work_each = self.g_ascurrents.unbind(0), self._work_j.unbind(0)
        self._add_each, self._multiply_each = self.coefficients.add.unbind(0), self.coefficients.multiply.unbind(0)

    def retreat(self, begin: int, end: int, lateral: Tensor | None) -> None:
        """Steps end-1 .. begin. lateral: gradient that lateral input sends to the first n, [R,n,B,H]."""
        each = () if lateral is None else lateral.unbind(1)
        for t in reversed(range(begin, end)):
            self._through_firing(t, self._gather(t, each[t - begin] if t - begin < len(each) else None))
            self._through_state(t)

    def _gather(self, t: int, lateral: Tensor | None) -> Tensor:
        """All that reaches f_t; uses the place of synaptic[t]."""
        g, total = self.synaptic[t], self.g_firing
        if lateral is not None:
            total = torch.add(lateral, total, out=g)
        return total if self.upstream is None else torch.add(total, self.upstream[t], out=g)

    def _through_firing(self, t: int, g_firing: Tensor) -> None:
        """d_t, then g_t, into synaptic[t]."""
        g, mask, sigma_v = self.synaptic[t], self.masks[t], self.constants.sigma_v
        unmasked = self.fired[t + 1]
        if mask is not None:
            unmasked = self._work
            _fire(self.volts[t + 1], self.thresh, sigma_v, unmasked)
            g_firing = torch.mul(g_firing, mask, out=g)
        _sigmoid_backward(g_firing, unmasked, grad_input=g)
        if sigma_v != 1:
            g.div_(sigma_v)
        if self.sums is not None:
            self.sums.fired.add_(g)
        g.add_(self.g_voltage)

    def _through_state(self, t: int) -> None:
        """From g_t to the carries of step t - 1, adding to the parameters' sums on the way."""
        k, c = self.coefficients, self.constants
        g, fired, volts = self.synaptic[t], self.fired[t], self.volts[t]
        if self.sums is not None:
            self.sums.leaked.addcmul_(g, volts)
        if self.g_ascurrents.shape[0]:
            self._through_ascurrents(t)
            self.g_firing.addcmul_(g, volts, value=-c.reset_rate)
        else:
            torch.mul(g, volts, out=self.g_firing).mul_(-c.reset_rate)
        if c.v_reset != 0:
            self.g_firing.add_(g, alpha=c.reset_rate * c.v_reset)
        torch.sub(k.keep_m, fired, alpha=c.reset_rate, out=self._work)
        torch.mul(g, self._work, out=self.g_voltage)

    def _through_ascurrents(self, t: int) -> None:
        k, g, fired = self.coefficients, self.synaptic[t], self.fired[t]
        self.g_ascurrents.addcmul_(g, k.drive)
        product = torch.mul(self.g_ascurrents, self.currents[t], out=self._work_j)
        if self.sums is not None:
            self.sums.decay_j.add_(product)
            self.sums.r.addcmul_(product, fired)
            self.sums.a.addcmul_(self.g_ascurrents, fired)
        self._send_to_firing()
        torch.addcmul(k.keep_j, fired, k.multiply, out=self._work_j)
        self.g_ascurrents.mul_(self._work_j)

    def _send_to_firing(self) -> None:
        """sum_j c Ga_j (r_j asc_j,t-1 + a_j), where _work_j holds Ga_j asc_j,t-1."""
        torch.mul(self._g_each[0], self._add_each[0], out=self.g_firing)
        for g_asc, add in zip(self._g_each[1:], self._add_each[1:], strict=True):
            self.g_firing.addcmul_(g_asc, add)
        for product, multiply in zip(self._work_each, self._multiply_each, strict=True):
            self.g_firing.addcmul_(product, multiply)

    def parameter_gradients(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None:
        """Of thresh, dt k_m [R,1,H], dt k_j, r, a [J,R,1,H], summed over the samples of the tile."""
        if self.sums is None:
            return None
        c, s = self.constants, self.sums
        started, ended = self.g_ascurrents * self.currents[0], s.g_final * self.currents[-1]
        driven = (s.a * self.coefficients.add).add_(started).sub_(ended).sum((0, 2)).unsqueeze(1)
        decay_m = driven / self.decay_m - s.leaked.sum(1, keepdim=True)
        if c.I0 != 0:
            total = torch.stack([g.sum(1, keepdim=True) for g in self.synaptic]).sum(0)
            decay_m += c.R * c.I0 * total
        decay_j, r, a = (x.sum(2, keepdim=True) for x in (s.decay_j, s.r, s.a))
        return -s.fired.sum(1, keepdim=True), decay_m, -decay_j, c.reset_rate * r, c.reset_rate * a
