"""A layer's whole pass on the CPU: block products by torch's library, scans by compiled code, float32.

Memory is [R,T,B,*], W wide: a block of D steps is consecutive rows, so its lateral input is one product. Every product
is of one replica and every scan of one sample, so that neither threads nor the number of replicas change a bit. Padded
neurons have zeros for parameters and weights: nothing reads them.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, W width (the next multiple of 16), G gates, D delay in steps,
P parts of parameters, n parts of states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from glifr.engine.cpu.codegen import Layout
from glifr.engine.cpu.jobs import Runner, compiled, layout_of, threads_for
from glifr.engine.cpu.llvm import width_for
from glifr.engine.cpu.memory import empty
from glifr.engine.definition import NeuronModel

_SEGMENT = 32  # steps between two checkpoints, at most: what the backward scan recomputes stays in the first cache
_GROUPS = 8  # tasks of a replica, at most


class Sizes(NamedTuple):
    """What fixes memory and code. learned: whether gradients of neuron parameters are wanted. keep: of any."""

    model: NeuronModel
    replicas: int
    batch: int
    steps: int
    inputs: int
    hidden: int
    delay: int
    masked: bool
    learned: bool
    keep: bool

    @property
    def width(self) -> int:
        return width_for(self.hidden)

    @property
    def columns(self) -> int:
        """G*W."""
        return self.model.gates * self.width

    @property
    def segment(self) -> int:
        return min(self.delay, self.steps, _SEGMENT)

    @property
    def samples(self) -> int:
        """Of a task."""
        return -(-self.batch // min(self.batch, _GROUPS))

    @property
    def groups(self) -> int:
        return -(-self.batch // self.samples)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """First step and end of each."""
        return [(begin, min(begin + self.delay, self.steps)) for begin in range(0, self.steps, self.delay)]


class Weights(NamedTuple):
    """As products and scans read them: weight_in [R,I,G*W], weight_lat [R,W,G*W], parameters [P,R,W]."""

    weight_in: Tensor
    weight_lat: Tensor
    parameters: Tensor

    @classmethod
    def for_sizes(cls, s: Sizes, parts: int) -> Weights:
        """Zeros."""
        return cls(
            torch.zeros(s.replicas, s.inputs, s.columns),
            torch.zeros(s.replicas, s.width, s.columns),
            torch.zeros(parts, s.replicas, s.width),
        )

    def fill(self, s: Sizes, weight_in: Tensor, weight_lat: Tensor, parameters: Sequence[Tensor]) -> None:
        """Copies weights [R,K,G*H] and parts of parameters [R,1,H]."""
        gates, hidden = s.model.gates, s.hidden
        for wide, narrow in ((self.weight_in, weight_in), (self.weight_lat[:, :hidden], weight_lat)):
            wide.unflatten(2, (gates, s.width))[..., :hidden].copy_(narrow.unflatten(2, (gates, hidden)))
        for row, part in zip(self.parameters, parameters, strict=True):
            row[:, :hidden].copy_(part.squeeze(1))


class Gradients(NamedTuple):
    """Of each tensor of `Weights`, of x [R,T,B,I], history [R,D,B,W] and the start [n,R,B,W]; None where not wanted."""

    weight_in: Tensor | None
    weight_lat: Tensor | None
    parameters: Tensor | None
    x: Tensor | None
    history: Tensor | None
    start: Tensor


class Pass:
    """Buffers and jobs of a pass for one set of sizes; forward, and backward if `keep`.

    constants: the model's. in_place: the gradient of the synaptic input is written over what it was made from, so that
    there is one backward for each forward.
    """

    def __init__(self, s: Sizes, constants: Sequence[float], weights: Weights, in_place: bool = False) -> None:
        self.sizes, self.weights = s, weights
        self.layout: Layout = layout_of(s.model, s.masked, s.learned)
        like, lead = weights.weight_lat, (s.replicas, s.steps, s.batch)
        self.values, self.sent = empty((*lead, s.columns), like), empty((*lead, s.width), like)
        places, followed = len(self.layout.place), len(self.layout.checkpoint)
        self.start = like.new_zeros(places, s.replicas, s.batch, s.width)
        self.state = torch.empty_like(self.start)
        self._per_block = -(-min(s.delay, s.steps) // s.segment)  # checkpoints
        count = len(s.blocks) * self._per_block if s.keep else 1
        self._kept = empty((count, followed, s.replicas, s.batch, s.width), like)
        self._coefficients = empty((s.replicas, len(self.layout.coefficients), s.width), like)
        self._constants = torch.tensor(list(constants) or [0.0], dtype=torch.float32)
        self._threads = threads_for(s.replicas * s.groups)
        self._in_place = in_place
        self._mask: Tensor | None = None
        self._hoist, self._scan = self._runner("coefficients"), self._runner("forward")
        self._hoist.set(tasks=s.replicas)

    def _runner(self, kind: Any) -> Runner:
        s, layout, number = self.sizes, self.layout, 4
        runner, row = Runner(compiled(kind, s.model, s.masked, s.learned)), 4 * s.width
        state = s.replicas * s.batch * row
        runner.set(
            tasks=s.replicas * s.groups,
            groups=s.groups,
            samples=s.samples,
            batch=s.batch,
            row=row,
            segment=s.segment,
            values_r=number * s.steps * s.batch * s.columns,
            values_t=number * s.batch * s.columns,
            sent_r=s.steps * s.batch * row,
            sent_t=s.batch * row,
            state_n=state,
            state_r=s.batch * row,
            kept_s=len(layout.checkpoint) * state if s.keep else 0,
            coefficients_r=len(layout.coefficients) * row,
            parameters_p=s.replicas * row,
        )
        runner.point(values=self.values, sent=self.sent, start=self.start, state=self.state)
        runner.point(coefficients=self._coefficients, parameters=self.weights.parameters, constants=self._constants)
        return runner

    def mask(self, mask: Tensor | None) -> None:
        """The mask of the next passes, broadcastable to [R,B,T,W]; before `prepare_backward`."""
        self._mask = mask
        self._masked(self._scan)

    def _masked(self, runner: Runner) -> None:
        if self._mask is not None:
            s = self.sizes
            strides = self._mask.expand(s.replicas, s.batch, s.steps, s.width).stride()
            runner.point(mask=self._mask)
            runner.set(mask_r=4 * strides[0], mask_b=4 * strides[1], mask_t=4 * strides[2])

    def forward(self, x: Tensor, history: Tensor | None) -> None:
        """x: [R or 1,T,B,I], or a view of another layout. history: [R,D,B,W]."""
        s = self.sizes
        self._hoist.run(1)
        self._project(x)
        self.state.copy_(self.start)
        for number, (begin, end) in enumerate(s.blocks):
            before = history if begin == 0 else self.sent[:, begin - s.delay : end - s.delay]
            if before is not None:
                for r, weight in enumerate(self.weights.weight_lat.unbind(0)):
                    rows = before[r, : end - begin].reshape(-1, s.width)
                    self.values[r, begin:end].view(-1, s.columns).addmm_(rows, weight)
            self._scan.set(begin=begin, end=end)
            self._scan.point(kept=self._kept[number * self._per_block if s.keep else 0])
            self._scan.run(self._threads)

    def _project(self, x: Tensor) -> None:
        """All steps' input through weight_in: one product of a replica, in whichever order of rows x lies."""
        s = self.sizes
        for r, weight in enumerate(self.weights.weight_in.unbind(0)):
            one, values = x[r if len(x) > 1 else 0], self.values[r]
            if one.is_contiguous():
                torch.mm(one.view(-1, s.inputs), weight, out=values.view(-1, s.columns))
            else:
                found = torch.mm(one.transpose(0, 1).reshape(-1, s.inputs), weight)
                values.copy_(found.view(s.batch, s.steps, s.columns).transpose(0, 1))

    @property
    def final(self) -> Tensor:
        """The state after the last step [n,R,B,W]."""
        found, gates = self.state.clone(), self.values[:, -1].unflatten(-1, (self.sizes.model.gates, -1))
        found[0] = self.sent[:, -1]
        for element, gate in self.layout.plan.kept.items():
            found[self.layout.place[element]] = gates[:, :, gate]
        return found

    def prepare_backward(self) -> None:
        """Makes what only the way back needs."""
        s, layout, like = self.sizes, self.layout, self.sent
        self.gradient = self.values if self._in_place else empty(self.values.shape, like)
        self._sums = empty((s.replicas, s.groups, len(layout.learned_parts), s.width), like)
        scratch = layout.scratch_bytes * (s.segment + 1)
        self._scratch = like.new_empty(self._threads, max(scratch // 4, 1))
        self._zeros = like.new_zeros(s.width)
        self._reaching = empty((s.replicas, min(s.delay, s.steps), s.batch, s.width), like)
        self._back = self._runner("backward")
        self._masked(self._back)
        self._back.point(gradient=self.gradient, sums=self._sums, scratch=self._scratch)
        self._back.set(sums_task=4 * len(layout.learned_parts) * s.width, scratch_size=scratch)

    def backward(self, upstream: Tensor | None) -> None:
        """upstream: gradient of what was sent [R,T,B,W], which is written to; `state` holds that of the final state."""
        s = self.sizes
        self._sums.zero_()
        for number, (begin, end) in reversed(list(enumerate(s.blocks))):
            sends = max(min(end, s.steps - s.delay) - begin, 0)  # so many first steps of the block send to later ones
            reaching = self._reaching if upstream is None else upstream[:, begin:end]
            for r, weight in enumerate(self.weights.weight_lat.unbind(0) if sends else ()):
                target = reaching[r, :sends].view(-1, s.width)
                rows = self.gradient[r, begin + s.delay : begin + s.delay + sends].view(-1, s.columns)
                if upstream is None:
                    torch.mm(rows, weight.t(), out=target)
                else:
                    target.addmm_(rows, weight.t())
            self._aim(reaching, upstream is not None, sends, end - begin)
            self._back.set(begin=begin, end=end)
            self._back.point(kept=self._kept[number * self._per_block])
            self._back.run(self._threads)

    def _aim(self, reaching: Tensor, given: bool, sends: int, steps: int) -> None:
        """Where the scan finds the gradient of what was sent in a block: zeros where nothing reaches it."""
        if not given and not sends:
            self._back.point(reaching=self._zeros)
            self._back.set(reaching_r=0, reaching_t=0, reaching_b=0)
            return
        if not given:
            reaching[:, sends:steps].zero_()
        self._back.point(reaching=reaching)
        strides = reaching.stride()
        self._back.set(reaching_r=4 * strides[0], reaching_t=4 * strides[1], reaching_b=4 * strides[2])

    def gradients(self, x: Tensor, history: Tensor | None, wanted: Sequence[bool]) -> Gradients:
        """After `backward`. wanted: of weight_in, weight_lat, x and history."""
        s, g = self.sizes, self.gradient
        in_, lat, of_x, of_history = wanted
        return Gradients(
            self._of_weight_in(x) if in_ else None,
            self._of_weight_lat(history) if lat else None,
            self._summed() if s.learned else None,
            self._through(g, self.weights.weight_in) if of_x else None,
            self._of_history(history) if history is not None and of_history else None,
            self.state,
        )

    def _of_weight_in(self, x: Tensor) -> Tensor:
        s, found = self.sizes, torch.empty_like(self.weights.weight_in)
        for r, target in enumerate(found.unbind(0)):
            one, g = x[r if len(x) > 1 else 0], self.gradient[r]
            if not one.is_contiguous():
                one, g = one.transpose(0, 1), g.transpose(0, 1)
            torch.mm(one.reshape(-1, s.inputs).t(), g.reshape(-1, s.columns), out=target)
        return found

    def _of_weight_lat(self, history: Tensor | None) -> Tensor:
        s, found = self.sizes, torch.zeros_like(self.weights.weight_lat)
        for r, target in enumerate(found.unbind(0)):
            if s.steps > s.delay:
                sent, g = self.sent[r, : -s.delay], self.gradient[r, s.delay :]
                torch.mm(sent.view(-1, s.width).t(), g.view(-1, s.columns), out=target)
            if history is not None:
                first = min(s.delay, s.steps)
                rows, g = history[r, :first].reshape(-1, s.width), self.gradient[r, :first]
                target.addmm_(rows.t(), g.view(-1, s.columns))
        return found

    def _summed(self) -> Tensor:
        """[P,R,W]: the groups in their order."""
        total = self._sums[:, 0].clone()
        for group in self._sums.unbind(1)[1:]:
            total += group
        return total.transpose(0, 1)

    def _through(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """[R,t,B,K] of gradients [R,t,B,G*W] and weights [R,K,G*W]."""
        return torch.stack([(g.reshape(-1, g.shape[-1]) @ w.t()).view(*g.shape[:2], -1) for g, w in zip(gradient, weight, strict=True)])

    def _of_history(self, history: Tensor) -> Tensor:
        found, first = torch.zeros_like(history), min(self.sizes.delay, self.sizes.steps)
        found[:, :first] = self._through(self.gradient[:, :first], self.weights.weight_lat)
        return found
