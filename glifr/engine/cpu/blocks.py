"""A layer's whole pass on the CPU, float32: buffers and jobs for one set of sizes.

Nothing it decides depends on threads or on the number of replicas, so a replica's bits are its own. Padded neurons
have zeros for stored parameters and weights: nothing reads them. Products with wide inputs are torch's, one over all
steps of a replica; all others are made between the scans (`passes.py`).

Shapes: R replicas, B batch, T steps, I inputs, H neurons, W width (the next multiple of 16), G gates, D delay in steps,
P parts of parameters, n elements of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from glifr.engine.cpu.codegen import scratch_bytes
from glifr.engine.cpu.jobs import Kind, Runner, threads_for
from glifr.engine.cpu.llvm import BYTES, LANES, width_for
from glifr.engine.cpu.memory import empty
from glifr.engine.cpu.passes import OWN
from glifr.engine.definition import NeuronModel
from glifr.engine.layout import Layout, layout_of
from glifr.engine.sequence import LayerTensors

_CHUNK = 16  # samples; what two or three steps' blocks of them need fits the second cache
_BLOCK = 28  # steps whose followed elements are recomputed at once
_STRETCH = 256  # rows that make a product with the input, or of a weight gradient, worth its result's way to memory
_GROUPS = 8  # at most: how many threads a backward pass of one replica can use
_WIDE = 512  # inputs, from which on their products are torch's


class Sizes(NamedTuple):
    """What fixes memory and code. learned: whether gradients of neuron parameters are wanted. keep: of any.

    stored: whether parameters are read, and their gradients given, as they are stored.
    """

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
    stored: bool

    @property
    def width(self) -> int:
        return width_for(self.hidden)

    @property
    def columns(self) -> int:
        """G*W."""
        return self.model.gates * self.width

    @property
    def chunk(self) -> int:
        """Samples that one thread takes through all steps; of few, half."""
        return _CHUNK if self.batch >= 2 * _CHUNK else -(-self.batch // 2)

    @property
    def chunks(self) -> int:
        """In a group, whose gradients are added in their order."""
        count = -(-self.batch // self.chunk)
        return -(-count // min(count, _GROUPS))

    @property
    def groups(self) -> int:
        return -(-self.batch // (self.chunk * self.chunks))

    @property
    def block(self) -> int:
        """Steps whose synaptic input is computed at once."""
        return min(self.delay, _BLOCK)

    @property
    def blocks(self) -> int:
        return -(-self.steps // self.block)

    @property
    def wide(self) -> bool:
        """True if products with the input are torch's."""
        return self.inputs >= _WIDE


def _gates(tensor: Tensor, dim: int, gates: int) -> Tensor:
    """A view in which a dimension is two: so many gates, each of equal width."""
    found: Tensor = tensor.unflatten(dim, (gates, tensor.shape[dim] // gates))  # type: ignore[no-untyped-call]
    return found


class PanelWeights:
    """R matrices as `products.multiply` reads them: panels [N/16,K,16] of [K,N], with N in gates of a width."""

    def __init__(self, replicas: int, rows: int, gates: int, width: int) -> None:
        self.buffer = torch.zeros(replicas, gates, width // LANES, rows, LANES)

    def pairs(self, r: int, matrix: Tensor, first: int = 0) -> list[tuple[Tensor, Tensor]]:
        """Places and what is copied there, of a matrix [K,G,H], from row `first` on."""
        rows, _, hidden = matrix.shape
        whole, rest = divmod(hidden, LANES)
        target, found = self.buffer[r, :, :, first : first + rows].permute(2, 0, 1, 3), []  # [K,G,W/16,16]
        if whole:
            found.append((target[:, :, :whole], _gates(matrix[..., : whole * LANES], 2, whole)))
        if rest:
            found.append((target[:, :, whole, :rest], matrix[..., whole * LANES :]))
        return found


class Copies:
    """Places, and what is copied there, again and again."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._places, self._sources = [place for place, _ in pairs], [source.detach() for _, source in pairs]

    def copy(self) -> None:
        if self._places:
            torch._foreach_copy_(self._places, self._sources)


class Weights:
    """Weights and parameters of R layers as compiled code reads them. of_x: whether x's gradient is wanted.

    parameters: [P,R,W]. plain: weight_in [R,I,G*W] where its products are torch's.
    """

    def __init__(self, s: Sizes, of_x: bool = False) -> None:
        self.sizes, gates = s, s.model.gates
        parts = len(layout_of(s.model, s.masked, s.learned, s.stored).parameters)
        self.parameters = torch.zeros(parts, s.replicas, s.width)
        self.plain = torch.zeros(s.replicas, s.inputs, s.columns) if s.wide else None
        self.into = None if s.wide else PanelWeights(s.replicas, s.inputs, gates, s.width)
        self.lat = PanelWeights(s.replicas, s.width, gates, s.width)
        self.lat_back = PanelWeights(s.replicas, s.columns, 1, s.width) if s.keep else None
        self.in_back = PanelWeights(s.replicas, s.columns, 1, width_for(s.inputs)) if of_x and not s.wide else None

    def pairs(self, r: int, tensors: LayerTensors) -> list[tuple[Tensor, Tensor]]:
        """Places and what is copied there, of the r-th layer."""
        s, gates = self.sizes, self.sizes.model.gates
        weight_in, weight_lat = (_gates(w, 1, gates) for w in tensors[:2])
        found = self.lat.pairs(r, weight_lat)
        if self.plain is not None:
            found.append((_gates(self.plain[r], 1, gates)[..., : s.hidden], weight_in))
        if self.into is not None:
            found += self.into.pairs(r, weight_in)
        for packed, weight in ((self.lat_back, weight_lat), (self.in_back, weight_in)):
            for gate in (
                range(gates) if packed is not None else ()
            ):  # transposed; a gate's rows begin at a multiple of W
                found += packed.pairs(r, weight[:, gate].t().unsqueeze(1), gate * s.width)  # type: ignore[union-attr]
        places = (row[r, : s.hidden] for row in self.parameters)
        return [*found, *((place, part[0][0]) for place, part in zip(places, tensors.parameters, strict=True))]

    def sums(self, r: int, tensors: LayerTensors) -> list[tuple[Tensor, Tensor]]:
        """Places, and what is added there after `pairs`, of the r-th layer."""
        places = (row[r, : self.sizes.hidden] for row in self.parameters)
        pairs = zip(places, tensors.parameters, strict=True)
        return [(place, other[0]) for place, (_, *others) in pairs for other in others]


class PassBuffers:
    """Buffers and jobs of a pass for one set of sizes: forward, and backward if `keep`.

    constants: the model's. mask: broadcastable to [R,B,T,W], or None.
    """

    def __init__(self, weights: Weights, constants: Sequence[float], mask: Tensor | None) -> None:
        s = self.sizes = weights.sizes
        self.weights, self._mask = weights, mask
        self.layout: Layout = layout_of(s.model, s.masked, s.learned, s.stored)
        like, lead = weights.parameters, (s.replicas, s.batch, s.steps)
        self.values, self.sent = empty((*lead, s.columns), like), empty((*lead, s.width), like)
        places, followed = len(self.layout.place), len(self.layout.checkpoint)
        self.start = like.new_zeros(places, s.replicas, s.batch, s.width)
        self.state = torch.empty_like(self.start)
        self._kept = empty((s.blocks if s.keep else 1, followed, s.replicas, s.batch, s.width), like)
        self._coefficients = empty((s.replicas, len(self.layout.rows), s.width), like)
        self._constants = torch.tensor(list(constants) or [0.0], dtype=torch.float32)
        self._threads = threads_for(s.replicas * s.groups * s.chunks)
        self._hoist, self._scan = self._runner("coefficients"), self._runner("forward")
        self._hoist.set(tasks=s.replicas)
        self._scan.set(tasks=s.replicas * s.groups * s.chunks)
        self._scan.point(weight_lat=weights.lat.buffer, weight_in=None if s.wide else weights.into.buffer)  # type: ignore[union-attr]

    def _runner(self, kind: Kind) -> Runner:
        s, layout, row = self.sizes, self.layout, 4 * self.sizes.width
        runner, state = Runner(kind, layout), s.replicas * s.batch * row
        runner.set(
            replicas=s.replicas,
            steps=s.steps,
            batch=s.batch,
            inputs=s.inputs,
            row=row,
            columns=s.columns,
            delay=s.delay,
            block=s.block,
            stretch=s.block * -(-_STRETCH // (s.block * s.chunk)),
            chunk=s.chunk,
            groups=s.groups,
            chunks=s.chunks,
            state_n=state,
            kept_s=len(layout.checkpoint) * state if s.keep else 0,
            coefficients_r=len(layout.rows) * row,
            parameters_p=s.replicas * row,
        )
        runner.point(values=self.values, sent=self.sent, start=self.start, state=self.state, kept=self._kept)
        runner.point(coefficients=self._coefficients, parameters=self.weights.parameters, constants=self._constants)
        if self._mask is not None:
            strides = self._mask.expand(s.replicas, s.batch, s.steps, s.width).stride()
            runner.point(mask=self._mask)
            runner.set(mask_r=4 * strides[0], mask_b=4 * strides[1], mask_t=4 * strides[2])
        return runner

    def _read(self, runner: Runner, x: Tensor) -> None:
        """x: [R or 1,B,T,I], contiguous."""
        if not self.sizes.wide:
            runner.point(x=x)
            runner.set(x_replica=0 if len(x) == 1 else 4 * x.stride(0))

    def forward(self, x: Tensor, history: Tensor | None) -> None:
        """x: [R or 1,B,T,I], history: [R,B,D,W], both contiguous."""
        s = self.sizes
        self._hoist.run(1)
        for r, weight in enumerate(self.weights.plain if self.weights.plain is not None else ()):
            torch.mm(x[r % len(x)].view(-1, s.inputs), weight, out=self.values[r].view(-1, s.columns))
        self.state.copy_(self.start)
        self._scan.point(history=history)
        self._read(self._scan, x)
        self._scan.run(self._threads)

    @property
    def final(self) -> Tensor:
        """The state after the last step [n,R,B,W]."""
        found, gates = self.state.clone(), _gates(self.values[:, :, -1], 2, self.sizes.model.gates)
        found[0] = self.sent[:, :, -1]
        for element, gate in self.layout.plan.kept.items():
            found[self.layout.place[element]] = gates[:, :, gate]
        return found

    def prepare_backward(self, wanted: Wanted) -> None:
        """Makes what only the way back needs."""
        s, layout, like = self.sizes, self.layout, self.sent
        self._wanted, self._tasks = wanted, s.replicas * s.groups
        self._threads_back = threads_for(self._tasks)
        self.total = (s.inputs + s.width) * s.columns + len(layout.learned_parts) * s.width
        self._slopes = self._coefficients[:, -self.layout.slopes :]
        self.totals = empty((s.replicas, s.groups, self.total), like)
        self._groups = self.totals.unbind(1)
        of_scan = scratch_bytes(layout) * (s.block + 1)
        size = OWN + of_scan + (0 if s.wide else 4 * s.chunk * s.steps * s.columns)
        size = -(-size // BYTES) * BYTES
        self._scratch = empty((self._threads_back, size // 4), like)
        self._zeros = like.new_zeros(max(s.width, LANES))
        self._g_values = empty(self.values.shape, like) if s.wide else None
        wide_inputs = s.inputs if s.wide else width_for(s.inputs)
        self._g_x = empty((s.replicas, s.batch, s.steps, wide_inputs), like) if wanted.x else None
        self._g_history = like.new_zeros(s.replicas, s.batch, s.delay, s.width) if wanted.history else None
        self._back = self._runner("backward")
        assert self.weights.lat_back is not None
        self._back.set(tasks=self._tasks, total=self.total, scratch_size=size, scan_scratch=of_scan)
        self._back.set(learns_in=int(wanted.weight_in and not s.wide), learns_lat=int(wanted.weight_lat))
        self._back.set(wide_inputs=wide_inputs)
        self._back.point(weight_lat=self.weights.lat_back.buffer, totals=self.totals, scratch=self._scratch)
        self._back.point(
            weight_in=None if self.weights.in_back is None else self.weights.in_back.buffer, zeros=self._zeros
        )
        self._back.point(g_values=self._g_values, g_x=None if s.wide else self._g_x, g_history=self._g_history)
        sizes = [s.inputs * s.columns, s.width * s.columns, len(layout.learned_parts) * s.width]
        of_in, of_lat, of_parameters = torch.split(self._groups[0], sizes, 1)
        self.gradients = Gradients(
            _gates(of_in, 1, s.inputs) if not s.wide else like.new_zeros(s.replicas, s.inputs, s.columns),
            _gates(of_lat, 1, s.width),
            of_parameters.view(s.replicas, -1, s.width)
            if layout.learned_parts
            else like.new_zeros(s.replicas, 0, s.width),
            self._g_x,
            self._g_history,
            self.state,
        )

    def backward(self, x: Tensor, history: Tensor | None, upstream: Tensor | None) -> Gradients:
        """upstream: gradient of what was sent [R,B,T,W]. `state` holds that of the final state, then the start's."""
        s, back = self.sizes, self._back
        back.point(upstream=self._zeros if upstream is None else upstream, history=history)
        back.set(upstream_t=0 if upstream is None else 4 * s.width)
        self._read(back, x)
        back.run(self._threads_back)
        for group in self._groups[1:]:  # in their order
            self._groups[0].add_(group)
        found = self.gradients
        if s.wide:
            self._torch_products(x)
        if self.layout.slopes:
            found.parameters.mul_(self._slopes)
        return found

    def _torch_products(self, x: Tensor) -> None:
        """Gradients of wide inputs and their weights."""
        s, found, plain = self.sizes, self.gradients, self.weights.plain
        assert self._g_values is not None
        assert plain is not None
        for r, g in enumerate(self._g_values.view(s.replicas, -1, s.columns).unbind(0)):
            if self._wanted.weight_in:
                torch.mm(x[r % len(x)].view(-1, s.inputs).t(), g, out=found.weight_in[r])
            if found.x is not None:
                torch.mm(g, plain[r].t(), out=found.x[r].view(-1, s.inputs))


class Wanted(NamedTuple):
    """True if a gradient is wanted."""

    x: bool
    history: bool
    weight_in: bool
    weight_lat: bool


class Gradients(NamedTuple):
    """weight_in [R,I,G*W], weight_lat [R,W,G*W], parameters [R,P,W] of the learned, x [R,B,T,N], history, start."""

    weight_in: Tensor
    weight_lat: Tensor
    parameters: Tensor
    x: Tensor | None
    history: Tensor | None
    start: Tensor

    def pairs(self, s: Sizes, r: int, tensors: LayerTensors) -> list[tuple[Tensor, Tensor]]:
        """Places in the r-th layer's gradients, and what is copied there."""
        gates, hidden = s.model.gates, s.hidden
        found = []
        for wide, narrow in ((self.weight_in[r], tensors.weight_in), (self.weight_lat[r, :hidden], tensors.weight_lat)):
            found.append((_gates(narrow, 1, gates), _gates(wide, 1, gates)[..., :hidden]))
        for row, parts in zip(self.parameters[r], tensors.parameters, strict=False):
            found += [(part[0], row[:hidden]) for part in parts]
        return found
