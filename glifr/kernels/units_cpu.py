# mypy: disable-error-code="untyped-decorator"
"""The pointwise part of the tanh network and the LSTM on the CPU, in float32, compiled by numba.

Equations, gates and what is saved: `tanh.py` and `lstm.py`; here a step is one pass over memory instead of one a
operation. A task is `CHUNK` rows; a row is one sample at one step, W units, for the LSTM its gates [4,W] in the order
input, forget, output, cell. How compiled code gets its job: `jobs.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from glifr.kernels import lstm as lstm_scan
from glifr.kernels import tanh as tanh_scan
from glifr.kernels.jobs import Runner, compiled, threads_for
from glifr.kernels.vectors import BYTES, inlined, integer_at, load, sigmoid, splat, store, take, tanh

CHUNK = 16
SQUASH, UNSQUASH, OPEN_GATES, CLOSE_GATES = range(4)  # forward and backward of the tanh network, then of the LSTM
_ONE, _ZERO = np.float32(1), np.float32(0)


class Job(NamedTuple):
    """Places in a job: counts, and addresses (0 where there is none)."""

    next_task: int = 0
    next_thread: int = 1
    tasks: int = 2
    rows: int = 3
    width: int = 4
    values: int = 5  # pre-activations, then what they were squashed to: [rows,W], or gates [rows,4,W]
    lateral: int = 6  # added to the pre-activations, of their shape
    cell_before: int = 7  # [rows,W], as the others
    cell: int = 8
    hidden: int = 9
    reaching: int = 10  # gradient that reaches h
    carry: int = 11  # gradient of c, updated
    found: int = 12  # gradient of the pre-activations, of their shape


_JOB = Job()


@inlined
def _get(job: int, field: int) -> Any:
    """A count or an address."""
    return integer_at(job + 8 * field)


@inlined
def _rows_of(job: int, task: int) -> Any:
    """Where the rows of a task begin and end, in bytes of arrays [rows,W]."""
    row = 4 * _get(job, _JOB.width)
    return task * CHUNK * row, min((task + 1) * CHUNK, _get(job, _JOB.rows)) * row


@inlined
def _squash(job: int, begin: int, end: int) -> None:
    """values = tanh(values + lateral)."""
    values, lateral = _get(job, _JOB.values), _get(job, _JOB.lateral)
    for k in range(begin, end, BYTES):
        s = load(values + k)
        if lateral != 0:
            s = s + load(lateral + k)
        store(values + k, tanh(s))


@inlined
def _unsquash(job: int, begin: int, end: int) -> None:
    """found = reaching (1 - values^2)."""
    values, reaching, found = _get(job, _JOB.values), _get(job, _JOB.reaching), _get(job, _JOB.found)
    for k in range(begin, end, BYTES):
        h = load(values + k)
        store(found + k, load(reaching + k) * (_ONE - h * h))


@inlined
def _gate(job: int, gates: int, k: int, place: int) -> Any:
    """The pre-activation of a gate: own input and lateral input."""
    s, lateral = load(_get(job, _JOB.values) + gates + place), _get(job, _JOB.lateral)
    if lateral != 0:
        s = s + load(lateral + gates + place)
    return s


@inlined
def _open_gates(job: int, begin: int, end: int) -> None:
    """A step of the LSTM: glifr.equations.lstm_step."""
    row, values, before = 4 * _get(job, _JOB.width), _get(job, _JOB.values), _get(job, _JOB.cell_before)
    cell, hidden = _get(job, _JOB.cell), _get(job, _JOB.hidden)
    for at in range(begin, end, row):
        for k in range(0, row, BYTES):
            gates = 4 * at + k
            i, f = sigmoid(_gate(job, gates, k, 0)), sigmoid(_gate(job, gates, k, row))
            o, g = sigmoid(_gate(job, gates, k, 2 * row)), tanh(_gate(job, gates, k, 3 * row))
            c = i * g
            if before != 0:
                c = c + f * load(before + at + k)
            store(values + gates, i)
            store(values + gates + row, f)
            store(values + gates + 2 * row, o)
            store(values + gates + 3 * row, g)
            store(cell + at + k, c)
            store(hidden + at + k, o * tanh(c))


@inlined
def _close_gates(job: int, begin: int, end: int) -> None:
    """A step of the LSTM backward: `lstm.py`."""
    row, values, before = 4 * _get(job, _JOB.width), _get(job, _JOB.values), _get(job, _JOB.cell_before)
    cell, reaching = _get(job, _JOB.cell), _get(job, _JOB.reaching)
    carry, found = _get(job, _JOB.carry), _get(job, _JOB.found)
    for at in range(begin, end, row):
        for k in range(0, row, BYTES):
            gates = values + 4 * at + k
            i, f, o, g = load(gates), load(gates + row), load(gates + 2 * row), load(gates + 3 * row)
            g_hidden, squashed = load(reaching + at + k), tanh(load(cell + at + k))
            g_cell = load(carry + at + k) + g_hidden * o * (_ONE - squashed * squashed)
            c = splat(_ZERO)
            if before != 0:
                c = load(before + at + k)
            place = found + 4 * at + k
            store(place, g_cell * g * i * (_ONE - i))
            store(place + row, g_cell * c * f * (_ONE - f))
            store(place + 2 * row, g_hidden * squashed * o * (_ONE - o))
            store(place + 3 * row, g_cell * i * (_ONE - g * g))
            store(carry + at + k, g_cell * f)


def build(operation: int) -> Any:
    """One of the operations, over the rows of all tasks. It is a constant of the compiled code."""

    def over_tasks(job: int) -> None:
        task = take(job)
        while task < _get(job, _JOB.tasks):
            begin, end = _rows_of(job, task)
            if operation == SQUASH:
                _squash(job, begin, end)
            elif operation == UNSQUASH:
                _unsquash(job, begin, end)
            elif operation == OPEN_GATES:
                _open_gates(job, begin, end)
            else:
                _close_gates(job, begin, end)
            task = take(job)

    return over_tasks


class _Operation:
    """One of the operations above, on tensors [R,...,W] whose memory is contiguous within a replica."""

    def __init__(self, operation: int) -> None:
        self._runner = Runner(compiled(build, operation), Job._fields)

    def __call__(self, like: Tensor, **tensors: Tensor | None) -> None:
        """like: [R,...,W], one row a sample and step."""
        rows, width = like[0].numel() // like.shape[-1], like.shape[-1]
        tasks = -(-rows // CHUNK)
        threads = threads_for(tasks)
        self._runner.set(rows=rows, width=width, tasks=tasks)
        for r in range(len(like)):
            self._runner.set(**{k: 0 if t is None else t.data_ptr() + 4 * r * t.stride(0) for k, t in tensors.items()})
            self._runner.run(threads)


class TanhForward(tanh_scan.ForwardScan):
    """`tanh.ForwardScan` with its addition and tanh in one pass."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._operation = _Operation(SQUASH)

    def _squash(self, block: Tensor, lateral: Tensor | None) -> None:
        self._operation(block, values=block, lateral=lateral)


class TanhBackward(tanh_scan.BackwardScan):
    """`tanh.BackwardScan`, compiled."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._operation = _Operation(UNSQUASH)

    def _unsquash(self, gradient: Tensor, squashed: Tensor, found: Tensor) -> None:
        self._operation(squashed, reaching=gradient, values=squashed, found=found)


class LSTMForward(lstm_scan.ForwardScan):
    """`lstm.ForwardScan` with all of a step in one pass."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._operation = _Operation(OPEN_GATES)

    def _open(self, gates: Tensor, lateral: Tensor | None, before: Tensor | None, cell: Tensor, hidden: Tensor) -> None:
        self._operation(cell, values=gates, lateral=lateral, cell_before=before, cell=cell, hidden=hidden)


class LSTMBackward(lstm_scan.BackwardScan):
    """`lstm.BackwardScan` with all of a step in one pass."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._operation = _Operation(CLOSE_GATES)

    def _close(
        self, gates: Tensor, reaching: Tensor, before: Tensor | None, cell: Tensor, carry: Tensor, found: Tensor
    ) -> None:
        self._operation(cell, values=gates, reaching=reaching, cell_before=before, cell=cell, carry=carry, found=found)
