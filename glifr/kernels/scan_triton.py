"""The scalar recurrence as Triton kernels: one launch computes one delay block of steps, float32.

Equations: glifr/equations.py, its backward: scan.py. A program is one replica and BLOCK elements of a row, which is the
B*W neurons of all samples side by side, so that all access to memory is contiguous; states stay in registers.

Steps go in segments of S <= 8, written out at compile time. Registers have no run-time index, so what a segment needs
is loaded at its begin, into a tuple of S values, which also keeps S loads in flight instead of one. Of the after-spike
currents only those before each segment are saved (beside f and v, which the engine keeps). Backward computes them
again from there, in registers: a larger segment would need a scratch in memory, and a barrier between its writes and
reads. Steps of a last, shorter segment that lie beyond its end are computed, but change no state.

Sums for the neuron parameters are kept per element, and reduced over samples after the last launch in a fixed order:
no atomics, two runs give the same bits.

Dimensions: R replicas, B batch, T steps, W width (neurons, padded), J after-spike currents, S steps of a segment.
Memory: voltage, firing, upstream, synaptic [R,T,B,W]; lateral [R,n,B,W]; states and their gradients [R,B,W] and
[J,R,B,W]; checkpoints [segments,J,R,B,W]; sums [2+3J,R,B,W]; thresh, decay_m [R,1,W]; decay_j, r, a [J,R,1,W].
Places in memory are 64-bit, as R*T*B*W passes 2^31; those within one segment (S*B*W) are 32-bit.
"""

# Kernels are read by Triton's compiler: arguments are flat, a missing tensor is None, tuples grow by `+`.
# ruff: noqa: PLR0913, RUF005
# mypy: disable-error-code="assignment, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

INTERPRETED: bool = triton.knobs.runtime.interpret  # what `triton.jit` goes by when this file is imported

# Compiled once for all their values: a ragged last batch or block is no new kernel.
_VARYING = ["begin", "end", "lateral_steps", "steps", "row", "width", "checkpoint"]
_VARYING += ["mask_r", "mask_t", "mask_b", "mask_w"]


@triton.jit
def _sigmoid(x: tl.tensor) -> tl.tensor:
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _and(there: tl.tensor, element: tl.tensor, step: tl.tensor, end: tl.tensor) -> tl.tensor:
    """The elements that are there, if `step` comes before `end`; a block throughout, as the interpreter needs it."""
    return there & (element * 0 + step < end)


@triton.jit
def _load_each(pointer: tl.tensor, place: tl.tensor, layer: tl.tensor, there: tl.tensor, J: tl.constexpr) -> tl.tensor:
    """Element `place` of J layers: a tuple."""
    found = ()
    for j in tl.static_range(J):
        found = found + (tl.load(pointer + j * layer + place, mask=there, other=0.0),)
    return found


@triton.jit
def _store_each(
    pointer: tl.tensor, place: tl.tensor, layer: tl.tensor, there: tl.tensor, values: tl.tensor, J: tl.constexpr
) -> None:
    for j in tl.static_range(J):
        tl.store(pointer + j * layer + place, values[j], mask=there)


@triton.jit
def _load_steps(
    pointer: tl.tensor,
    place: tl.tensor,
    stride: tl.tensor,
    there: tl.tensor,
    element: tl.tensor,
    left: tl.tensor,
    S: tl.constexpr,
) -> tl.tensor:
    """Of S steps from `place` on, `left` of which exist: a tuple; zeros for the others."""
    found = ()
    for u in tl.static_range(S):
        found = found + (tl.load(pointer + place + u * stride, mask=_and(there, element, u, left), other=0.0),)
    return found


@triton.jit
def _currents_after(
    asc: tl.tensor, f: tl.tensor, decay_j: tl.tensor, r: tl.tensor, a: tl.tensor, reset_rate: tl.tensor, J: tl.constexpr
) -> tl.tensor:
    """asc_t of asc_{t-1} and f_{t-1}."""
    found = ()
    for j in tl.static_range(J):
        found = found + (reset_rate * f * (r[j] * asc[j] + a[j]) + (1.0 - decay_j[j]) * asc[j],)
    return found


@triton.jit
def _total(asc: tl.tensor, I0: tl.tensor, J: tl.constexpr) -> tl.tensor:
    total = I0
    for j in tl.static_range(J):
        total = total + asc[j]
    return total


@triton.jit
def _chosen(live: tl.tensor, new: tl.tensor, old: tl.tensor, N: tl.constexpr) -> tl.tensor:
    """`new` if the step exists, else `old`; each a tuple."""
    found = ()
    for n in tl.static_range(N):
        found = found + (tl.where(live, new[n], old[n]),)
    return found


@triton.jit(do_not_specialize=_VARYING)
def forward_kernel(
    voltage: tl.tensor,
    firing: tl.tensor,
    lateral: tl.tensor,
    mask: tl.tensor,
    checkpoints: tl.tensor,
    f_state: tl.tensor,
    v_state: tl.tensor,
    asc_state: tl.tensor,
    thresh: tl.tensor,
    decay_m: tl.tensor,
    decay_j: tl.tensor,
    r: tl.tensor,
    a: tl.tensor,
    reset_rate: tl.tensor,
    sharpness: tl.tensor,
    resistance: tl.tensor,
    I0: tl.tensor,
    v_reset: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    lateral_steps: tl.tensor,
    steps: tl.tensor,
    row: tl.tensor,
    width: tl.tensor,
    checkpoint: tl.tensor,
    mask_r: tl.tensor,
    mask_t: tl.tensor,
    mask_b: tl.tensor,
    mask_w: tl.tensor,
    J: tl.constexpr,
    S: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Steps begin .. end-1. row: B*W. checkpoint: number of the first one; None for checkpoints or mask: there is none.

    mask_*: strides of the mask in replicas, steps, samples, neurons; 0 where it does not change. lateral holds the
    block's first lateral_steps steps.
    """
    replica, replicas = tl.program_id(1).to(tl.int64), tl.num_programs(1).to(tl.int64)
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there, own, state = element < row, element % width, replica * row + element
    at_mask = replica * mask_r + (element // width).to(tl.int64) * mask_b + own.to(tl.int64) * mask_w
    neuron, layer = replica * width + own, replicas * width
    threshold = tl.load(thresh + neuron, mask=there, other=0.0)
    k_m = tl.load(decay_m + neuron, mask=there, other=0.0)
    k_j = _load_each(decay_j, neuron, layer, there, J)
    r_j, a_j = _load_each(r, neuron, layer, there, J), _load_each(a, neuron, layer, there, J)
    f, v = tl.load(f_state + state, mask=there, other=0.0), tl.load(v_state + state, mask=there, other=0.0)
    asc = _load_each(asc_state, state, replicas * row, there, J)

    low = begin
    while low < end:
        place = (replica * steps + low) * row + element
        if checkpoints is not None:
            at_checkpoint = (checkpoint + (low - begin) // S) * J * replicas * row + state
            _store_each(checkpoints, at_checkpoint, replicas * row, there, asc, J)
        given = _load_steps(voltage, place, row, there, element, end - low, S)
        sent_place = (replica * lateral_steps + low - begin) * row + element
        sent = _load_steps(lateral, sent_place, row, there, element, lateral_steps - (low - begin), S)
        if mask is not None:
            masks = _load_steps(mask, at_mask + low * mask_t.to(tl.int64), mask_t, there, element, end - low, S)
        for u in tl.static_range(S):
            live = low + u < end
            new_asc = _currents_after(asc, f, k_j, r_j, a_j, reset_rate, J)
            driven = given[u] + sent[u] + k_m * resistance * _total(new_asc, I0, J)
            new_v = driven + (1.0 - k_m) * v - reset_rate * f * (v - v_reset)
            new_f = _sigmoid((new_v - threshold) * sharpness)
            if mask is not None:
                new_f = new_f * masks[u]
            tl.store(voltage + place + u * row, new_v, mask=_and(there, element, low + u, end))
            tl.store(firing + place + u * row, new_f, mask=_and(there, element, low + u, end))
            asc = _chosen(live, new_asc, asc, J)
            v = tl.where(live, new_v, v)
            f = tl.where(live, new_f, f)
        low = low + S

    tl.store(f_state + state, f, mask=there)
    tl.store(v_state + state, v, mask=there)
    _store_each(asc_state, state, replicas * row, there, asc, J)


@triton.jit
def _load_with_before(
    pointer: tl.tensor,
    start: tl.tensor,
    place: tl.tensor,
    state: tl.tensor,
    row: tl.tensor,
    there: tl.tensor,
    element: tl.tensor,
    low: tl.tensor,
    left: tl.tensor,
    S: tl.constexpr,
) -> tl.tensor:
    """Of the step before a segment, which is the start where low is 0, and of its S steps: a tuple of S + 1."""
    before = tl.load(pointer + place - row, mask=_and(there, element, 0, low), other=0.0)
    started = tl.load(start + state, mask=_and(there, element, low, 1), other=0.0)
    return (tl.where(low > 0, before, started),) + _load_steps(pointer, place, row, there, element, left, S)


@triton.jit
def _currents_of_segment(
    asc: tl.tensor,
    f: tl.tensor,
    k_j: tl.tensor,
    r_j: tl.tensor,
    a_j: tl.tensor,
    reset_rate: tl.tensor,
    J: tl.constexpr,
    S: tl.constexpr,
) -> tl.tensor:
    """asc before the segment and after each of its steps: a tuple of S + 1 tuples."""
    found = (asc,)
    for u in tl.static_range(S):
        found = found + (_currents_after(found[u], f[u], k_j, r_j, a_j, reset_rate, J),)
    return found


@triton.jit
def _through_currents(
    g: tl.tensor,
    drive: tl.tensor,
    f: tl.tensor,
    asc: tl.tensor,
    g_asc: tl.tensor,
    k_j: tl.tensor,
    r_j: tl.tensor,
    a_j: tl.tensor,
    reset_rate: tl.tensor,
    J: tl.constexpr,
) -> tl.tensor:
    """What step t sends on through the currents. f, asc: before it.

    Returns the gradient that reaches f_{t-1}, those of asc_{t-1}, and what to add to the sums of decay_j, r and a.
    """
    to_f = 0.0
    carries = ()
    to_decay, to_r, to_a = (), (), ()
    for j in tl.static_range(J):
        total = g_asc[j] + drive * g
        to_f = to_f + reset_rate * total * (r_j[j] * asc[j] + a_j[j])
        carries = carries + (total * (reset_rate * f * r_j[j] + 1.0 - k_j[j]),)
        to_decay = to_decay + (-total * asc[j],)
        to_r = to_r + (reset_rate * total * f * asc[j],)
        to_a = to_a + (reset_rate * total * f,)
    return to_f, carries, to_decay + to_r + to_a


@triton.jit
def _added(sums: tl.tensor, more: tl.tensor, N: tl.constexpr) -> tl.tensor:
    found = ()
    for n in tl.static_range(N):
        found = found + (sums[n] + more[n],)
    return found


@triton.jit(do_not_specialize=_VARYING)
def backward_kernel(
    voltage: tl.tensor,
    firing: tl.tensor,
    synaptic: tl.tensor,
    upstream: tl.tensor,
    lateral: tl.tensor,
    mask: tl.tensor,
    checkpoints: tl.tensor,
    f_start: tl.tensor,
    v_start: tl.tensor,
    g_firing: tl.tensor,
    g_voltage: tl.tensor,
    g_ascurrents: tl.tensor,
    sums: tl.tensor,
    thresh: tl.tensor,
    decay_m: tl.tensor,
    decay_j: tl.tensor,
    r: tl.tensor,
    a: tl.tensor,
    reset_rate: tl.tensor,
    sharpness: tl.tensor,
    resistance: tl.tensor,
    I0: tl.tensor,
    v_reset: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    lateral_steps: tl.tensor,
    steps: tl.tensor,
    row: tl.tensor,
    width: tl.tensor,
    checkpoint: tl.tensor,
    mask_r: tl.tensor,
    mask_t: tl.tensor,
    mask_b: tl.tensor,
    mask_w: tl.tensor,
    J: tl.constexpr,
    S: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Steps end-1 .. begin: writes synaptic, the gradient of s, and adds to sums, None where they are not wanted.

    g_*: gradients of the state after the block, which become those of the state before it. lateral: gradient of the
    first lateral_steps firings, from later blocks. upstream: that from outside, or None.
    """
    replica, replicas = tl.program_id(1).to(tl.int64), tl.num_programs(1).to(tl.int64)
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there, own, state = element < row, element % width, replica * row + element
    at_mask = replica * mask_r + (element // width).to(tl.int64) * mask_b + own.to(tl.int64) * mask_w
    neuron, layer = replica * width + own, replicas * width
    threshold = tl.load(thresh + neuron, mask=there, other=0.0)
    k_m = tl.load(decay_m + neuron, mask=there, other=0.0)
    k_j = _load_each(decay_j, neuron, layer, there, J)
    r_j, a_j = _load_each(r, neuron, layer, there, J), _load_each(a, neuron, layer, there, J)
    g_f, g_v = tl.load(g_firing + state, mask=there, other=0.0), tl.load(g_voltage + state, mask=there, other=0.0)
    g_asc = _load_each(g_ascurrents, state, replicas * row, there, J)
    if sums is not None:
        summed = _load_each(sums, state, replicas * row, there, 2 + 3 * J)

    low = begin + (end - begin - 1) // S * S
    while low >= begin:
        place = (replica * steps + low) * row + element
        f = _load_with_before(firing, f_start, place, state, row, there, element, low, end - low, S)
        v = _load_with_before(voltage, v_start, place, state, row, there, element, low, end - low, S)
        sent_place = (replica * lateral_steps + low - begin) * row + element
        sent = _load_steps(lateral, sent_place, row, there, element, lateral_steps - (low - begin), S)
        if upstream is not None:
            sent = _added(sent, _load_steps(upstream, place, row, there, element, end - low, S), S)
        if mask is not None:
            masks = _load_steps(mask, at_mask + low * mask_t.to(tl.int64), mask_t, there, element, end - low, S)
        at_checkpoint = (checkpoint + (low - begin) // S) * J * replicas * row + state
        first = _load_each(checkpoints, at_checkpoint, replicas * row, there, J)
        asc = _currents_of_segment(first, f, k_j, r_j, a_j, reset_rate, J, S)
        for u in tl.static_range(S - 1, -1, -1):
            live = low + u < end
            fired, reaching = f[u + 1], g_f + sent[u]
            if mask is not None:
                fired = _sigmoid((v[u + 1] - threshold) * sharpness)
                reaching = reaching * masks[u]
            through = reaching * fired * (1.0 - fired) * sharpness
            g = g_v + through
            tl.store(synaptic + place + u * row, g, mask=_and(there, element, low + u, end))
            to_f, carries, products = _through_currents(
                g, k_m * resistance, f[u], asc[u], g_asc, k_j, r_j, a_j, reset_rate, J
            )
            if sums is not None:
                leak = g * (resistance * _total(asc[u + 1], I0, J) - v[u])
                added = _added(summed, (-through, leak) + products, 2 + 3 * J)
                summed = _chosen(live, added, summed, 2 + 3 * J)
            g_f = tl.where(live, to_f - reset_rate * g * (v[u] - v_reset), g_f)
            g_v = tl.where(live, g * (1.0 - k_m - reset_rate * f[u]), g_v)
            g_asc = _chosen(live, carries, g_asc, J)
        low = low - S

    tl.store(g_firing + state, g_f, mask=there)
    tl.store(g_voltage + state, g_v, mask=there)
    _store_each(g_ascurrents, state, replicas * row, there, g_asc, J)
    if sums is not None:
        _store_each(sums, state, replicas * row, there, summed, 2 + 3 * J)
