"""Backend "triton": the delay blocks over the Triton scans, products by torch (cuBLAS), the batch whole; float32.

With TRITON_INTERPRET=1 in the environment Triton's interpreter runs the same kernels on the CPU, slowly: for tests.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch

from glifr.engine import portable
from glifr.engine.sequence import SequenceInput, SequenceResult
from glifr.kernels import blocked
from glifr.kernels import sequence as own
from glifr.kernels.passes import Engine
from glifr.kernels.sequence import Constants, GLIFRParameters, GLIFRState


@cache
def available() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Whether the kernels run on the CPU, in Triton's interpreter."""
    from glifr.kernels import scan_triton

    return scan_triton.INTERPRETED


@cache
def _engine() -> Engine:
    from glifr.kernels import scan_triton_launch  # Triton takes a while to import, and may not be there

    return blocked.PLAIN._replace(
        forward_scan=scan_triton_launch.ForwardScan, backward_scan=scan_triton_launch.BackwardScan, tile=_whole_batch
    )


def _whole_batch(sequence: own.SequenceInput) -> int:
    return sequence.x.shape[1]


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence, float32; differentiable once. Of models that are not GLIFR's the portable engine does."""
    model, x = sequence.model, sequence.x
    if model.name == "lstm" and len(sequence.weight_in) == 1 and sequence.mask is None and _cudnn_takes(sequence):
        return _lstm_of_torch(sequence)
    if model.name != "glifr":
        return portable.run(sequence)
    parameters = GLIFRParameters(sequence.weight_in, sequence.weight_lat, *sequence.values)
    initial = None if sequence.initial is None else GLIFRState(*sequence.initial)
    where = sequence.delay, sequence.mask, initial, sequence.history
    found = blocked.run(own.SequenceInput(x, parameters, Constants(*sequence.constants), *where), _engine())
    return SequenceResult(found.firing, model.State(*found.final))


def _cudnn_takes(sequence: SequenceInput) -> bool:
    fresh = sequence.initial is None and sequence.history is None
    return fresh and sequence.x.is_cuda and torch.backends.cudnn.is_acceptable(sequence.x)  # type: ignore[no-untyped-call]


def _lstm_of_torch(sequence: SequenceInput) -> SequenceResult:
    """One LSTM (R = 1) by torch's own kernels, which on CUDA are cuDNN's."""
    x, weight_in, weight_lat = sequence.x[0].transpose(0, 1), sequence.weight_in[0], sequence.weight_lat[0]
    zeros = x.new_zeros(1, x.shape[1], weight_lat.shape[0])
    bias = sequence.values.bias.flatten()
    weights = [weight_in.t(), weight_lat.t(), bias, torch.zeros_like(bias)]
    # has_biases, layers, dropout, training (as backward may follow), bidirectional, batch_first
    hidden, last, cell = torch._VF.lstm(x, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return SequenceResult(hidden.transpose(0, 1).unsqueeze(0), sequence.model.State(last, cell))
