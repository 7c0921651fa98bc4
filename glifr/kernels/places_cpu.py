# mypy: disable-error-code="untyped-decorator"
"""Where compiled code finds what it works on: the job of a pass over a layer, and the rows of its arrays.

A chunk are some samples that one thread takes through all steps, block by block. What a step has per sample is a row of
[R,B,T,W] or [R,B,T,G*W]: the steps of a sample lie side by side, so that one sample's block fits the first cache.

Shapes: R replicas, B batch, T steps, I inputs, D delay in steps, W width (neurons, a multiple of 16), G gates per
neuron (1 but for the LSTM), J after-spike currents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from glifr.kernels.vectors import BYTES, get, inlined, load, splat, store, take

_ZERO = np.float32(0)


class Job(NamedTuple):
    """Places in a job: counts, addresses (0 where there is none), and strides in bytes."""

    next_task: int = 0  # the two counters that threads draw from: `jobs.py`
    next_thread: int = 1
    tasks: int = 2
    replicas: int = 3
    steps: int = 4
    batch: int = 5
    inputs: int = 6
    width: int = 7
    columns: int = 8  # G*W
    delay: int = 9
    block: int = 10  # steps whose synaptic input is computed at once, at most D
    stretch: int = 11  # steps whose product with the input, or with its gradient, is computed at once: some blocks
    chunk: int = 12  # samples
    groups: int = 13  # of chunks, in each replica; a task of the backward pass
    chunks: int = 14  # in a group
    scratch: int = 15  # [threads, scratch_size]
    scratch_size: int = 16
    x: int = 17  # [R or 1,B,T,I]
    x_replica: int = 18  # bytes from one replica's to the next
    history: int = 19  # [R,B,D,W]: firing of the D steps before the first
    weight_in: int = 20  # packed (`pack_cpu.py`)
    weight_lat: int = 21  # the same; of the backward pass, both transposed
    mask: int = 22
    mask_r: int = 23
    mask_b: int = 24
    mask_t: int = 25
    values: int = 26  # [R,B,T,G*W]: synaptic input, which becomes voltage (GLIFR), tanh(s) or the LSTM's gates
    firing: int = 27  # [R,B,T,W]: what the neurons send
    kept: int = 28  # after-spike currents before each block [n,J,R,B,W]; the LSTM's cells [R,B,T,W]
    constants: int = 29  # dt/tau, 1 / sigma_v, R, I0, v_reset
    neurons: int = 30  # [2+3J,R,W]: thresh, dt k_m, then all dt k_j, all r, all a
    start_firing: int = 31  # [R,B,W]: the state before the first step; without address it is zero
    start_voltage: int = 32
    start_ascurrents: int = 33  # [J,R,B,W]
    state_firing: int = 34  # [R,B,W]: forward, the state after the last step; backward, the carries
    state_voltage: int = 35
    state_ascurrents: int = 36  # [J,R,B,W]; forward, taken along
    final_firing: int = 37  # gradients of the final state, as the start; without address they are zero
    final_voltage: int = 38
    final_ascurrents: int = 39
    upstream: int = 40  # [R,B,T,W]: gradient of firing from outside
    g_x: int = 41  # [R,B,T,P], written; P the next multiple of 16 from I on
    g_history: int = 42  # [R,B,D,W], written
    totals: int = 43  # [groups,R,total]: gradients of weight_in [I,G*W], weight_lat [W,G*W], neurons or bias
    total: int = 44  # numbers
    learns_in: int = 45  # whether weight_in's gradient is wanted
    learns_lat: int = 46
    wide_inputs: int = 47  # P
    bias: int = 48  # [R,G*W], of the tanh network and the LSTM
    ones: int = 49  # a number, 1.0: what the bias is multiplied by; no address where its gradient is not wanted


JOB = Job()


@inlined
def own_scratch(job: int) -> Any:
    """The address of this thread's part of the scratch."""
    return get(job, JOB.scratch) + 4 * take(job + 8 * JOB.next_thread) * get(job, JOB.scratch_size)


@inlined
def chunk_of(job: int, replica: int, number: int) -> Any:
    """A chunk: its replica, its first sample, and how many it has; 0 or fewer beyond the last."""
    first = number * get(job, JOB.chunk)
    return replica, first, min(get(job, JOB.chunk), get(job, JOB.batch) - first)


@inlined
def group_of(job: int, task: int) -> Any:
    """The replica and group of a task of the backward pass: those first that the forward pass came to last."""
    task = get(job, JOB.tasks) - 1 - task
    return task // get(job, JOB.groups), task % get(job, JOB.groups)


@inlined
def step_row(job: int, array: int, row: int, steps: int, chunk: Any, i: int, t: int) -> Any:
    """The address of step t of sample i of a chunk, in an array [R,B,steps,...] whose rows have `row` bytes."""
    replica, first, _ = chunk
    return array + row * ((replica * get(job, JOB.batch) + first + i) * steps + t)


@inlined
def block_rows(job: int, array: int, row: int, steps: int, chunk: Any, t: int) -> Any:
    """The steps from t on of all samples of a chunk, as products take them: address, and both distances."""
    return step_row(job, array, row, steps, chunk, 0, t), row, steps * row


@inlined
def state_row(job: int, array: int, chunk: Any, i: int) -> Any:
    """The address of the row of sample i of a chunk in a state [R,B,W], or of its first current in [J,R,B,W]."""
    replica, first, _ = chunk
    return array + 4 * get(job, JOB.width) * (replica * get(job, JOB.batch) + first + i)


@inlined
def start_row(job: int, array: int, chunk: Any, i: int) -> Any:
    """As `state_row`, or 0 where there is no such array."""
    return state_row(job, array, chunk, i) if array != 0 else 0


@inlined
def state_bytes(job: int) -> Any:
    """The size of a state [R,B,W]: the distance of after-spike currents."""
    return 4 * get(job, JOB.width) * get(job, JOB.batch) * get(job, JOB.replicas)


@inlined
def mask_row(job: int, chunk: Any, t: int, i: int) -> Any:
    """The address of the mask of a step of sample i of a chunk."""
    replica, first, _ = chunk
    strides = replica * get(job, JOB.mask_r) + (first + i) * get(job, JOB.mask_b) + t * get(job, JOB.mask_t)
    return get(job, JOB.mask) + strides


@inlined
def copy_or_clear(target: int, source: int, size: int) -> None:
    """So many bytes; zeros where there is no source."""
    if source != 0:
        copy(target, source, size)
    else:
        clear(target, size)


@inlined
def clear(target: int, size: int) -> None:
    """So many bytes of zeros."""
    for k in range(0, size, BYTES):
        store(target + k, splat(_ZERO))


@inlined
def copy(target: int, source: int, size: int) -> None:
    """So many bytes, a multiple of a vector's."""
    for k in range(0, size, BYTES):
        store(target + k, load(source + k))
