"""The forward and backward scan of a neuron model in LLVM's instructions, made from its plan.

Forward, a sample goes through the steps of a block, sixteen neurons at a time, and its state stays in the first cache.
Backward, sixteen neurons go through all steps of a block: gradients and sums stay in registers. At the start of each
block the followed elements are kept; the backward scan first recomputes those of the block into a scratch.

What is the same in all steps (`plan.hoisted`) is computed before, once a pass, as rows of coefficients. Sizes come from
the plan alone (`Layout`); where everything lies: `job.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glifr.engine.cpu.job import JOB
from glifr.engine.cpu.llvm import BYTES, Address, Arithmetic, integer, loop, number
from glifr.engine.graph import LOGICAL, Input, Node, needed
from glifr.engine.layout import Layout
from glifr.engine.plan import Element, hoisted, is_invariant


def scratch_bytes(layout: Layout) -> int:
    """Of a step: what a backward scan recomputes."""
    return BYTES * len(layout.plan.followed)


class _Emitter:
    """What all three functions need: the job's fields, and nodes as values."""

    def __init__(self, builder: Any, job: Any, layout: Layout) -> None:
        self.builder, self._job, self.layout, self.plan = builder, Address(builder, job), layout, layout.plan
        self.table = Arithmetic(builder).table

    def field(self, place: int) -> Any:
        return (self._job + 8 * place).load_integer()

    def address(self, place: int) -> Address:
        return Address(self.builder, self.field(place))

    def times(self, a: Any, b: Any) -> Any:
        return self.builder.mul(a, b)

    def compute(self, outputs: Sequence[Node], known: Mapping[Node, Any], read: Any) -> list[Any]:
        """The values of the outputs. known: values that are there already. read: gives an input's value."""
        values = dict(known)
        for node in needed(outputs, stop=frozenset(known)):
            if node in values:
                continue
            if node.op == "const":
                values[node] = number(node.value)
            elif node.op == "input":
                values[node] = read(node.value)
            else:
                values[node] = self.table[node.op](*(values[a] for a in node.args))
        return [values[node] for node in outputs]

    def coefficients(self, outputs: Sequence[Node], row: Any, column: Address) -> dict[Node, Any]:
        """Loads the hoisted rows that some outputs read. column: of the first row."""
        wanted = [*hoisted(outputs), *(n for n in outputs if is_invariant(n) and n.op != "const")]
        found = {}
        for node in dict.fromkeys(wanted):
            value = (column + self.times(row, integer(self.layout.coefficients[node]))).load()
            found[node] = self.table["not"](self.table["eq"](value, number(0.0))) if node.op in LOGICAL else value
        return found


def emit_coefficients(builder: Any, layout: Layout, job: Any, replica: Any, *_: Any) -> None:
    """Computes the rows of coefficients of one replica."""
    e = _Emitter(builder, job, layout)
    row, rows = e.field(JOB.row), layout.rows
    if not rows:
        return
    parameters = e.address(JOB.parameters) + e.times(replica, row)
    target, constants, stride = (
        e.address(JOB.coefficients) + e.times(replica, e.field(JOB.coefficients_r)),
        e.address(JOB.constants),
        e.field(JOB.parameters_p),
    )

    def column(_: Any, k: Any) -> list[Any]:
        def read(which: Input) -> Any:
            if which.kind == "constant":
                return (constants + 4 * layout.constants[which]).load_everywhere()
            return (parameters + e.times(stride, integer(layout.parameters[which])) + k).load()

        for n, (node, value) in enumerate(zip(rows, e.compute(rows, {}, read), strict=True)):
            value = e.table["where"](value, number(1.0), number(0.0)) if node.op in LOGICAL else value
            (target + e.times(row, integer(n)) + k).store(value)
        return [builder.add(k, integer(BYTES))]

    loop(builder, _columns(builder, row), [integer(0)], column)


def _columns(builder: Any, row: Any) -> Any:
    return builder.udiv(row, integer(BYTES))


class _Sample:
    """Addresses of one sample of a replica, at the first step of a block."""

    def __init__(self, e: _Emitter, replica: Any, sample: Any, begin: Any) -> None:
        self.e, self.row, self.state_n = e, e.field(JOB.row), e.field(JOB.state_n)
        batch, steps = e.field(JOB.batch), e.field(JOB.steps)
        number = e.builder.add(e.times(replica, batch), sample)
        rows = e.builder.add(e.times(number, steps), begin)
        self.values_t, self.mask_t = e.times(self.row, integer(e.plan.model.gates)), e.field(JOB.mask_t)
        self.values = e.address(JOB.values) + e.times(rows, self.values_t)
        self.sent = e.address(JOB.sent) + e.times(rows, self.row)
        self.upstream_t = e.field(JOB.upstream_t)
        self.upstream = e.address(JOB.upstream) + e.times(rows, self.upstream_t)
        mask = e.address(JOB.mask) + e.times(replica, e.field(JOB.mask_r)) + e.times(sample, e.field(JOB.mask_b))
        self.mask = mask + e.times(begin, self.mask_t)
        in_state = e.times(number, self.row)
        self.start, self.state = e.address(JOB.start) + in_state, e.address(JOB.state) + in_state
        block = e.builder.sdiv(begin, e.field(JOB.block))
        self.kept = e.address(JOB.kept) + in_state + e.times(block, e.field(JOB.kept_s))
        self.coefficients = e.address(JOB.coefficients) + e.times(replica, e.field(JOB.coefficients_r))
        self.first = e.builder.icmp_signed("==", begin, integer(0))

    def element(self, base: Address, place: int) -> Address:
        found: Address = base + self.e.times(self.state_n, integer(place))
        return found

    def gate(self, row: Address, gate: int) -> Address:
        found: Address = row + self.e.times(self.row, integer(gate))
        return found

    def rows(self, values: Address, sent: Address) -> list[Address]:
        """Of the elements that lie in memory step by step: what is sent, and what lies in slots."""
        return [sent, *(self.gate(values, gate) for gate in self.e.plan.kept.values())]

    def before(self) -> list[Address]:
        """The same, before the block."""
        builder, place = self.e.builder, self.e.layout.place
        starts = [self.element(self.start, place[element]) for element in self.e.layout.stepwise]
        here = self.rows(self.values - self.values_t, self.sent - self.row)
        pairs = zip(starts, here, strict=True)
        return [Address(builder, builder.select(self.first, start.value, row.value)) for start, row in pairs]


def _over_samples(e: _Emitter, first: Any, count: Any, body: Any) -> None:
    def each(_: Any, sample: Any) -> list[Any]:
        body(sample)
        return [e.builder.add(sample, integer(1))]

    loop(e.builder, count, [first], each)


def emit_forward(
    builder: Any, layout: Layout, job: Any, replica: Any, first: Any, count: Any, begin: Any, end: Any, _: Any
) -> None:
    """Takes `count` samples of a replica through the steps begin .. end-1."""
    e, steps = _Emitter(builder, job, layout), builder.sub(end, begin)
    _over_samples(e, first, count, lambda sample: _Steps(e, _Sample(e, replica, sample, begin)).emit(steps))


class _Steps:
    """A sample through the steps of a block, forward."""

    def __init__(self, e: _Emitter, at: _Sample) -> None:
        self.e, self.at, self.layout, self.plan, self.builder = e, at, e.layout, e.plan, e.builder
        self.followed = [at.element(at.state, e.layout.place[f]) for f in e.plan.followed]

    def emit(self, steps: Any) -> None:
        at = self.at
        if self.followed:
            self._over_columns(self._keep)

        def step(_: Any, values: Address, sent: Address, mask: Address, *before: Address) -> list[Any]:
            self._over_columns(lambda k: self._column(k, values, sent, mask, before))
            return [values + at.values_t, sent + at.row, mask + at.mask_t, *at.rows(values, sent)]

        loop(self.builder, steps, [at.values, at.sent, at.mask, *at.before()], step)

    def _over_columns(self, body: Any) -> None:
        """body: of the first byte of sixteen neurons."""

        def column(_: Any, k: Any) -> list[Any]:
            body(k)
            return [self.builder.add(k, integer(BYTES))]

        loop(self.builder, _columns(self.builder, self.at.row), [integer(0)], column)

    def _keep(self, k: Any) -> None:
        """Writes a checkpoint."""
        for number_of_element, source in enumerate(self.followed):
            (self.at.element(self.at.kept, number_of_element) + k).store((source + k).load())

    def _column(self, k: Any, values: Address, sent: Address, mask: Address, before: Sequence[Address]) -> None:
        """Sixteen neurons through a step."""
        layout, plan, at, outputs = self.layout, self.plan, self.at, self.layout.forward_outputs

        def read(which: Input) -> Any:
            if which.kind == "mask":
                return (mask + k).load()
            if which.kind == "synaptic":
                return (at.gate(values, int(which.name)) + k).load()
            element = Element(which.name, which.part)
            if element in layout.checkpoint:
                return (self.followed[layout.checkpoint[element]] + k).load()
            return (before[layout.stepwise.index(element)] + k).load()

        found = self.e.compute(outputs, self.e.coefficients(outputs, at.row, at.coefficients + k), read)
        new, slots = dict(zip(plan.elements, found, strict=False)), iter(found[len(plan.elements) :])
        for gate, node in enumerate(plan.slots):
            if node is not None:
                (at.gate(values, gate) + k).store(next(slots))
        (sent + k).store(new[layout.sent])
        for place, element in zip(self.followed, plan.followed, strict=True):
            (place + k).store(new[element])


def emit_backward(  # noqa: PLR0913 - what `passes.py` calls it with
    builder: Any, layout: Layout, job: Any, replica: Any, first: Any, count: Any, begin: Any, end: Any, own: Any
) -> None:
    """Takes gradients of some samples from the last step of a block to its first.

    own: the address of a thread's memory: the end of the steps to which lateral input sends a gradient, the address of
    the gradient of synaptic input [samples,T,G,W], that of the sums, and a scratch.
    """
    e, own = _Emitter(builder, job, layout), Address(builder, own)
    lateral, gradient, sums = ((own + 8 * n).load_integer() for n in range(3))
    scratch = own + 24

    def sample(number_of_sample: Any) -> None:
        at = _Sample(e, replica, number_of_sample, begin)
        rows = e.times(builder.sub(number_of_sample, first), e.field(JOB.steps))
        to = Address(builder, gradient) + e.times(builder.add(rows, begin), at.values_t)
        steps, reached = builder.sub(end, begin), builder.sub(lateral, begin)

        def column(_: Any, k: Any) -> list[Any]:
            _Columns(e, at, k, steps).emit(to + k, reached, Address(builder, sums) + k, scratch)
            return [builder.add(k, integer(BYTES))]

        loop(builder, _columns(builder, at.row), [integer(0)], column)

    _over_samples(e, first, count, sample)


class _Columns:
    """Sixteen neurons of a sample through the steps of a block: recomputed forward, then back. k: their first byte."""

    def __init__(self, e: _Emitter, at: _Sample, k: Any, steps: Any) -> None:
        self.e, self.at, self.k, self.steps = e, at, k, steps
        self.layout, self.plan, self.builder = e.layout, e.plan, e.builder
        self.values, self.sent, self.mask = at.values + k, at.sent + k, at.mask + k
        self.before = [row + k for row in at.before()]

    def emit(self, to: Address, reached: Any, sums: Address, scratch: Address) -> None:
        """to: the gradient of synaptic input at the first step. reached: steps whose place holds a lateral one."""
        if self.plan.followed:
            self._recompute(scratch)
        self._back(to, reached, sums, scratch)

    def _read_step(self, which: Input, values: Address, mask: Address) -> Any:
        """A mask or a slot."""
        return mask.load() if which.kind == "mask" else self.at.gate(values, int(which.name)).load()

    def _recompute(self, scratch: Address) -> None:
        """Writes the followed elements before each step, and after the last, to the scratch."""
        plan, layout, at, count = self.plan, self.layout, self.at, len(self.plan.followed)
        known = self.e.coefficients(plan.recompute, at.row, at.coefficients + self.k)
        start = [(at.element(at.kept, n) + self.k).load() for n in range(count)]

        def write(place: Address, followed: Sequence[Any]) -> None:
            for n, value in enumerate(followed):
                (place + BYTES * n).store(value)

        def step(_: Any, values: Address, sent: Address, mask: Address, place: Address, *carried: Any) -> list[Any]:
            followed, old = carried[:count], carried[count:]
            write(place, followed)
            new = [row.load() for row in at.rows(values, sent)]

            def read(which: Input) -> Any:
                element = Element(which.name, which.part)
                if which.kind == "state" and element in layout.checkpoint:
                    return followed[layout.checkpoint[element]]
                if which.kind in ("state", "new"):
                    return (old if which.kind == "state" else new)[layout.stepwise.index(element)]
                return self._read_step(which, values, mask)

            found = self.e.compute(plan.recompute, known, read)
            pointers = [values + at.values_t, sent + at.row, mask + at.mask_t, place + scratch_bytes(layout)]
            return [*pointers, *found, *new]

        pointers = [self.values, self.sent, self.mask, scratch]
        ends = loop(self.builder, self.steps, [*pointers, *start, *(row.load() for row in self.before)], step)
        write(ends[3], ends[4 : 4 + count])

    def _back(self, to: Address, reached: Any, sums: Address, scratch: Address) -> None:
        e, plan, layout, builder, at = self.e, self.plan, self.layout, self.builder, self.at
        outputs, elements = list(layout.backward.values()), [*layout.stepwise, *plan.followed]
        count = len(elements)
        known = e.coefficients(outputs, at.row, at.coefficients + self.k)
        carries = [at.element(at.state, layout.place[element]) + self.k for element in plan.elements]
        memory = [*carries, *(sums + e.times(at.row, integer(n)) for n in range(len(layout.learned_parts)))]
        more = builder.sub(self.steps, integer(1))
        place = scratch + e.times(more, integer(scratch_bytes(layout)))
        after = [(place + (scratch_bytes(layout) + BYTES * n)).load() for n in range(len(plan.followed))]
        strides = [at.values_t, at.row, at.mask_t, at.upstream_t, at.values_t, integer(scratch_bytes(layout))]
        firsts = [self.values, self.sent, self.mask, at.upstream + self.k, to]
        pointers = [*(p + e.times(more, stride) for p, stride in zip(firsts, strides, strict=False)), place]
        zeros = e.address(JOB.zeros)

        def step(left: Any, *carried: Any) -> list[Any]:
            here, rest = carried[: len(pointers)], carried[len(pointers) :]
            values, sent, mask, up, to, place = here
            new = dict(zip(elements, rest[:count], strict=True))
            gradients = dict(zip(plan.elements, rest[count : count + len(carries)], strict=True))
            olds = self._olds(left, values, sent, place)
            old = dict(zip(elements, olds, strict=True))
            has_lateral = builder.icmp_signed("<=", left, reached)
            lateral = Address(builder, builder.select(has_lateral, to.value, zeros.value)).load()
            arrived = e.table["add"](up.load(), lateral)
            gradients[layout.sent] = e.table["add"](gradients[layout.sent], arrived)
            ahead = e.times(e.field(JOB.steps), at.row)  # the next sample's
            for address in (values, sent, up):
                (address + ahead).prefetch()

            def read(which: Input) -> Any:
                by_kind = {"state": old, "new": new, "gradient": gradients}
                if which.kind in by_kind:
                    return by_kind[which.kind][Element(which.name, which.part)]
                return self._read_step(which, values, mask)

            found = dict(zip(layout.backward, e.compute(outputs, known, read), strict=True))
            for gate in range(plan.model.gates):
                at.gate(to, gate).store(found[Input("synaptic", str(gate))])
            states = [found[Input("state", *element)] for element in plan.elements]
            before = zip(rest[count + len(carries) :], layout.learned_parts, strict=True)
            totals = [e.table["add"](total, found[part]) for total, part in before]
            return [*(p - stride for p, stride in zip(here, strides, strict=True)), *olds, *states, *totals]

        new = [row.load() for row in at.rows(pointers[0], pointers[1])]
        ends = loop(builder, self.steps, [*pointers, *new, *after, *(m.load() for m in memory)], step)
        for target, value in zip(memory, ends[len(pointers) + count :], strict=True):
            target.store(value)

    def _olds(self, left: Any, values: Address, sent: Address, place: Address) -> list[Any]:
        """The elements before a step, in the order of those that lie in memory, then the followed."""
        builder, at = self.builder, self.at
        first = builder.icmp_signed("==", left, integer(1))
        earlier = at.rows(values - at.values_t, sent - at.row)
        rows = [builder.select(first, b.value, r.value) for b, r in zip(self.before, earlier, strict=True)]
        followed = [(place + BYTES * n).load() for n in range(len(self.plan.followed))]
        return [*(Address(builder, row).load() for row in rows), *followed]
