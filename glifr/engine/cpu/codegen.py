"""The forward and backward scan of a neuron model in LLVM's instructions, made from its plan.

Forward, a sample goes through the steps of a block, sixteen neurons at a time, and its state stays in the first cache.
Backward, sixteen neurons go through all steps of a segment: gradients and sums stay in registers. At the start of each
segment the followed elements are kept; the backward scan first recomputes those of the segment into a scratch.

What is the same in all steps (`plan.hoisted`) is computed before, once a pass, as rows of coefficients.

Memory, all float32: rows are W numbers of one sample at one step. Values [R,T,B,G,W], sent [R,T,B,W], states [n,R,B,W]
with the elements that are not sent, checkpoints [segments,F,R,B,W] of the F followed elements, coefficients [R,n,W],
sums [groups,R,P,W] of the P parts of parameters. Sizes come from the plan alone (`Layout`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from glifr.engine.cpu.llvm import BYTES, FLOATS, Address, Arithmetic, integer, loop, number
from glifr.engine.graph import Input, Node, needed
from glifr.engine.plan import Element, Plan, hoisted, is_invariant


class Job(NamedTuple):
    """Places in a job of 64-bit integers: counts, addresses, and distances in bytes."""

    next_task: int = 0  # the counter that threads draw from
    next_thread: int = 1
    tasks: int = 2  # R times groups
    groups: int = 3  # of samples, in each replica
    samples: int = 4  # in a group
    batch: int = 5  # samples
    row: int = 6  # W numbers
    begin: int = 7  # the steps of this call
    end: int = 8
    segment: int = 9  # steps between two checkpoints
    values: int = 10  # synaptic input, which becomes slots [R,T,B,G,W]
    values_r: int = 11
    values_t: int = 12
    sent: int = 13  # [R,T,B,W]
    sent_r: int = 14
    sent_t: int = 15
    mask: int = 16
    mask_r: int = 17
    mask_t: int = 18
    mask_b: int = 19
    start: int = 20  # elements before the first step [n,R,B,W]
    state: int = 21  # forward: the followed elements [n,R,B,W]; backward: gradients of all elements
    state_n: int = 22  # from an element to the next
    state_r: int = 23
    kept: int = 24  # checkpoints of this call
    kept_s: int = 25  # from a segment to the next; 0 where no backward scan follows
    coefficients: int = 26
    coefficients_r: int = 27
    reaching: int = 28  # gradient that reaches what was sent, of the first step of this call [R,t,B,W]
    reaching_r: int = 29
    reaching_t: int = 30
    reaching_b: int = 31
    gradient: int = 32  # of the synaptic input, laid out as values
    sums: int = 33
    sums_task: int = 34
    scratch: int = 35  # [threads, (segment + 1) F 16]
    scratch_size: int = 36  # bytes of a thread's
    parameters: int = 37  # [P,R,W]
    parameters_p: int = 38
    constants: int = 39  # numbers


JOB = Job()


class Layout:
    """Which row of memory is what, for one plan."""

    def __init__(self, plan: Plan, learned: bool) -> None:
        self.plan, self.learned = plan, learned
        model = plan.model
        self.sent = plan.elements[0]
        self.place = {element: n for n, element in enumerate(plan.elements)}  # in start, state and gradients
        self.checkpoint = {element: n for n, element in enumerate(plan.followed)}
        gradients = zip(plan.gradients_of, plan.backward, strict=True)
        self.backward = {which: node for which, node in gradients if learned or which.kind != "parameter"}
        self.learned_parts = [which for which in self.backward if which.kind == "parameter"]
        self.parameters = {w: n for n, w in enumerate(w for w in plan.gradients_of if w.kind == "parameter")}
        self.constants = {Input("constant", c.name): n for n, c in enumerate(model.constants)}
        rows: dict[Node, None] = {}
        for outputs in (self.forward_outputs, plan.recompute, list(self.backward.values())):
            rows |= dict.fromkeys([*hoisted(outputs), *(n for n in outputs if is_invariant(n) and n.op != "const")])
        self.coefficients = {node: n for n, node in enumerate(rows)}

    @property
    def forward_outputs(self) -> list[Node]:
        return [*self.plan.forward, *(n for n in self.plan.slots if n is not None)]

    @property
    def scratch_bytes(self) -> int:
        """A step's."""
        return BYTES * len(self.plan.followed)


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
        return {
            n: (column + self.times(row, integer(self.layout.coefficients[n]))).load() for n in dict.fromkeys(wanted)
        }


def emit_coefficients(builder: Any, job: Any, task: Any, layout: Layout) -> None:
    """Computes the rows of coefficients of one replica, which is the task."""
    e = _Emitter(builder, job, layout)
    row, rows = e.field(JOB.row), list(layout.coefficients)
    if not rows:
        return
    parameters = e.address(JOB.parameters) + e.times(task, row)
    target, constants, stride = (
        e.address(JOB.coefficients) + e.times(task, e.field(JOB.coefficients_r)),
        e.address(JOB.constants),
        e.field(JOB.parameters_p),
    )

    def column(_: Any, k: Any) -> list[Any]:
        def read(which: Input) -> Any:
            if which.kind == "constant":
                return (constants + 4 * layout.constants[which]).load_everywhere()
            return (parameters + e.times(stride, integer(layout.parameters[which])) + k).load()

        for n, value in enumerate(e.compute(rows, {}, read)):
            (target + e.times(row, integer(n)) + k).store(value)
        return [builder.add(k, integer(BYTES))]

    loop(builder, _columns(builder, row), [integer(0)], column)


def _columns(builder: Any, row: Any) -> Any:
    return builder.udiv(row, integer(BYTES))


def _least(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


class _Sample:
    """Addresses of one sample of a replica."""

    def __init__(self, e: _Emitter, replica: Any, sample: Any) -> None:
        row = self.row = e.field(JOB.row)
        at = e.times(sample, row)
        gates = integer(e.plan.model.gates)
        self.e = e
        self.values_t, self.sent_t, self.mask_t = e.field(JOB.values_t), e.field(JOB.sent_t), e.field(JOB.mask_t)
        begin = self.begin = e.field(JOB.begin)
        in_values = e.builder.add(e.times(replica, e.field(JOB.values_r)), e.times(at, gates))
        in_values = e.builder.add(in_values, e.times(begin, self.values_t))
        self.values, self.gradient = e.address(JOB.values) + in_values, e.address(JOB.gradient) + in_values
        self.sent = e.address(JOB.sent) + e.times(replica, e.field(JOB.sent_r)) + at + e.times(begin, self.sent_t)
        mask = e.address(JOB.mask) + e.times(replica, e.field(JOB.mask_r)) + e.times(sample, e.field(JOB.mask_b))
        self.mask = mask + e.times(begin, self.mask_t)
        in_state = e.builder.add(e.times(replica, e.field(JOB.state_r)), at)
        self.state_n = e.field(JOB.state_n)
        self.start, self.state = e.address(JOB.start) + in_state, e.address(JOB.state) + in_state
        self.kept, self.kept_s = e.address(JOB.kept) + in_state, e.field(JOB.kept_s)
        self.first = e.builder.icmp_signed("==", begin, integer(0))

    def element(self, base: Address, place: int) -> Address:
        return base + self.e.times(self.state_n, integer(place))

    def gate(self, row: Address, gate: int) -> Address:
        return row + self.e.times(self.row, integer(gate))

    def before(self, element: Element) -> Address:
        """Where an element that is sent or lies in a slot is before the first step of this call."""
        layout = self.e.layout
        if element == layout.sent:
            here = self.sent - self.sent_t
        else:
            here = self.gate(self.values - self.values_t, layout.plan.kept[element])
        start = self.element(self.start, layout.place[element])
        return Address(self.e.builder, self.e.builder.select(self.first, start.value, here.value))


def _over_samples(e: _Emitter, task: Any, body: Any) -> None:
    """`body(replica, sample)` for each sample of a task, if it has any."""
    builder, groups, samples = e.builder, e.field(JOB.groups), e.field(JOB.samples)
    replica, group = builder.sdiv(task, groups), builder.srem(task, groups)
    first = e.times(group, samples)
    count = _least(builder, samples, builder.sub(e.field(JOB.batch), first))
    with builder.if_then(builder.icmp_signed(">", count, integer(0))):

        def each(_: Any, sample: Any) -> list[Any]:
            body(replica, sample)
            return [builder.add(sample, integer(1))]

        loop(builder, count, [first], each)


def emit_forward(builder: Any, job: Any, task: Any, layout: Layout) -> None:
    """Takes the samples of a task through the steps of a call."""
    e = _Emitter(builder, job, layout)
    plan, outputs = layout.plan, layout.forward_outputs
    arrays = [layout.sent, *plan.kept]  # elements that lie in memory step by step

    def sample(replica: Any, number_of_sample: Any) -> None:
        at = _Sample(e, replica, number_of_sample)
        row = at.row
        coefficients = e.address(JOB.coefficients) + e.times(replica, e.field(JOB.coefficients_r))
        followed = [at.element(at.state, layout.place[f]) for f in plan.followed]
        checkpoints = [at.element(at.kept, n) for n in range(len(plan.followed))]
        segment = e.field(JOB.segment)

        def segments(_: Any, begin: Any, values: Address, sent: Address, mask: Address, *before: Address) -> list[Any]:
            steps = _least(builder, segment, builder.sub(e.field(JOB.end), begin))
            skip = e.times(builder.sdiv(builder.sub(begin, at.begin), segment), at.kept_s)

            def keep(_: Any, k: Any) -> list[Any]:
                for source, target in zip(followed, checkpoints, strict=True):
                    (target + skip + k).store((source + k).load())
                return [builder.add(k, integer(BYTES))]

            if followed:
                loop(builder, _columns(builder, row), [integer(0)], keep)

            def step(_: Any, values: Address, sent: Address, mask: Address, *before: Address) -> list[Any]:
                def column(_: Any, k: Any) -> list[Any]:
                    def read(which: Input) -> Any:
                        if which.kind == "mask":
                            return (mask + k).load()
                        if which.kind == "synaptic":
                            return (at.gate(values, int(which.name)) + k).load()
                        element = Element(which.name, which.part)
                        if element in layout.checkpoint:
                            return (followed[layout.checkpoint[element]] + k).load()
                        return (before[arrays.index(element)] + k).load()

                    known = e.coefficients(outputs, row, coefficients + k)
                    found = e.compute(outputs, known, read)
                    new = dict(zip(plan.elements, found, strict=False))
                    slots = iter(found[len(plan.elements) :])
                    for gate, node in enumerate(plan.slots):
                        if node is not None:
                            (at.gate(values, gate) + k).store(next(slots))
                    (sent + k).store(new[layout.sent])
                    for place, element in zip(followed, plan.followed, strict=True):
                        (place + k).store(new[element])
                    return [builder.add(k, integer(BYTES))]

                loop(builder, _columns(builder, row), [integer(0)], column)
                now = [sent, *(at.gate(values, gate) for gate in plan.kept.values())]
                return [values + at.values_t, sent + at.sent_t, mask + at.mask_t, *now]

            ends = loop(builder, steps, [values, sent, mask, *before], step)
            return [builder.add(begin, steps), *ends]

        count = _segments(e, at.begin, segment)
        loop(builder, count, [at.begin, at.values, at.sent, at.mask, *(at.before(a) for a in arrays)], segments)

    _over_samples(e, task, sample)


def _segments(e: _Emitter, begin: Any, segment: Any) -> Any:
    """How many the steps of a call fall into."""
    steps = e.builder.sub(e.field(JOB.end), begin)
    return e.builder.sdiv(e.builder.add(steps, e.builder.sub(segment, integer(1))), segment)


def emit_backward(builder: Any, job: Any, task: Any, thread: Any, layout: Layout) -> None:
    """Takes gradients of the samples of a task from the last step of a call to its first."""
    e = _Emitter(builder, job, layout)
    scratch = e.address(JOB.scratch) + e.times(thread, e.field(JOB.scratch_size))
    sums = e.address(JOB.sums) + e.times(task, e.field(JOB.sums_task))

    def sample(replica: Any, number_of_sample: Any) -> None:
        at = _Sample(e, replica, number_of_sample)
        coefficients = e.address(JOB.coefficients) + e.times(replica, e.field(JOB.coefficients_r))
        reaching = e.address(JOB.reaching) + e.times(replica, e.field(JOB.reaching_r))
        reaching = reaching + e.times(number_of_sample, e.field(JOB.reaching_b))
        segment = e.field(JOB.segment)
        count = _segments(e, at.begin, segment)

        def column(_: Any, k: Any) -> list[Any]:
            def segments(left: Any, end: Any) -> list[Any]:
                first = e.times(builder.sub(left, integer(1)), segment)  # from the call's first step
                _Segment(e, at, k, first, builder.sub(end, first)).emit(coefficients, reaching, sums, scratch)
                return [first]

            loop(builder, count, [builder.sub(e.field(JOB.end), at.begin)], segments)
            return [builder.add(k, integer(BYTES))]

        loop(builder, _columns(builder, at.row), [integer(0)], column)

    _over_samples(e, task, sample)


class _Segment:
    """Sixteen neurons of a sample through the steps between two checkpoints: recomputed forward, then back."""

    def __init__(self, e: _Emitter, at: _Sample, k: Any, first: Any, steps: Any) -> None:
        self.e, self.at, self.k, self.first, self.steps = e, at, k, first, steps
        self.layout, self.plan, self.builder = e.layout, e.plan, e.builder
        self.arrays = [self.layout.sent, *self.plan.kept]
        self.values = at.values + e.times(first, at.values_t) + k
        self.sent = at.sent + e.times(first, at.sent_t) + k
        self.mask = at.mask + e.times(first, at.mask_t) + k
        begins = self.builder.icmp_signed("==", first, integer(0))
        self.before = [
            Address(self.builder, self.builder.select(begins, (at.before(a) + k).value, earlier.value))
            for a, earlier in zip(
                self.arrays, self._rows(self.values - at.values_t, self.sent - at.sent_t), strict=True
            )
        ]

    def _rows(self, values: Address, sent: Address) -> list[Address]:
        """Of the elements in `arrays` at a step."""
        return [sent, *(self.at.gate(values, gate) for gate in self.plan.kept.values())]

    def emit(self, coefficients: Address, reaching: Address, sums: Address, scratch: Address) -> None:
        if self.plan.followed:
            self._recompute(coefficients + self.k, scratch)
        self._back(coefficients + self.k, reaching, sums, scratch)

    def _read_step(self, which: Input, values: Address, mask: Address) -> Any:
        if which.kind == "mask":
            return mask.load()
        return self.at.gate(values, int(which.name)).load()  # a slot

    def _recompute(self, coefficients: Address, scratch: Address) -> None:
        """Writes the followed elements before each step, and after the last, to the scratch."""
        plan, layout, builder, at = self.plan, self.layout, self.builder, self.at
        known = self.e.coefficients(plan.recompute, at.row, coefficients)
        skip = self.e.times(builder.sdiv(self.first, self.e.field(JOB.segment)), at.kept_s)
        start = [(at.element(at.kept, n) + skip + self.k).load() for n in range(len(plan.followed))]

        def write(place: Address, followed: Sequence[Any]) -> None:
            for n, value in enumerate(followed):
                (place + BYTES * n).store(value)

        def step(_: Any, values: Address, sent: Address, mask: Address, place: Address, *carried: Any) -> list[Any]:
            followed, old = carried[: len(plan.followed)], carried[len(plan.followed) :]
            write(place, followed)
            new = [row.load() for row in self._rows(values, sent)]

            def read(which: Input) -> Any:
                element = Element(which.name, which.part)
                if which.kind == "state" and element in layout.checkpoint:
                    return followed[layout.checkpoint[element]]
                if which.kind in ("state", "new"):
                    return (old if which.kind == "state" else new)[self.arrays.index(element)]
                return self._read_step(which, values, mask)

            found = self.e.compute(plan.recompute, known, read)
            return [
                values + at.values_t,
                sent + at.sent_t,
                mask + at.mask_t,
                place + layout.scratch_bytes,
                *found,
                *new,
            ]

        pointers = [self.values, self.sent, self.mask, scratch]
        ends = loop(builder, self.steps, [*pointers, *start, *(b.load() for b in self.before)], step)
        write(ends[3], ends[4 : 4 + len(plan.followed)])

    def _back(self, coefficients: Address, reaching: Address, sums: Address, scratch: Address) -> None:
        e, plan, layout, builder, at = self.e, self.plan, self.layout, self.builder, self.at
        outputs = list(layout.backward.values())
        known = e.coefficients(outputs, at.row, coefficients)
        carries = [at.element(at.state, layout.place[element]) + self.k for element in plan.elements]
        totals = [sums + e.times(at.row, integer(n)) + self.k for n in range(len(layout.learned_parts))]
        more = builder.sub(self.steps, integer(1))
        values, sent = self.values + e.times(more, at.values_t), self.sent + e.times(more, at.sent_t)
        mask, reaching_t = self.mask + e.times(more, at.mask_t), e.field(JOB.reaching_t)
        reaching = reaching + e.times(builder.add(self.first, more), reaching_t) + self.k
        away = builder.sub(e.field(JOB.gradient), e.field(JOB.values))
        place = scratch + e.times(more, integer(layout.scratch_bytes))
        after = [(place + (layout.scratch_bytes + BYTES * n)).load() for n in range(len(plan.followed))]
        pointers = [values, sent, mask, reaching, place]
        elements = [*self.arrays, *plan.followed]
        count = len(elements)

        def step(
            left: Any, values: Address, sent: Address, mask: Address, up: Address, place: Address, *rest: Any
        ) -> list[Any]:
            new = dict(zip(elements, rest[:count], strict=True))
            carried = dict(zip(plan.elements, rest[count : 2 * count], strict=True))
            first = builder.icmp_signed("==", left, integer(1))
            earlier = self._rows(values - at.values_t, sent - at.sent_t)
            olds = [
                Address(builder, builder.select(first, b.value, here.value)).load()
                for b, here in zip(self.before, earlier, strict=True)
            ]
            olds += [(place + BYTES * n).load() for n in range(len(plan.followed))]
            old = dict(zip(elements, olds, strict=True))
            gradients = {**carried, layout.sent: e.table["add"](carried[layout.sent], up.load())}
            for address in (values, sent, up):
                (address + at.row).prefetch()

            def read(which: Input) -> Any:
                element = Element(which.name, which.part)
                by_kind = {"state": old, "new": new, "gradient": gradients}
                return by_kind[which.kind][element] if which.kind in by_kind else self._read_step(which, values, mask)

            found = dict(zip(layout.backward, e.compute(outputs, known, read), strict=True))
            for gate in range(plan.model.gates):
                (at.gate(values, gate) + away).store(found[Input("synaptic", str(gate))])
            states = [found[Input("state", *element)] for element in plan.elements]
            totals = [e.table["add"](t, found[p]) for t, p in zip(rest[2 * count :], layout.learned_parts, strict=True)]
            back = [values - at.values_t, sent - at.sent_t, mask - at.mask_t, up - reaching_t]
            return [*back, place - integer(layout.scratch_bytes), *(old[x] for x in elements), *states, *totals]

        new = [row.load() for row in self._rows(values, sent)]
        memory = [*carries, *totals]
        ends = loop(builder, self.steps, [*pointers, *new, *after, *(m.load() for m in memory)], step)
        for target, value in zip(memory, ends[len(pointers) + count :], strict=True):
            target.store(value)


__all__ = ["FLOATS", "JOB", "Job", "Layout", "emit_backward", "emit_coefficients", "emit_forward"]
