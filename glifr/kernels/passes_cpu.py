# mypy: disable-error-code="untyped-decorator"
"""The matrix products of a pass over a chunk of samples, between the scans: what all compiled layers share.

As in `passes.py`, inside a block of at most D steps every synaptic input is one product. Here one thread takes a chunk
through all blocks, so that what the product has written is still in its caches when the scan reads it, and no thread
waits for another. Products with the input, and of weight gradients, need no block: they take a stretch of several.
"""

from __future__ import annotations

from typing import Any

from glifr.kernels.places_cpu import JOB, block_rows, clear, copy, step_row
from glifr.kernels.products_cpu import multiply, multiply_across
from glifr.kernels.vectors import called, get, inlined


@called
def synaptic_input(job: int, chunk: Any, begin: int, end: int) -> None:
    """Writes s of the steps begin .. end-1 to `values`; where a stretch begins, its products with the input."""
    replica, _, size = chunk
    steps, delay, columns = get(job, JOB.steps), get(job, JOB.delay), get(job, JOB.columns)
    width, values = get(job, JOB.width), get(job, JOB.values)
    weight = get(job, JOB.weight_lat) + replica * 4 * width * columns
    if begin % get(job, JOB.stretch) == 0:
        _input_product(job, chunk, begin)
    middle = min(max(begin, delay), end)  # before it, what is delayed lies before the first step
    if middle < end:
        fired = block_rows(job, get(job, JOB.firing), 4 * width, steps, chunk, middle - delay)
        place = block_rows(job, values, 4 * columns, steps, chunk, middle)
        multiply(fired, weight, place, size, end - middle, width, columns, 1)
    if begin < middle and get(job, JOB.history) != 0:
        fired = block_rows(job, get(job, JOB.history), 4 * width, delay, chunk, begin)
        place = block_rows(job, values, 4 * columns, steps, chunk, begin)
        multiply(fired, weight, place, size, middle - begin, width, columns, 1)


@called
def _input_product(job: int, chunk: Any, begin: int) -> None:
    replica, _, size = chunk
    columns, inputs = get(job, JOB.columns), get(job, JOB.inputs)
    count = min(get(job, JOB.stretch), get(job, JOB.steps) - begin)
    place = block_rows(job, get(job, JOB.values), 4 * columns, get(job, JOB.steps), chunk, begin)
    weight = get(job, JOB.weight_in) + replica * 4 * inputs * columns
    bias, added = get(job, JOB.bias) + replica * 4 * columns, 0
    if get(job, JOB.bias) != 0:
        added = 1
        for i in range(size):
            for t in range(begin, begin + count):
                copy(
                    step_row(job, get(job, JOB.values), 4 * columns, get(job, JOB.steps), chunk, i, t),
                    bias,
                    4 * columns,
                )
    multiply(_input_rows(job, chunk, begin), weight, place, size, count, inputs, columns, added)


@called
def _input_rows(job: int, chunk: Any, begin: int) -> Any:
    """As `block_rows`, of x, which replicas may share."""
    replica, first, size = chunk
    x = get(job, JOB.x) + replica * get(job, JOB.x_replica)
    return block_rows(job, x, 4 * get(job, JOB.inputs), get(job, JOB.steps), (0, first, size), begin)


@inlined
def own_part(scratch: int, chunk: Any) -> Any:
    """Where the gradient of synaptic input of a chunk lies: an array [chunk,T,G*W] and the chunk that it is there.

    Nothing reads it once all its products are made. So one part of a thread's scratch, which stays in its cache, serves
    chunk after chunk.
    """
    return scratch, (0, 0, chunk[2])


@called
def lateral_gradient(job: int, synaptic: Any, replica: int, begin: int, end: int) -> Any:
    """Writes the gradient that lateral input sends to firing of the steps begin .. n-1, and returns n <= end.

    It lies in the first W numbers of their rows of `synaptic` (`own_part`), where the scan reads it before it writes
    its own. Later steps of the block send nothing.
    """
    array, chunk = synaptic
    steps, delay, columns = get(job, JOB.steps), get(job, JOB.delay), get(job, JOB.columns)
    width, last = get(job, JOB.width), min(end, steps - delay)
    if last > begin:
        sent = block_rows(job, array, 4 * columns, steps, chunk, begin + delay)
        place = block_rows(job, array, 4 * columns, steps, chunk, begin)
        weight = get(job, JOB.weight_lat) + replica * 4 * width * columns
        multiply(sent, weight, place, chunk[2], last - begin, columns, width, 0)
    return max(last, begin)


@called
def clear_totals(job: int, replica: int, group: int) -> None:
    """Zeros, to which a group's chunks are added."""
    clear(totals_of(job, replica, group), 4 * get(job, JOB.total))


@called
def totals_of(job: int, replica: int, group: int) -> Any:
    """The address of a group's gradients of weight_in, which those of weight_lat and of neurons or bias follow."""
    return get(job, JOB.totals) + 4 * get(job, JOB.total) * (group * get(job, JOB.replicas) + replica)


@called
def stretch_gradients(job: int, synaptic: Any, chunk: Any, totals: int, begin: int) -> None:
    """Adds the weights' and writes x's, of the stretch that begins there: its gradients of synaptic input are known."""
    if begin % get(job, JOB.stretch) != 0:
        return
    if get(job, JOB.g_x) != 0:
        _input_gradient(job, synaptic, chunk, begin)
    size, steps, delay = chunk[2], get(job, JOB.steps), get(job, JOB.delay)
    inputs, width, columns = get(job, JOB.inputs), get(job, JOB.width), get(job, JOB.columns)
    end = min(begin + get(job, JOB.stretch), steps)
    sent = block_rows(job, synaptic[0], 4 * columns, steps, synaptic[1], begin)
    if get(job, JOB.learns_in) != 0:
        multiply_across(_input_rows(job, chunk, begin), sent, size, end - begin, inputs, columns, totals)
    if get(job, JOB.ones) != 0:
        place = totals + 4 * (inputs + width) * columns
        multiply_across((get(job, JOB.ones), 0, 0), sent, size, end - begin, 1, columns, place)
    if get(job, JOB.learns_lat) == 0:
        return
    place, last = totals + 4 * inputs * columns, min(end, steps - delay)
    if last > begin:  # what these steps fired, with what it met later: the scan has just read the former
        fired = block_rows(job, get(job, JOB.firing), 4 * width, steps, chunk, begin)
        sent = block_rows(job, synaptic[0], 4 * columns, steps, synaptic[1], begin + delay)
        multiply_across(fired, sent, size, last - begin, width, columns, place)
    if begin == 0 and get(job, JOB.history) != 0:
        for t in range(0, min(delay, steps), get(job, JOB.stretch)):
            count = min(get(job, JOB.stretch), min(delay, steps) - t)
            fired = block_rows(job, get(job, JOB.history), 4 * width, delay, chunk, t)
            sent = block_rows(job, synaptic[0], 4 * columns, steps, synaptic[1], t)
            multiply_across(fired, sent, size, count, width, columns, place)


@called
def _input_gradient(job: int, synaptic: Any, chunk: Any, begin: int) -> None:
    steps, columns, wide = get(job, JOB.steps), get(job, JOB.columns), get(job, JOB.wide_inputs)
    sent = block_rows(job, synaptic[0], 4 * columns, steps, synaptic[1], begin)
    place = block_rows(job, get(job, JOB.g_x), 4 * wide, steps, chunk, begin)
    weight = get(job, JOB.weight_in) + chunk[0] * 4 * columns * wide
    multiply(sent, weight, place, chunk[2], min(get(job, JOB.stretch), steps - begin), columns, wide, 0)


@called
def history_gradient(job: int, synaptic: Any, chunk: Any) -> None:
    """Of the firing before the first step; what a short sequence does not read gets none, and was zero."""
    if get(job, JOB.g_history) == 0:
        return
    replica, _, size = chunk
    steps, delay, columns = get(job, JOB.steps), get(job, JOB.delay), get(job, JOB.columns)
    width = get(job, JOB.width)
    sent = block_rows(job, synaptic[0], 4 * columns, steps, synaptic[1], 0)
    place = block_rows(job, get(job, JOB.g_history), 4 * width, delay, chunk, 0)
    weight = get(job, JOB.weight_lat) + replica * 4 * width * columns
    multiply(sent, weight, place, size, min(delay, steps), columns, width, 0)
