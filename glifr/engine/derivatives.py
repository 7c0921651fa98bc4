"""Gradients with a graph of their own, where somebody differentiates them again.

Compiled backward passes cannot be differentiated. Where torch asks for it (`create_graph=True`) the same gradients are
made by the portable engine instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glifr.engine import portable
from glifr.engine.notes import PRICE, note_once
from glifr.engine.sequence import SequenceInput, SequenceResult


def differentiable_gradients(
    build: Callable[[Sequence[Tensor | None]], SequenceInput],
    outputs_of: Callable[[SequenceResult], Sequence[Tensor]],
    tensors: Sequence[Tensor | None],
    wanted: Sequence[bool],
    upstream: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Computes gradients that can be differentiated again.

    Args:
        build: Makes the sequence of `tensors`.
        outputs_of: The outputs among a result.
        tensors: What gradients are taken of.
        wanted: For each of them, whether its gradient is wanted.
        upstream: The gradient of each output, None for zeros.

    Returns:
        The gradients, None for those not wanted.
    """
    note_once("double backward", f"gradients that are differentiated again come from the portable engine, {PRICE}")
    # Other names of the same tensors: some are made of others (a state's last row), and each gets its own part alone.
    own = [None if t is None else t.view_as(t) for t in tensors]
    outputs = outputs_of(portable.run(build(own)))
    pairs = [(o, g) for o, g in zip(outputs, upstream, strict=True) if g is not None]
    leaves = [t for t, is_wanted in zip(own, wanted, strict=True) if t is not None and is_wanted]
    found = iter(
        torch.autograd.grad([o for o, _ in pairs], leaves, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if t is not None and is_wanted else None for t, is_wanted in zip(own, wanted, strict=True)]
