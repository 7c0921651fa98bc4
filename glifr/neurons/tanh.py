"""The unit of the tanh network: h_t = m tanh(s_t + b), with s synaptic input, m mask.

Source: Elman, Cognitive Science 14(2), 1990; here with lateral delay.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from glifr.engine.definition import NeuronModel, Parameter, State


def step(s: Tensor, states: Any, parameters: Any, constants: Any, mask: Tensor | None) -> tuple[Tensor, ...]:
    """One step from synaptic input s_t [*,B,H]."""
    hidden = torch.tanh(s + parameters.bias)
    return (hidden if mask is None else mask * hidden,)


@cache
def tanh() -> NeuronModel:
    """Tanh units."""
    return NeuronModel(
        name="tanh",
        states=(State("hidden"),),
        parameters=(Parameter("bias", meaning="bias"),),
        constants=(),
        step=step,
        source="Elman, Cognitive Science 14(2), 1990",
    )
