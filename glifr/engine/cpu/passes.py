# mypy: disable-error-code="untyped-decorator"
"""A pass over a layer, compiled once for all neuron models: block products, and between them the model's own scans.

Inside a block of at most D steps every synaptic input is one product. One thread takes a chunk of samples through all
blocks, so that what a product has written is still in its caches when the scan reads it, and no thread waits for
another. Products with the input, and of weight gradients, need no block: they take a stretch of several.

Where everything lies: `job.py`.
"""

from __future__ import annotations

from typing import Any

from glifr.engine.cpu.intrinsics import (
    call,
    called,
    clear,
    field,
    flush_denormals,
    inlined,
    put,
    restore_denormals,
    take,
)
from glifr.engine.cpu.job import JOB
from glifr.engine.cpu.products import multiply, multiply_across

OWN = 24  # bytes of a thread's scratch that hold what `codegen.emit_backward` reads there


def coefficients(job: int) -> None:
    """Computes the coefficients of each replica."""
    before = flush_denormals()
    while True:
        replica = take(job, JOB.next_task)
        if replica >= field(job, JOB.tasks):
            break
        call(field(job, JOB.scan), (job, replica, 0, 0, 0, 0, 0))
    restore_denormals(before)


def forward(job: int) -> None:
    """Turns inputs into what neurons send, a chunk a task."""
    before = flush_denormals()
    per_replica = field(job, JOB.groups) * field(job, JOB.chunks)
    steps, block = field(job, JOB.steps), field(job, JOB.block)
    while True:
        task = take(job, JOB.next_task)
        if task >= field(job, JOB.tasks):
            break
        replica, first, size = _chunk_of(job, task // per_replica, task % per_replica)
        if size > 0:
            for begin in range(0, steps, block):
                end = min(begin + block, steps)
                _synaptic_input(job, (replica, first, size), begin, end)
                call(field(job, JOB.scan), (job, replica, first, size, begin, end, 0))
    restore_denormals(before)


def backward(job: int) -> None:
    """Turns gradients of what was sent into those of the start, of inputs, weights and parameters, a group a task."""
    before = flush_denormals()
    own = field(job, JOB.scratch) + take(job, JOB.next_thread) * field(job, JOB.scratch_size)
    steps, block, groups, chunks = (
        field(job, JOB.steps),
        field(job, JOB.block),
        field(job, JOB.groups),
        field(job, JOB.chunks),
    )
    weights = 4 * (field(job, JOB.inputs) + field(job, JOB.row) // 4) * field(job, JOB.columns)
    while True:
        task = field(job, JOB.tasks) - 1 - take(job, JOB.next_task)  # those first that the forward pass came to last
        if task < 0:
            break
        replica, group = task // groups, task % groups
        totals = field(job, JOB.totals) + 4 * field(job, JOB.total) * task
        clear(totals, 4 * field(job, JOB.total))
        for number in range((group + 1) * chunks - 1, group * chunks - 1, -1):
            chunk = _chunk_of(job, replica, number)
            if chunk[2] <= 0:
                continue
            gradient = own + OWN + field(job, JOB.scan_scratch)
            if field(job, JOB.g_values) != 0:
                gradient = _row(job, field(job, JOB.g_values), 4 * field(job, JOB.columns), steps, chunk, 0)
            for begin in range((steps - 1) // block * block, -1, -block):
                end = min(begin + block, steps)
                put(own, 0, _lateral_gradient(job, gradient, chunk, begin, end))
                put(own, 1, gradient)
                put(own, 2, totals + weights)
                call(field(job, JOB.scan), (job, replica, chunk[1], chunk[2], begin, end, own))
                _weight_gradients(job, gradient, chunk, totals, begin)
            _history_gradient(job, gradient, chunk)
    restore_denormals(before)


def product(job: int) -> None:
    """Adds [R,n,K] times packed matrices to `values` [R,n,N], some rows a task. Here n is `steps`, K `inputs`."""
    before = flush_denormals()
    groups, rows, chunk = field(job, JOB.groups), field(job, JOB.steps), field(job, JOB.chunk)
    terms, columns, row = field(job, JOB.inputs), field(job, JOB.columns), field(job, JOB.row)
    while True:
        task = take(job, JOB.next_task)
        if task >= field(job, JOB.tasks):
            break
        replica, first = task // groups, task % groups * chunk
        left = field(job, JOB.x) + replica * field(job, JOB.x_replica) + first * row
        place = field(job, JOB.values) + 4 * columns * (replica * rows + first)
        weight = field(job, JOB.weight_in) + replica * 4 * terms * columns
        multiply((left, row, 0), weight, (place, 4 * columns, 0), 1, min(chunk, rows - first), terms, columns, 1)
    restore_denormals(before)


def product_across(job: int) -> None:
    """Adds the transposed [R,n,K] times `values` [R,n,N] to `totals` [R,K,N], a replica a task. Names as above."""
    before = flush_denormals()
    rows, terms, columns = field(job, JOB.steps), field(job, JOB.inputs), field(job, JOB.columns)
    while True:
        replica = take(job, JOB.next_task)
        if replica >= field(job, JOB.tasks):
            break
        left = field(job, JOB.x) + replica * field(job, JOB.x_replica)
        right = field(job, JOB.values) + replica * 4 * rows * columns
        place = field(job, JOB.totals) + replica * 4 * terms * columns
        multiply_across((left, field(job, JOB.row), 0), (right, 4 * columns, 0), 1, rows, terms, columns, place)
    restore_denormals(before)


@inlined
def _chunk_of(job: int, replica: int, number: int) -> Any:
    """A chunk: its replica, its first sample, and how many it has; 0 or fewer beyond the last."""
    first = number * field(job, JOB.chunk)
    return replica, first, min(field(job, JOB.chunk), field(job, JOB.batch) - first)


@inlined
def _row(job: int, array: int, row: int, steps: int, chunk: Any, t: int) -> Any:
    """The address of step t of the first sample of a chunk, in an array [R,B,steps,...] whose rows have `row` bytes."""
    replica, first, _ = chunk
    return array + row * ((replica * field(job, JOB.batch) + first) * steps + t)


@inlined
def _rows(address: int, row: int, steps: int) -> Any:
    """As products take the rows of a chunk: address, and from a step and a sample to the next."""
    return address, row, steps * row


@inlined
def _x(job: int, chunk: Any, t: int) -> Any:
    """As `_rows`, of the input, which replicas may share."""
    replica, first, size = chunk
    x, row, steps = (
        field(job, JOB.x) + replica * field(job, JOB.x_replica),
        4 * field(job, JOB.inputs),
        field(job, JOB.steps),
    )
    return _rows(_row(job, x, row, steps, (0, first, size), t), row, steps)


@called
def _synaptic_input(job: int, chunk: Any, begin: int, end: int) -> None:
    """Writes s of the steps begin .. end-1 to `values`; where a stretch begins, its products with the input."""
    replica, _, size = chunk
    steps, delay, columns, row = (
        field(job, JOB.steps),
        field(job, JOB.delay),
        field(job, JOB.columns),
        field(job, JOB.row),
    )
    values, width = field(job, JOB.values), row // 4
    if begin % field(job, JOB.stretch) == 0 and field(job, JOB.x) != 0:
        count, inputs = min(field(job, JOB.stretch), steps - begin), field(job, JOB.inputs)
        place = _rows(_row(job, values, 4 * columns, steps, chunk, begin), 4 * columns, steps)
        weight = field(job, JOB.weight_in) + replica * 4 * inputs * columns
        multiply(_x(job, chunk, begin), weight, place, size, count, inputs, columns, 0)
    weight = field(job, JOB.weight_lat) + replica * row * columns
    middle = min(max(begin, delay), end)  # before it, what is delayed lies before the first step
    if middle < end:
        sent = _rows(_row(job, field(job, JOB.sent), row, steps, chunk, middle - delay), row, steps)
        place = _rows(_row(job, values, 4 * columns, steps, chunk, middle), 4 * columns, steps)
        multiply(sent, weight, place, size, end - middle, width, columns, 1)
    if begin < middle and field(job, JOB.history) != 0:
        sent = _rows(_row(job, field(job, JOB.history), row, delay, chunk, begin), row, delay)
        place = _rows(_row(job, values, 4 * columns, steps, chunk, begin), 4 * columns, steps)
        multiply(sent, weight, place, size, middle - begin, width, columns, 1)


@called
def _lateral_gradient(job: int, gradient: int, chunk: Any, begin: int, end: int) -> Any:
    """Writes the gradient that lateral input sends to the steps begin .. n-1, and returns n <= end.

    It lies in the first W numbers of their rows, where the scan reads it before it writes its own.
    """
    steps, delay, columns, row = (
        field(job, JOB.steps),
        field(job, JOB.delay),
        field(job, JOB.columns),
        field(job, JOB.row),
    )
    last, wide = min(end, steps - delay), 4 * columns
    if last > begin:
        weight = field(job, JOB.weight_lat) + chunk[0] * row * columns
        source, place = gradient + wide * (begin + delay), gradient + wide * begin
        multiply(
            _rows(source, wide, steps), weight, _rows(place, wide, steps), chunk[2], last - begin, columns, row // 4, 0
        )
    return max(last, begin)


@called
def _weight_gradients(job: int, gradient: int, chunk: Any, totals: int, begin: int) -> None:
    """Adds the weights' and writes x's, of the stretch that begins there: its gradients of synaptic input are known."""
    if begin % field(job, JOB.stretch) != 0:
        return
    size, steps, delay, row = chunk[2], field(job, JOB.steps), field(job, JOB.delay), field(job, JOB.row)
    inputs, columns = field(job, JOB.inputs), field(job, JOB.columns)
    wide, end = 4 * columns, min(begin + field(job, JOB.stretch), steps)
    sent_to = _rows(gradient + wide * begin, wide, steps)
    if field(job, JOB.g_x) != 0:
        row_of_x = 4 * field(job, JOB.wide_inputs)
        place = _rows(_row(job, field(job, JOB.g_x), row_of_x, steps, chunk, begin), row_of_x, steps)
        weight = field(job, JOB.weight_in) + chunk[0] * row_of_x * columns
        multiply(sent_to, weight, place, size, end - begin, columns, field(job, JOB.wide_inputs), 0)
    if field(job, JOB.learns_in) != 0:
        multiply_across(_x(job, chunk, begin), sent_to, size, end - begin, inputs, columns, totals)
    if field(job, JOB.learns_lat) == 0:
        return
    place, last = totals + inputs * wide, min(end, steps - delay)
    if last > begin:  # what these steps sent, with what it met later: the scan has just read the former
        sent = _rows(_row(job, field(job, JOB.sent), row, steps, chunk, begin), row, steps)
        later = _rows(gradient + wide * (begin + delay), wide, steps)
        multiply_across(sent, later, size, last - begin, row // 4, columns, place)
    if begin == 0 and field(job, JOB.history) != 0:
        for t in range(0, min(delay, steps), field(job, JOB.stretch)):
            count = min(field(job, JOB.stretch), min(delay, steps) - t)
            sent = _rows(_row(job, field(job, JOB.history), row, delay, chunk, t), row, delay)
            multiply_across(sent, _rows(gradient + wide * t, wide, steps), size, count, row // 4, columns, place)


@called
def _history_gradient(job: int, gradient: int, chunk: Any) -> None:
    """Of what was sent before the first step; what a short sequence does not read gets none, and was zero."""
    if field(job, JOB.g_history) == 0:
        return
    steps, delay, columns, row = (
        field(job, JOB.steps),
        field(job, JOB.delay),
        field(job, JOB.columns),
        field(job, JOB.row),
    )
    place = _rows(_row(job, field(job, JOB.g_history), row, delay, chunk, 0), row, delay)
    weight = field(job, JOB.weight_lat) + chunk[0] * row * columns
    multiply(_rows(gradient, 4 * columns, steps), weight, place, chunk[2], min(delay, steps), columns, row // 4, 0)
