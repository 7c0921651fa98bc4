"""Where compiled code finds what it works on: the job of a pass over a layer.

A chunk are some samples that one thread takes through all steps, block by block. A row is what a step has of a sample:
W numbers, or G*W. The steps of a sample lie side by side, so that one sample's block fits the first cache. All numbers
are float32.

Shapes: R replicas, B batch, T steps, I inputs, D delay in steps, W width (neurons, a multiple of 16), G gates per
neuron, n elements of the state, F followed ones, P learned parts of parameters.
"""

from __future__ import annotations

from typing import NamedTuple


class Job(NamedTuple):
    """Places in a job of 64-bit integers: counts, addresses (0 where there is none), and distances in bytes."""

    next_task: int = 0  # the two counters that threads draw from
    next_thread: int = 1
    tasks: int = 2
    scan: int = 3  # the model's own function
    replicas: int = 4
    steps: int = 5
    batch: int = 6
    inputs: int = 7
    row: int = 8  # bytes of W numbers
    columns: int = 9  # G*W
    delay: int = 10
    block: int = 11  # steps whose synaptic input is computed at once, at most D
    stretch: int = 12  # steps whose product with the input, or with its gradient, is computed at once: some blocks
    chunk: int = 13  # samples
    groups: int = 14  # of chunks, in each replica; a task of the backward pass
    chunks: int = 15  # in a group
    x: int = 16  # [R or 1,B,T,I]; no address where its product is in `values` already
    x_replica: int = 17  # from one replica's to the next
    history: int = 18  # [R,B,D,W]: what was sent in the D steps before the first
    weight_in: int = 19  # packed (`products.py`)
    weight_lat: int = 20  # the same; of the backward pass, both transposed
    values: int = 21  # [R,B,T,G,W]: synaptic input, which becomes slots
    sent: int = 22  # [R,B,T,W]
    mask: int = 23
    mask_r: int = 24
    mask_b: int = 25
    mask_t: int = 26
    start: int = 27  # elements before the first step [n,R,B,W]
    state: int = 28  # forward: followed elements as they go; backward: gradients of all elements [n,R,B,W]
    state_n: int = 29  # from an element to the next
    kept: int = 30  # checkpoints [blocks,F,R,B,W]
    kept_s: int = 31  # from a block to the next; 0 where no backward scan follows
    coefficients: int = 32  # [R,rows,W]
    coefficients_r: int = 33
    parameters: int = 34  # [parts,R,W]
    parameters_p: int = 35
    constants: int = 36  # numbers
    upstream: int = 37  # [R,B,T,W]: gradient of what was sent, from outside; or one row of zeros
    upstream_t: int = 38  # 0 for that
    zeros: int = 39  # a vector
    scratch: int = 40  # [threads, scratch_size]
    scratch_size: int = 41  # bytes of a thread's
    scan_scratch: int = 42  # bytes of it that the scan uses
    g_values: int = 43  # [R,B,T,G,W]: where the gradient of synaptic input is wanted whole; else a thread's own
    g_x: int = 44  # [R,B,T,N], written; N the next multiple of 16 from I on
    wide_inputs: int = 45  # N
    g_history: int = 46  # [R,B,D,W], written
    totals: int = 47  # [R,groups,total]: gradients of weight_in [I,G*W], weight_lat [W,G*W], parameters [P,W]
    total: int = 48  # numbers
    learns_in: int = 49  # whether weight_in's gradient is wanted, and made here
    learns_lat: int = 50


JOB = Job()
