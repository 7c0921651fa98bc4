"""What every backend takes and gives: a whole sequence through one GLIFR layer, R replicas at once.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, J after-spike currents, D delay in steps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Constants(NamedTuple):
    """What all neurons share. reset_rate: dt/tau. sigma_v: width of firing curve. R: resistance. I0: constant input."""

    reset_rate: float = 1.0
    sigma_v: float = 1.0
    R: float = 0.1
    I0: float = 0.0
    v_reset: float = 0.0


class GLIFRParameters(NamedTuple):
    """A GLIFR layer. Rates are scaled by dt, so in (0, 1); r in (-1, 1)."""

    weight_in: Tensor  # [*,I,H]
    weight_lat: Tensor  # [*,H,H]
    thresh: Tensor  # [*,1,H]
    decay_m: Tensor  # [*,1,H]   dt k_m
    decay_j: Tensor  # [J,*,1,H] dt k_j
    r: Tensor  # [J,*,1,H]
    a: Tensor  # [J,*,1,H]


class GLIFRState(NamedTuple):
    """A GLIFR layer after one step; all zeros at the start of a sequence."""

    firing: Tensor  # [*,B,H]
    voltage: Tensor  # [*,B,H]
    ascurrents: Tensor  # [J,*,B,H]


class SequenceInput(NamedTuple):
    """One layer's work. Gradients flow to x, parameters, initial and history; none to the mask.

    x: [R,B,T,I], or [1,B,T,I] where all replicas read the same input. parameters: with their replica dimension.
    delay: D >= 1. mask: broadcastable to [R,B,T,H], None for ones. initial: the state before the first step, None for
    zeros. history: firing of the D steps before the first, oldest first [R,B,D,H], None for zeros.
    """

    x: Tensor
    parameters: GLIFRParameters
    constants: Constants
    delay: int
    mask: Tensor | None = None
    initial: GLIFRState | None = None
    history: Tensor | None = None


class SequenceResult(NamedTuple):
    """tiles: firing of consecutive parts of the batch, each [R,b,T,H], in memory [R,T,b,H] or [R,b,T,H].

    final: the state after the last step, of the whole batch.
    """

    tiles: tuple[Tensor, ...]
    final: GLIFRState

    @property
    def firing(self) -> Tensor:
        """[R,B,T,H]; joined here, as the readout of the last step does not need it."""
        return self.tiles[0] if len(self.tiles) == 1 else torch.cat(self.tiles, 1)


def start_of(sequence: SequenceInput) -> GLIFRState:
    """The state before the first step: what was given, or zeros."""
    if sequence.initial is not None:
        return sequence.initial
    weight, after_spike = sequence.parameters.weight_lat, sequence.parameters.a
    shape = (weight.shape[0], sequence.x.shape[1], weight.shape[-1])
    zeros = weight.new_zeros(shape)
    return GLIFRState(zeros, zeros, weight.new_zeros(after_spike.shape[0], *shape))


def mask_at(mask: Tensor | None, steps: int) -> list[Tensor | None]:
    """The mask of each step, each broadcastable to [R,B,H]; one shared tensor where it does not change."""
    if mask is None:
        return [None] * steps
    if mask.shape[2] == 1:
        return [mask[:, :, 0]] * steps
    return list(torch.unbind(mask, 2))
