"""The long short-term memory cell.

Its gates i, f, g, o, in torch's order, have a synaptic input and a bias each:

    c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)
    h_t = m sigmoid(o) tanh(c_t)

The mask m acts on h before any use; c is not masked. Source: Hochreiter and Schmidhuber, Neural Computation 9(8), 1997,
with the forget gate of Gers, Schmidhuber and Cummins, Neural Computation 12(10), 2000.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from glifr.engine.definition import NeuronModel, Parameter, State


def step(
    s: tuple[Tensor, ...], states: Any, parameters: Any, constants: Any, mask: Tensor | None
) -> tuple[Tensor, ...]:
    """One step from the synaptic input of four gates, each [*,B,H]."""
    i, f, g, o = (gate + bias for gate, bias in zip(s, parameters.bias, strict=True))
    cell = torch.sigmoid(f) * states.cell + torch.sigmoid(i) * torch.tanh(g)
    hidden = torch.sigmoid(o) * torch.tanh(cell)
    return hidden if mask is None else mask * hidden, cell


@cache
def lstm() -> NeuronModel:
    """LSTM cells."""
    return NeuronModel(
        name="lstm",
        states=(State("hidden"), State("cell")),
        parameters=(Parameter("bias", 4, meaning="bias of each gate"),),
        constants=(),
        step=step,
        gates=4,
        source="Hochreiter and Schmidhuber, Neural Computation 9(8), 1997",
    )
