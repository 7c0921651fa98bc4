"""The generalised leaky-integrate-and-fire-rate neuron.

With f firing, v voltage, a_j after-spike current j = 1..J, s synaptic input, m mask:

    asc_jt = (dt/tau) f_{t-1} (r_j asc_j,t-1 + a_j) + (1 - dt k_j) asc_j,t-1
    v_t    = s_t + dt k_m R (sum_j asc_jt + I0) + (1 - dt k_m) v_{t-1} - (dt/tau) f_{t-1} (v_{t-1} - v_reset)
    f_t    = m sigmoid((v_t - thresh) / sigma_v)

The new after-spike currents enter v_t; the old f and v enter both; the mask acts on f_t before it is used anywhere.
Rates appear only as the dimensionless products dt k_m ("decay_m") and dt k_j ("decay_j"), each in (0, 1); voltage,
current and threshold are dimensionless. R here is the membrane resistance.

Source: Winston, Mastrovito, Shea-Brown, Mihalas, Neural Computation 35(4), 2023.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from glifr.engine.definition import DECAY, MULTIPLIER, Constant, NeuronModel, Parameter, State


def step(s: Tensor, states: Any, parameters: Any, constants: Any, mask: Tensor | None) -> tuple[Tensor, ...]:
    """One step from synaptic input s_t [*,B,H]; states and parameters as `glifr` lists them."""
    firing, voltage, ascurrents = states
    p, c = parameters, constants
    spiked = c.reset_rate * firing
    ascurrents = spiked * (p.r * ascurrents + p.a) + (1 - p.decay_j) * ascurrents
    current = ascurrents.sum(0) + c.I0
    leaked = (1 - p.decay_m) * voltage - spiked * (voltage - c.v_reset)
    voltage = s + p.decay_m * c.R * current + leaked
    firing = torch.sigmoid((voltage - p.thresh) / c.sigma_v)
    return firing if mask is None else mask * firing, voltage, ascurrents


@cache
def glifr(num_ascs: int = 2) -> NeuronModel:
    """GLIFR neurons with J = `num_ascs` after-spike currents. Starts are those of the published work."""
    J, ascs = num_ascs, "after_spike_spread"
    return NeuronModel(
        name="glifr",
        states=(State("firing"), State("voltage"), State("ascurrents", J)),
        parameters=(
            Parameter("thresh", meaning="threshold", homogeneous=(1.0, 0.0), heterogeneous=(0.0, 1.0)),
            Parameter("decay_m", None, DECAY, "dt k_m", "1/ms", (0.05, 0.0), (0.05, 0.01), start_per_ms=True),
            Parameter("decay_j", J, DECAY, "dt k_j", "1/ms", (0.1, 0.0), (0.1, 0.025)),
            Parameter("r", J, MULTIPLIER, "multiplier", "", (0.0, 0.01), (0.0, 0.1), ascs),
            Parameter("a", J, meaning="additive term", homogeneous=(0.0, 0.01), heterogeneous=(0.0, 0.1), spread=ascs),
        ),
        constants=(
            Constant("reset_rate", 1.0, "dt/tau", positive=True),
            Constant("sigma_v", 1.0, "width of the firing curve", positive=True),
            Constant("R", 0.1, "membrane resistance"),
            Constant("I0", 0.0, "constant input"),
            Constant("v_reset", 0.0, "voltage after a spike"),
        ),
        step=step,
        source="Winston et al., Neural Computation 35(4), 2023",
    )
