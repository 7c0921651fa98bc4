"""Batches of sequences of different lengths, padded to the longest.

Padding has no effect and gets no gradient, whatever stands there. Shapes: B batch, T steps, I inputs, H neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glifr.errors import InputError, Problem
from glifr.networks.state import NetworkState


def check_lengths(lengths: Tensor | Sequence[int], batch: int, steps: int) -> Tensor:
    """`lengths` as a tensor [B]; InputError unless these are whole numbers from 0 to T, one of each sequence."""
    found = torch.as_tensor(lengths)
    whole = found.numel() == 0 or not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    exporting = torch.compiler.is_exporting()  # numbers are not there yet
    if whole and found.shape == (batch,) and (exporting or bool(((found >= 0) & (found <= steps)).all())):
        return found.long()
    rule = "lengths are the steps of each sequence of a batch"
    raise InputError(Problem(rule, "lengths", lengths, f"{batch} whole numbers from 0 to {steps}"))


def is_padding(lengths: Tensor, steps: int, device: torch.device) -> Tensor:
    """True where a sequence has ended [B,T,1]."""
    return (torch.arange(steps, device=device) >= lengths.to(device).unsqueeze(1)).unsqueeze(2)


def part_of_mask(mask: Tensor | None, rows: Tensor, begin: int, end: int) -> Tensor | None:
    """Of a mask broadcastable to [1,B,T,H], that of some samples and steps."""
    if mask is None:
        return None
    mask = mask if mask.shape[1] == 1 else mask[:, rows]
    return mask if mask.shape[2] == 1 else mask[:, :, begin:end]


def run_padded(
    run: Callable[[Tensor, Tensor | None, NetworkState], tuple[Tensor, NetworkState]],
    x: Tensor,
    mask: Tensor | None,
    state: NetworkState,
    lengths: Tensor,
) -> tuple[Tensor, NetworkState]:
    """Computes sequences of different lengths, padded to the longest.

    Args:
        run: Computes x [B,T,I] from a state. It is called once per distinct length, with the sequences that reach it.
        x: Padded inputs [B,T,I].
        mask: As an engine takes it, None for ones.
        state: Where the sequences begin.
        lengths: Steps of each sequence [B].

    Returns:
        What was sent [B,T,H], with zeros after a sequence's end, and the state at each sequence's end.
    """
    sent, begin = x.new_zeros(*x.shape[:2], state.sent.shape[-1]), 0
    lengths = lengths.to(x.device)
    for end in sorted(set(lengths.tolist())):
        if end == begin:
            continue
        rows = (lengths >= end).nonzero().flatten()
        part, after = run(x[rows, begin:end], part_of_mask(mask, rows, begin, end), state.of_rows(rows))
        sent[rows, begin:end] = part
        state, begin = state.with_rows(rows, after), end
    return sent, state
