"""What networks are to backend "cpu" beside numbers: sizes, and what their parameters and gradients look like there.

Shapes: R replicas, I inputs, H neurons, W width (the next multiple of 16), G gates per neuron (1 but for the LSTM), J
after-spike currents, O outputs, P the next multiple of 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from glifr.errors import InputError, Problem
from glifr.kernels.padding import width_for
from glifr.kernels.sequence import Kind

_RECURRENT = {"glifr": 7, "tanh": 3, "lstm": 4}


class Sizes(NamedTuple):
    """Of R networks of one kind. outputs: 0 without readout. stored: neuron parameters are unconstrained (glifr)."""

    kind: Kind
    replicas: int
    inputs: int
    hidden: int
    ascs: int
    outputs: int
    stored: bool

    @property
    def width(self) -> int:
        """W."""
        return width_for(self.hidden)

    @property
    def gates(self) -> int:
        """G."""
        return 4 if self.kind == "lstm" else 1

    @property
    def columns(self) -> int:
        """G*W."""
        return self.gates * self.width

    @property
    def wide_outputs(self) -> int:
        """P."""
        return width_for(self.outputs)

    @property
    def others(self) -> int:
        """Numbers of a replica beside its weights: of neurons [2+3J,W], or of the bias [G*W]."""
        return (2 + 3 * self.ascs) * self.width if self.kind == "glifr" else self.columns

    @property
    def recurrent(self) -> int:
        """Parameters of a replica before those of the readout."""
        return _RECURRENT[self.kind]

    @property
    def parameters(self) -> int:
        """Parameters of a replica."""
        return self.recurrent + (2 if self.outputs else 0)


class Back(NamedTuple):
    """What is packed beside, transposed, for a backward pass: where gradients go through weights."""

    weight_lat: bool
    weight_in: bool
    readout: bool


class Packed(NamedTuple):
    """Matrices [R,n/16,K,16], others [2+3J,R,W] or [R,G*W], readout_bias [R,P]; each without its shape, None if absent.

    lat_back, in_back, readout_back: transposed.
    """

    weight_in: Tensor
    weight_lat: Tensor
    others: Tensor
    readout: Tensor | None
    readout_bias: Tensor | None
    lat_back: Tensor | None
    in_back: Tensor | None
    readout_back: Tensor | None


class Totals(NamedTuple):
    """Gradients by groups of chunks, each group [R,n]: recurrent, of weight_in [I,G*W], weight_lat [W,G*W] and others.

    Others: of neurons thresh, dt k_m, then dt k_j, r and a of each current, or of the bias. readout: [H+1,P], the last
    row the bias's.
    """

    recurrent: Tensor | None  # [groups,R,n]
    readout: Tensor | None


@cache
def _shapes(s: Sizes) -> list[torch.Size]:
    """Of the parameters of a replica."""
    one, currents = (1, s.hidden), (s.ascs, 1, s.hidden)
    recurrent: dict[str, list[tuple[int, ...]]] = {
        "glifr": [(s.inputs, s.hidden), (s.hidden, s.hidden), one, one, currents, currents, currents],
        "tanh": [(s.inputs, s.hidden), (s.hidden, s.hidden), one],
        "lstm": [(4 * s.hidden, s.inputs), (4 * s.hidden, s.hidden), (4 * s.hidden,), (4 * s.hidden,)],
    }
    readout = [(s.outputs, s.hidden), (s.outputs,)] if s.outputs else []
    return [torch.Size(shape) for shape in [*recurrent[s.kind], *readout]]


def check(s: Sizes, parameters: Sequence[Tensor]) -> None:
    """Compiled code reads memory unasked, so all must be as it expects. Raises InputError if it is not."""
    for number, (parameter, shape) in enumerate(zip(parameters, s.replicas * _shapes(s), strict=True)):
        if parameter.shape != shape or parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            found = (tuple(parameter.shape), parameter.dtype, parameter.device)
            allowed = f"{tuple(shape)}, torch.float32, cpu"
            rule = "a parameter does not fit its network"
            raise InputError(Problem(rule, f"parameters[{number}]", found, allowed))
