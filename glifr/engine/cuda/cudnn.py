"""One LSTM by torch's own kernels, which on CUDA are cuDNN's: they hold all steps in one launch.

They compute one recurrence, so they are taken for the model whose step is exactly that one, by its digest.
"""

from __future__ import annotations

import torch

from glifr.engine.sequence import SequenceInput, SequenceResult

_LSTM = "3144aeeb74cd52fcc989187eb344ccfd1b33126211f9c25e34a6bf5448698991"  # `NeuronModel.digest` of torch's LSTM


def takes(sequence: SequenceInput) -> bool:
    """Whether it is that LSTM: one replica from zeros, without delay or mask, on CUDA."""
    plain = len(sequence.weight_lat) == sequence.delay == 1 and sequence.mask is None
    fresh = sequence.initial is None and sequence.history is None
    return plain and fresh and sequence.model.digest == _LSTM and _acceptable(sequence.x)


def _acceptable(x: torch.Tensor) -> bool:
    return x.is_cuda and torch.backends.cudnn.is_acceptable(x)  # type: ignore[no-untyped-call]


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence that it takes."""
    x, weight_in, weight_lat = sequence.x[0].transpose(0, 1), sequence.weight_in[0], sequence.weight_lat[0]
    zeros, bias = x.new_zeros(1, x.shape[1], len(weight_lat)), sequence.values.bias.flatten()
    weights = [weight_in.t(), weight_lat.t(), bias, torch.zeros_like(bias)]
    # has_biases, layers, dropout, training (as backward may follow), bidirectional, batch_first
    hidden, last, cell = torch._VF.lstm(x, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return SequenceResult(hidden.transpose(0, 1).unsqueeze(0), sequence.model.State(last, cell))
