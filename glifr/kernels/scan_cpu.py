# mypy: disable-error-code="untyped-decorator"
"""The scalar recurrence of a GLIFR layer on the CPU, in float32, compiled by numba: same equations as `scan.py`.

Forward writes v over s, and f. Of the after-spike currents it keeps only those before each block of steps; backward
recomputes those of the block, into a buffer that stays in the core's cache. So a step costs two numbers of memory a
neuron instead of 2 + J, and memory is what limits.

A block is scanned sample after sample. Forward, step by step: neurons are independent, so the processor works on some
vectors of them at once, and the state of one sample stays in the first cache. Backward, vector by vector, each through
all steps: carries and sums stay in registers (`retreat_cpu.py`).

J and the other facts that choose code are constants of the compiled function, one variant each, compiled at first use
and cached on disk. Places, chunks and shapes: `places_cpu.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glifr.kernels.denormals_cpu import flush_denormals, restore_denormals
from glifr.kernels.passes_cpu import (
    clear_totals,
    history_gradient,
    lateral_gradient,
    own_part,
    stretch_gradients,
    synaptic_input,
    totals_of,
)
from glifr.kernels.places_cpu import (
    JOB,
    chunk_of,
    clear,
    copy,
    copy_or_clear,
    group_of,
    mask_row,
    own_scratch,
    start_row,
    state_bytes,
    state_row,
    step_row,
)
from glifr.kernels.retreat_cpu import redo, retreat
from glifr.kernels.vectors import BYTES, get, inlined, load, number_at, sigmoid, splat, store, take

_ONE = np.float32(1)


@inlined
def _constants(job: int) -> Any:
    c = get(job, JOB.constants)
    return number_at(c), number_at(c + 4), number_at(c + 8), number_at(c + 12), number_at(c + 16)


@inlined
def _next_current(asc: Any, f: Any, coefficient: int, row: int) -> Any:
    """asc_j of a step, from asc_j and f of the step before."""
    return asc * (load(coefficient) + f * load(coefficient + row)) + f * load(coefficient + 2 * row)


@inlined
def _load_coefficients(J: int, job: int, own: int, replica: int) -> Any:
    """Writes a replica's [3 + 3J, W]: thresh, 1 - dt k_m, dt k_m R; of each current 1 - dt k_j, c r_j, c a_j."""
    rate, _, resistance, _, _ = _constants(job)
    row = 4 * get(job, JOB.width)
    thresh, each = get(job, JOB.neurons) + replica * row, row * get(job, JOB.replicas)
    for k in range(0, row, BYTES):
        decay_m = load(thresh + each + k)
        store(own + k, load(thresh + k))
        store(own + row + k, _ONE - decay_m)
        store(own + 2 * row + k, decay_m * resistance)
        for j in range(J):
            at, decay_j = own + (3 + 3 * j) * row + k, thresh + (2 + j) * each + k
            store(at, _ONE - load(decay_j))
            store(at + row, load(decay_j + J * each) * rate)
            store(at + 2 * row, load(decay_j + 2 * J * each) * rate)


@inlined
def _kept_row(job: int, J: int, chunk: Any, i: int, begin: int) -> Any:
    """The address of the first current before the block that begins there."""
    block = begin // get(job, JOB.block)
    return state_row(job, get(job, JOB.kept), chunk, i) + block * J * state_bytes(job)


@inlined
def _before(job: int, array: int, start: int, chunk: Any, i: int, t: int) -> Any:
    """The row before step t of sample i, of firing or voltage; 0 where it is the zero start."""
    row = 4 * get(job, JOB.width)
    if t == 0:
        return start_row(job, start, chunk, i)
    return step_row(job, array, row, get(job, JOB.steps), chunk, i, t - 1)


@inlined
def _take_in(J: int, job: int, sources: Any, chunk: Any, i: int) -> None:
    """Copies one sample's firing, voltage and currents to the state; without address they are zero."""
    firing, voltage, ascurrents = sources
    row, layer = 4 * get(job, JOB.width), state_bytes(job)
    copy_or_clear(state_row(job, get(job, JOB.state_firing), chunk, i), start_row(job, firing, chunk, i), row)
    copy_or_clear(state_row(job, get(job, JOB.state_voltage), chunk, i), start_row(job, voltage, chunk, i), row)
    state, source = state_row(job, get(job, JOB.state_ascurrents), chunk, i), start_row(job, ascurrents, chunk, i)
    for j in range(J):
        copy_or_clear(state + j * layer, source + j * layer if source != 0 else 0, row)


@inlined
def _advance(J: int, masked: bool, keep: bool, job: int, own: int, chunk: Any, i: int, block: Any) -> None:
    """The block's steps of one sample, forward."""
    begin, end = block
    row, layer, steps = 4 * get(job, JOB.width), state_bytes(job), get(job, JOB.steps)
    if begin == 0:
        start = get(job, JOB.start_firing), get(job, JOB.start_voltage), get(job, JOB.start_ascurrents)
        _take_in(J, job, start, chunk, i)
    state_f = state_row(job, get(job, JOB.state_firing), chunk, i)
    state_v = state_row(job, get(job, JOB.state_voltage), chunk, i)
    currents = state_row(job, get(job, JOB.state_ascurrents), chunk, i)
    if keep and J > 0:
        kept = _kept_row(job, J, chunk, i, begin)
        for j in range(J):
            copy(kept + j * layer, currents + j * layer, row)
    f_before, v_before = state_f, state_v
    f_now = step_row(job, get(job, JOB.firing), row, steps, chunk, i, begin)
    v_now = step_row(job, get(job, JOB.values), row, steps, chunk, i, begin)
    for t in range(begin, end):
        mask = mask_row(job, chunk, t, i) if masked else 0
        _step(J, masked, job, own, (f_before, v_before, f_now, v_now, mask), currents, layer)
        f_before, v_before = f_now, v_now
        f_now += row
        v_now += row
    copy(state_f, f_before, row)
    copy(state_v, v_before, row)


@inlined
def _step(J: int, masked: bool, job: int, own: int, places: Any, currents: int, layer: int) -> None:
    """One step of one sample: equations.glifr_step."""
    f_before, v_before, f_now, v_now, mask = places
    rate, inverse, _, current0, reset = _constants(job)
    row = 4 * get(job, JOB.width)
    for k in range(0, row, BYTES):
        f, v, current, s = load(f_before + k), load(v_before + k), splat(current0), load(v_now + k)
        for j in range(J):
            at = currents + j * layer + k
            asc = _next_current(load(at), f, own + (3 + 3 * j) * row + k, row)
            store(at, asc)
            current = current + asc
        v = s + load(own + 2 * row + k) * current + load(own + row + k) * v - rate * f * (v - reset)
        store(v_now + k, v)
        f = sigmoid((v - load(own + k)) * inverse)
        if masked:
            f = f * load(mask + k)
        store(f_now + k, f)


@inlined
def _unmasked(job: int, own: int, voltage: int, stride: int, count: int, place: int) -> None:
    """Firing of a vector of neurons before its mask, of so many steps, from their voltage; to [steps,16]."""
    _, inverse, _, _, _ = _constants(job)
    thresh = load(own)
    for t in range(count):
        store(place + t * BYTES, sigmoid((load(voltage + t * stride) - thresh) * inverse))


@inlined
def _or_zeros(address: int, k: int, zeros: int) -> Any:
    """The vector at byte k of a row; zeros where there is no row."""
    return address + k if address != 0 else zeros


@inlined
def _befores(job: int, chunk: Any, i: int, begin: int) -> Any:
    """The rows of firing and voltage of sample i before a block, 0 where they are zero."""
    firing = _before(job, get(job, JOB.firing), get(job, JOB.start_firing), chunk, i, begin)
    return firing, _before(job, get(job, JOB.values), get(job, JOB.start_voltage), chunk, i, begin)


@inlined
def _block(job: int, chunk: Any, synaptic: Any, i: int, begin: int, end: int) -> Any:
    """Rows of sample i in a block: firing and voltage at its first step; gradient of s, upstream, mask at its last."""
    row, steps, upstream = 4 * get(job, JOB.width), get(job, JOB.steps), get(job, JOB.upstream)
    if upstream != 0:
        upstream = step_row(job, upstream, row, steps, chunk, i, end - 1)
    return (
        step_row(job, get(job, JOB.firing), row, steps, chunk, i, begin),
        step_row(job, get(job, JOB.values), row, steps, chunk, i, begin),
        step_row(job, synaptic[0], row, steps, synaptic[1], i, end - 1),
        upstream,
        mask_row(job, chunk, end - 1, i),
    )


@inlined
def _places(job: int, chunk: Any, i: int, befores: Any, block: Any, scratch: Any, lateral: int, k: int) -> Any:
    """What `retreat` takes, of the neurons whose numbers begin at byte k of a row."""
    row, steps, (own, zeros, currents, unmasked, sums) = 4 * get(job, JOB.width), get(job, JOB.steps), scratch
    firing, voltage, synaptic, upstream, mask = block
    return (
        (lateral, steps * row, row),
        (_or_zeros(befores[0], k, zeros), firing + k),
        (_or_zeros(befores[1], k, zeros), voltage + k),
        synaptic + k,
        (_or_zeros(upstream, k, zeros), row if upstream != 0 else 0),
        (mask + k, get(job, JOB.mask_t)),
        (currents, unmasked, zeros, own + k, sums + k),
        (
            state_row(job, get(job, JOB.state_firing), chunk, i) + k,
            state_row(job, get(job, JOB.state_voltage), chunk, i) + k,
            state_row(job, get(job, JOB.state_ascurrents), chunk, i) + k,
            state_bytes(job),
        ),
    )


def build_forward(J: int, masked: bool, keep: bool) -> Any:
    """Turns inputs into v and f, a chunk a task."""

    def forward(job: int) -> None:
        before = flush_denormals()
        own, per_replica = own_scratch(job), get(job, JOB.groups) * get(job, JOB.chunks)
        steps, block = get(job, JOB.steps), get(job, JOB.block)
        while True:
            task = take(job + 8 * JOB.next_task)
            if task >= get(job, JOB.tasks):
                break
            chunk = chunk_of(job, task // per_replica, task % per_replica)
            _load_coefficients(J, job, own, chunk[0])
            for begin in range(0, steps if chunk[2] > 0 else 0, block):
                end = min(begin + block, steps)
                synaptic_input(job, chunk, begin, end)
                for i in range(chunk[2]):
                    _advance(J, masked, keep, job, own, chunk, i, (begin, end))
        restore_denormals(before)

    return forward


def build_backward(J: int, masked: bool, learned: bool) -> Any:
    """Turns gradients of f into those of s, of the start and of parameters, a group of chunks a task."""

    def backward(job: int) -> None:
        before = flush_denormals()
        own, steps, length = own_scratch(job), get(job, JOB.steps), get(job, JOB.block)
        row, constants = 4 * get(job, JOB.width), _constants(job)
        final = get(job, JOB.final_firing), get(job, JOB.final_voltage), get(job, JOB.final_ascurrents)
        weights = 4 * (get(job, JOB.inputs) + get(job, JOB.width)) * get(job, JOB.columns)
        zeros = own + (3 + 3 * J) * row
        currents = zeros + BYTES
        unmasked = currents + (length + 1) * J * BYTES
        while True:
            task = take(job + 8 * JOB.next_task)
            if task >= get(job, JOB.tasks):
                break
            replica, group = group_of(job, task)
            clear_totals(job, replica, group)
            clear(zeros, BYTES)
            _load_coefficients(J, job, own, replica)
            totals = totals_of(job, replica, group)
            scratch = own, zeros, currents, unmasked, totals + weights
            for number in range((group + 1) * get(job, JOB.chunks) - 1, group * get(job, JOB.chunks) - 1, -1):
                chunk = chunk_of(job, replica, number)
                synaptic = own_part(unmasked + (length + 1) * BYTES, chunk)
                for begin in range((steps - 1) // length * length if chunk[2] > 0 else -1, -1, -length):
                    end = min(begin + length, steps)
                    lateral = lateral_gradient(job, synaptic, replica, begin, end) - begin
                    for i in range(chunk[2]):
                        if end == steps:
                            _take_in(J, job, final, chunk, i)  # the carries after the last step
                        befores, block = _befores(job, chunk, i, begin), _block(job, chunk, synaptic, i, begin, end)
                        kept = _kept_row(job, J, chunk, i, begin)
                        for k in range(0, row, BYTES):
                            fired = _or_zeros(befores[0], k, zeros), block[0] + k, row
                            redo(J, end - begin, fired, (kept + k, state_bytes(job)), (own + k, row), currents)
                            if masked:
                                _unmasked(job, own + k, block[1] + k, row, end - begin, unmasked)
                            places = _places(job, chunk, i, befores, block, scratch, lateral, k)
                            retreat(J, masked, learned, end - begin, places, constants)
                    stretch_gradients(job, synaptic, chunk, totals, begin)
                if chunk[2] > 0:
                    history_gradient(job, synaptic, chunk)
        restore_denormals(before)

    return backward
