# mypy: disable-error-code="untyped-decorator"
"""The scalar recurrence of a GLIFR layer on the CPU, in float32, compiled by numba: same equations as `scan.py`.

Forward writes v over s, and f. Of the after-spike currents it keeps only those before every `SEGMENT`-th step of a
block (checkpoints); backward recomputes those between, a segment at a time, into a buffer that stays in the core's
cache. So a step costs two numbers of memory a neuron instead of 2 + J, and memory is what limits.

A task is a block of steps for `CHUNK` samples of one replica, sample after sample: the state of a sample is a few
kilobytes and stays in the first cache from step to step, where it lies in place, in the arrays of states. Threads draw
tasks from a common counter. Sums over samples are kept per task and
added in the order of the tasks. So the bits depend neither on threads nor on the other replicas.

How compiled code gets its job: `jobs.py`. J and the other facts that choose code are constants of the compiled
function, one variant each, compiled at first use and cached on disk.

Shapes: R replicas, B batch (or a tile of it), T steps, W width (neurons, a multiple of 16), J after-spike currents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glifr.kernels.vectors import BYTES, inlined, integer_at, load, number_at, sigmoid, splat, store, take

SEGMENT = 28  # steps whose after-spike currents are recomputed at once
CHUNK = 16  # samples in a task
_ONE, _ZERO = np.float32(1), np.float32(0)


class Job(NamedTuple):
    """Places in a job: counts, addresses (0 where there is none), and strides of the mask in bytes."""

    next_task: int = 0  # the two counters that threads draw from
    next_thread: int = 1
    tasks: int = 2
    chunks: int = 3
    replicas: int = 4
    steps: int = 5
    batch: int = 6
    width: int = 7
    begin: int = 8  # the block: steps begin .. end-1
    end: int = 9
    scratch: int = 10  # [threads, scratch_size]: coefficients, then a segment's currents
    scratch_size: int = 11
    constants: int = 12  # dt/tau, 1 / sigma_v, R, I0, v_reset
    thresh: int = 13  # [R,W], as decay_m; decay_j, r and a are [J,R,W]
    decay_m: int = 14
    decay_j: int = 15
    r: int = 16
    a: int = 17
    mask: int = 18
    mask_r: int = 19
    mask_b: int = 20
    mask_t: int = 21
    voltage: int = 22  # [R,T,B,W], as firing, upstream and synaptic
    firing: int = 23
    lateral: int = 24  # [R,lateral_steps,B,W]: of the first steps of the block
    lateral_steps: int = 25
    checkpoints: int = 26  # [n,J,R,B,W]
    checkpoint: int = 27  # which of them belongs to `begin`
    state_firing: int = 28  # [R,B,W]; forward: the state, updated. backward: the start, read
    state_voltage: int = 29
    state_ascurrents: int = 30  # [J,R,B,W]
    upstream: int = 31
    synaptic: int = 32
    g_firing: int = 33  # carries, updated
    g_voltage: int = 34
    g_ascurrents: int = 35
    sums: int = 36  # [tasks, 2 + 3J, W]


_JOB = Job()


@inlined
def _get(job: int, field: int) -> Any:
    """A count or an address."""
    return integer_at(job + 8 * field)


@inlined
def _constants(job: int) -> Any:
    c = _get(job, _JOB.constants)
    return number_at(c), number_at(c + 4), number_at(c + 8), number_at(c + 12), number_at(c + 16)


@inlined
def _row(job: int, array: int, steps: int, replica: int, t: int, b: int) -> Any:
    """The address of a row of an array [R,steps,B,W]."""
    return array + 4 * _get(job, _JOB.width) * ((replica * steps + t) * _get(job, _JOB.batch) + b)


@inlined
def _mask_row(job: int, replica: int, t: int, b: int) -> Any:
    strides = replica * _get(job, _JOB.mask_r) + b * _get(job, _JOB.mask_b) + t * _get(job, _JOB.mask_t)
    return _get(job, _JOB.mask) + strides


@inlined
def _checkpoint_row(job: int, J: int, replica: int, segment: int, b: int) -> Any:
    """The address of the first current's row; the others follow at distances of [R,B,W]."""
    n = (_get(job, _JOB.checkpoint) + segment) * J * _get(job, _JOB.replicas)
    return _row(job, _get(job, _JOB.checkpoints), 1, n + replica, 0, b)


@inlined
def _copy(target: int, source: int, row: int) -> None:
    for k in range(0, row, BYTES):
        store(target + k, load(source + k))


@inlined
def _next_current(asc: Any, f: Any, coefficient: int, row: int) -> Any:
    """asc_j of a step, from asc_j and f of the step before."""
    return asc * (load(coefficient) + f * load(coefficient + row)) + f * load(coefficient + 2 * row)


@inlined
def _own_scratch(job: int) -> Any:
    """The address of this thread's part of the scratch."""
    return _get(job, _JOB.scratch) + 4 * take(job + 8 * _JOB.next_thread) * _get(job, _JOB.scratch_size)


@inlined
def _load_coefficients(J: int, job: int, own: int, replica: int) -> Any:
    """Writes a replica's [3 + 3J, W]: thresh, 1 - dt k_m, dt k_m R; of each current 1 - dt k_j, c r_j, c a_j."""
    rate, _, resistance, _, _ = _constants(job)
    row = 4 * _get(job, _JOB.width)
    thresh, decay_m = _get(job, _JOB.thresh) + replica * row, _get(job, _JOB.decay_m) + replica * row
    for k in range(0, row, BYTES):
        store(own + k, load(thresh + k))
        store(own + row + k, _ONE - load(decay_m + k))
        store(own + 2 * row + k, load(decay_m + k) * resistance)
        for j in range(J):
            at, place = own + (3 + 3 * j) * row + k, (j * _get(job, _JOB.replicas) + replica) * row + k
            store(at, _ONE - load(_get(job, _JOB.decay_j) + place))
            store(at + row, load(_get(job, _JOB.r) + place) * rate)
            store(at + 2 * row, load(_get(job, _JOB.a) + place) * rate)


@inlined
def _advance(J: int, masked: bool, keep: bool, job: int, own: int, replica: int, b: int) -> None:
    """The block's steps of one sample, forward."""
    begin, steps, n = _get(job, _JOB.begin), _get(job, _JOB.steps), _get(job, _JOB.lateral_steps)
    row = 4 * _get(job, _JOB.width)
    layer = row * _get(job, _JOB.batch) * _get(job, _JOB.replicas)
    state_f = _row(job, _get(job, _JOB.state_firing), 1, replica, 0, b)
    state_v = _row(job, _get(job, _JOB.state_voltage), 1, replica, 0, b)
    currents = _row(job, _get(job, _JOB.state_ascurrents), 1, replica, 0, b)
    f_before, v_before = state_f, state_v
    for t in range(begin, _get(job, _JOB.end)):
        if keep and (t - begin) % SEGMENT == 0:
            kept = _checkpoint_row(job, J, replica, (t - begin) // SEGMENT, b)
            for j in range(J):
                _copy(kept + j * layer, currents + j * layer, row)
        f_now = _row(job, _get(job, _JOB.firing), steps, replica, t, b)
        v_now = _row(job, _get(job, _JOB.voltage), steps, replica, t, b)
        lateral = _row(job, _get(job, _JOB.lateral), n, replica, t - begin, b) if t - begin < n else 0
        mask = _mask_row(job, replica, t, b) if masked else 0
        _step(J, masked, job, own, (f_before, v_before, f_now, v_now, lateral, mask), currents, layer)
        f_before, v_before = f_now, v_now
    _copy(state_f, f_before, row)
    _copy(state_v, v_before, row)


@inlined
def _step(J: int, masked: bool, job: int, own: int, rows: Any, currents: int, layer: int) -> None:
    """One step of one sample: equations.glifr_step."""
    f_before, v_before, f_now, v_now, lateral, mask = rows
    rate, inverse, _, current0, reset = _constants(job)
    row = 4 * _get(job, _JOB.width)
    for k in range(0, row, BYTES):
        f, v, current, s = load(f_before + k), load(v_before + k), splat(current0), load(v_now + k)
        for j in range(J):
            at = currents + j * layer + k
            asc = _next_current(load(at), f, own + (3 + 3 * j) * row + k, row)
            store(at, asc)
            current = current + asc
        if lateral != 0:
            s = s + load(lateral + k)
        v = s + load(own + 2 * row + k) * current + load(own + row + k) * v - rate * f * (v - reset)
        store(v_now + k, v)
        f = sigmoid((v - load(own + k)) * inverse)
        if masked:
            f = f * load(mask + k)
        store(f_now + k, f)


@inlined
def _retreat(J: int, masked: bool, learned: bool, job: int, own: int, sums: int, replica: int, b: int) -> None:
    """The block's steps of one sample, backward."""
    begin, end, row = _get(job, _JOB.begin), _get(job, _JOB.end), 4 * _get(job, _JOB.width)
    scratch = own + (3 + 3 * J) * row
    for segment in range((end - begin - 1) // SEGMENT, -1, -1):
        first = begin + segment * SEGMENT
        last = min(first + SEGMENT, end)
        if J > 0:
            _redo(J, job, own, replica, b, segment, first, last)
        for t in range(last - 1, first - 1, -1):
            _undo(J, masked, learned, job, own, scratch + (t - first) * J * row, sums, (replica, t, b))


@inlined
def _before(job: int, replica: int, t: int, b: int) -> Any:
    """The rows of f and v before step t."""
    array_f, array_v = _get(job, _JOB.firing), _get(job, _JOB.voltage)
    steps, step = _get(job, _JOB.steps), t - 1
    if t == 0:
        array_f, array_v = _get(job, _JOB.state_firing), _get(job, _JOB.state_voltage)
        steps, step = 1, 0
    return _row(job, array_f, steps, replica, step, b), _row(job, array_v, steps, replica, step, b)


@inlined
def _redo(J: int, job: int, own: int, replica: int, b: int, segment: int, first: int, last: int) -> None:
    """The currents before each step of a segment, after the coefficients: [steps,J,W]."""
    row = 4 * _get(job, _JOB.width)
    scratch = own + (3 + 3 * J) * row
    layer = row * _get(job, _JOB.batch) * _get(job, _JOB.replicas)
    kept = _checkpoint_row(job, J, replica, segment, b)
    for j in range(J):
        _copy(scratch + j * row, kept + j * layer, row)
    for t in range(first, last - 1):
        fired, _ = _before(job, replica, t, b)
        currents = scratch + (t - first) * J * row
        for k in range(0, row, BYTES):
            f = load(fired + k)
            for j in range(J):
                asc = load(currents + j * row + k)
                store(currents + (J + j) * row + k, _next_current(asc, f, own + (3 + 3 * j) * row + k, row))


@inlined
def _undo(J: int, masked: bool, learned: bool, job: int, own: int, currents: int, sums: int, place: Any) -> None:
    """One step of one sample: from the carries of the step after it to those of the step before."""
    replica, t, b = place
    rate, inverse, resistance, current0, reset = _constants(job)
    begin, steps, row = _get(job, _JOB.begin), _get(job, _JOB.steps), 4 * _get(job, _JOB.width)
    layer = row * _get(job, _JOB.batch) * _get(job, _JOB.replicas)
    f_before, v_before = _before(job, replica, t, b)
    f_now = _row(job, _get(job, _JOB.firing), steps, replica, t, b)
    v_now = _row(job, _get(job, _JOB.voltage), steps, replica, t, b)
    g_now = _row(job, _get(job, _JOB.synaptic), steps, replica, t, b)
    g_f = _row(job, _get(job, _JOB.g_firing), 1, replica, 0, b)
    g_v = _row(job, _get(job, _JOB.g_voltage), 1, replica, 0, b)
    g_a = _row(job, _get(job, _JOB.g_ascurrents), 1, replica, 0, b)
    up, n = _get(job, _JOB.upstream), _get(job, _JOB.lateral_steps)
    upstream = _row(job, up, steps, replica, t, b) if up != 0 else 0
    lateral = _row(job, _get(job, _JOB.lateral), n, replica, t - begin, b) if t - begin < n else 0
    mask = _mask_row(job, replica, t, b) if masked else 0
    for k in range(0, row, BYTES):
        f, v, d, p = load(f_before + k), load(v_before + k), load(g_f + k), load(f_now + k)
        if upstream != 0:
            d = d + load(upstream + k)
        if lateral != 0:
            d = d + load(lateral + k)
        if masked:
            p = sigmoid((load(v_now + k) - load(own + k)) * inverse)
            d = d * load(mask + k)
        d = d * p * (_ONE - p) * inverse
        gs = d + load(g_v + k)
        store(g_now + k, gs)
        current, gf, fired = splat(current0), _ZERO - rate * gs * (v - reset), rate * f
        for j in range(J):
            at, place = own + (3 + 3 * j) * row + k, sums + (2 + 3 * j) * row + k
            asc, ga = load(currents + j * row + k), load(g_a + j * layer + k) + gs * load(own + 2 * row + k)
            multiply, plus = load(at + row), load(at + 2 * row)
            factor = load(at) + f * multiply
            current = current + (asc * factor + f * plus)
            gf = gf + ga * (multiply * asc + plus)
            store(g_a + j * layer + k, ga * factor)
            if learned:
                product = ga * asc
                store(place, load(place) - product)
                store(place + row, load(place + row) + fired * product)
                store(place + 2 * row, load(place + 2 * row) + fired * ga)
        if learned:
            store(sums + k, load(sums + k) - d)
            store(sums + row + k, load(sums + row + k) + gs * (resistance * current - v))
        store(g_f + k, gf)
        store(g_v + k, gs * (load(own + row + k) - fired))


def build_forward(J: int, masked: bool, keep: bool) -> Any:
    """The forward pass of a block: turns s into v and f."""

    def forward(job: int) -> None:
        own = _own_scratch(job)
        while True:
            task = take(job + 8 * _JOB.next_task)
            if task >= _get(job, _JOB.tasks):
                break
            replica, first = task // _get(job, _JOB.chunks), task % _get(job, _JOB.chunks) * CHUNK
            _load_coefficients(J, job, own, replica)
            for b in range(first, min(first + CHUNK, _get(job, _JOB.batch))):
                _advance(J, masked, keep, job, own, replica, b)

    return forward


def build_backward(J: int, masked: bool, learned: bool) -> Any:
    """The backward pass of a block: turns gradients of f into gradients of s."""

    def backward(job: int) -> None:
        own = _own_scratch(job)
        while True:
            task = take(job + 8 * _JOB.next_task)
            if task >= _get(job, _JOB.tasks):
                break
            replica, first = task // _get(job, _JOB.chunks), task % _get(job, _JOB.chunks) * CHUNK
            _load_coefficients(J, job, own, replica)
            sums = _get(job, _JOB.sums) + task * (2 + 3 * J) * 4 * _get(job, _JOB.width)
            for b in range(first, min(first + CHUNK, _get(job, _JOB.batch))):
                _retreat(J, masked, learned, job, own, sums, replica, b)

    return backward
