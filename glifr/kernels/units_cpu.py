# mypy: disable-error-code="untyped-decorator"
"""The tanh network and the LSTM on the CPU, in float32, compiled by numba.

Equations, gates and what is saved: `tanh.py` and `lstm.py`; here what is pointwise is one pass over memory instead of
one an operation. A row is one sample at one step: W units, or the LSTM's gates [4,W] in the order input, forget,
output, cell. Places, chunks and shapes: `places_cpu.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glifr.kernels.denormals_cpu import flush_denormals, restore_denormals
from glifr.kernels.passes_cpu import (
    clear_totals,
    lateral_gradient,
    own_part,
    stretch_gradients,
    synaptic_input,
    totals_of,
)
from glifr.kernels.places_cpu import (
    JOB,
    chunk_of,
    copy,
    group_of,
    mask_row,
    own_scratch,
    start_row,
    state_row,
    step_row,
)
from glifr.kernels.vectors import BYTES, get, inlined, load, sigmoid, splat, store, take, tanh

_ONE, _ZERO = np.float32(1), np.float32(0)


@inlined
def _squash(masked: bool, job: int, chunk: Any, i: int, t: int) -> None:
    """values = tanh(values), and firing that times the mask: glifr.equations.rnn_step."""
    row, steps = 4 * get(job, JOB.width), get(job, JOB.steps)
    values = step_row(job, get(job, JOB.values), row, steps, chunk, i, t)
    hidden = step_row(job, get(job, JOB.firing), row, steps, chunk, i, t)
    mask = mask_row(job, chunk, t, i) if masked else 0
    for k in range(0, row, BYTES):
        h = tanh(load(values + k))
        store(values + k, h)
        if masked:
            store(hidden + k, h * load(mask + k))


@inlined
def _reaching(masked: bool, job: int, place: Any, k: int) -> Any:
    """What reaches h: from later steps, from outside, and at the last step from its final value, times the mask."""
    lateral, upstream, final, mask = place
    total = splat(_ZERO)
    if lateral != 0:
        total = load(lateral + k)
    if upstream != 0:
        total = total + load(upstream + k)
    if final != 0:
        total = total + load(final + k)
    if masked:
        total = total * load(mask + k)
    return total


@inlined
def _sources(masked: bool, job: int, synaptic: Any, chunk: Any, i: int, t: int, reached: int) -> Any:
    """Addresses of what `_reaching` adds, 0 for none. reached: the step from which on lateral input sends nothing."""
    row, wide, steps = 4 * get(job, JOB.width), 4 * get(job, JOB.columns), get(job, JOB.steps)
    lateral, upstream, final, mask = 0, get(job, JOB.upstream), 0, 0
    if t < reached:
        lateral = step_row(job, synaptic[0], wide, steps, synaptic[1], i, t)
    if upstream != 0:
        upstream = step_row(job, upstream, row, steps, chunk, i, t)
    if t == steps - 1:
        final = start_row(job, get(job, JOB.final_firing), chunk, i)
    if masked:
        mask = mask_row(job, chunk, t, i)
    return lateral, upstream, final, mask


@inlined
def _unsquash(masked: bool, job: int, synaptic: Any, chunk: Any, i: int, t: int, reached: int) -> None:
    """synaptic = reaching (1 - tanh(s)^2)."""
    row, steps = 4 * get(job, JOB.width), get(job, JOB.steps)
    values = step_row(job, get(job, JOB.values), row, steps, chunk, i, t)
    found = step_row(job, synaptic[0], row, steps, synaptic[1], i, t)
    sources = _sources(masked, job, synaptic, chunk, i, t, reached)
    for k in range(0, row, BYTES):
        h = load(values + k)
        store(found + k, _reaching(masked, job, sources, k) * (_ONE - h * h))


@inlined
def _cell(keep: bool, job: int, chunk: Any, i: int, t: int) -> Any:
    """The row of c: of that step where all are kept, else the only one."""
    row = 4 * get(job, JOB.width)
    if keep:
        return step_row(job, get(job, JOB.kept), row, get(job, JOB.steps), chunk, i, t)
    return state_row(job, get(job, JOB.kept), chunk, i)


@inlined
def _open_gates(masked: bool, keep: bool, job: int, chunk: Any, i: int, t: int) -> None:
    """A step of the LSTM: glifr.equations.lstm_step."""
    row, steps = 4 * get(job, JOB.width), get(job, JOB.steps)
    gates = step_row(job, get(job, JOB.values), 4 * row, steps, chunk, i, t)
    hidden = step_row(job, get(job, JOB.firing), row, steps, chunk, i, t)
    cell, before = _cell(keep, job, chunk, i, t), _cell(keep, job, chunk, i, max(t - 1, 0))
    mask = mask_row(job, chunk, t, i) if masked else 0
    for k in range(gates, gates + row, BYTES):
        i_gate, f = sigmoid(load(k)), sigmoid(load(k + row))
        o, g = sigmoid(load(k + 2 * row)), tanh(load(k + 3 * row))
        at = k - gates
        c = i_gate * g
        if t > 0:
            c = c + f * load(before + at)
        store(k, i_gate)
        store(k + row, f)
        store(k + 2 * row, o)
        store(k + 3 * row, g)
        store(cell + at, c)
        h = o * tanh(c)
        if masked:
            h = h * load(mask + at)
        store(hidden + at, h)


@inlined
def _close_gates(masked: bool, job: int, synaptic: Any, chunk: Any, i: int, t: int, reached: int) -> None:
    """A step of the LSTM backward: `lstm.py`."""
    row, steps = 4 * get(job, JOB.width), get(job, JOB.steps)
    gates = step_row(job, get(job, JOB.values), 4 * row, steps, chunk, i, t)
    found = step_row(job, synaptic[0], 4 * row, steps, synaptic[1], i, t)
    cell, before = _cell(True, job, chunk, i, t), _cell(True, job, chunk, i, max(t - 1, 0))
    carry = state_row(job, get(job, JOB.state_voltage), chunk, i)
    sources = _sources(masked, job, synaptic, chunk, i, t, reached)
    for k in range(0, row, BYTES):
        i_gate, f = load(gates + k), load(gates + row + k)
        o, g = load(gates + 2 * row + k), load(gates + 3 * row + k)
        g_hidden, squashed = _reaching(masked, job, sources, k), tanh(load(cell + k))
        g_cell = g_hidden * o * (_ONE - squashed * squashed)
        if t < steps - 1:
            g_cell = g_cell + load(carry + k)
        c = splat(_ZERO)
        if t > 0:
            c = load(before + k)
        store(found + k, g_cell * g * i_gate * (_ONE - i_gate))
        store(found + row + k, g_cell * c * f * (_ONE - f))
        store(found + 2 * row + k, g_hidden * squashed * o * (_ONE - o))
        store(found + 3 * row + k, g_cell * i_gate * (_ONE - g * g))
        store(carry + k, g_cell * f)


@inlined
def _finish(job: int, chunk: Any) -> None:
    """h of the last step."""
    row, steps = 4 * get(job, JOB.width), get(job, JOB.steps)
    for i in range(chunk[2]):
        last = step_row(job, get(job, JOB.firing), row, steps, chunk, i, steps - 1)
        copy(state_row(job, get(job, JOB.state_firing), chunk, i), last, row)


def build_forward(lstm: bool, masked: bool, keep: bool) -> Any:
    """Turns inputs into h, a chunk a task."""

    def forward(job: int) -> None:
        before = flush_denormals()
        per_replica = get(job, JOB.groups) * get(job, JOB.chunks)
        steps, block = get(job, JOB.steps), get(job, JOB.block)
        while True:
            task = take(job + 8 * JOB.next_task)
            if task >= get(job, JOB.tasks):
                break
            chunk = chunk_of(job, task // per_replica, task % per_replica)
            if chunk[2] <= 0:
                continue
            for begin in range(0, steps, block):
                end = min(begin + block, steps)
                synaptic_input(job, chunk, begin, end)
                for i in range(chunk[2]):
                    for t in range(begin, end):
                        if lstm:
                            _open_gates(masked, keep, job, chunk, i, t)
                        else:
                            _squash(masked, job, chunk, i, t)
            _finish(job, chunk)
        restore_denormals(before)

    return forward


def build_backward(lstm: bool, masked: bool) -> Any:
    """Turns gradients of h into those of s and of the weights, a group of chunks a task."""

    def backward(job: int) -> None:
        before = flush_denormals()
        own, steps, block = own_scratch(job), get(job, JOB.steps), get(job, JOB.block)
        while True:
            task = take(job + 8 * JOB.next_task)
            if task >= get(job, JOB.tasks):
                break
            replica, group = group_of(job, task)
            clear_totals(job, replica, group)
            totals = totals_of(job, replica, group)
            for number in range((group + 1) * get(job, JOB.chunks) - 1, group * get(job, JOB.chunks) - 1, -1):
                chunk = chunk_of(job, replica, number)
                synaptic = own_part(own, chunk)
                for begin in range((steps - 1) // block * block if chunk[2] > 0 else -1, -1, -block):
                    end = min(begin + block, steps)
                    reached = lateral_gradient(job, synaptic, replica, begin, end)
                    for i in range(chunk[2]):
                        for t in range(end - 1, begin - 1, -1):
                            if lstm:
                                _close_gates(masked, job, synaptic, chunk, i, t, reached)
                            else:
                                _unsquash(masked, job, synaptic, chunk, i, t, reached)
                    stretch_gradients(job, synaptic, chunk, totals, begin)
        restore_denormals(before)

    return backward
