"""One time step of each network, written once: all that computes a network calls these or is tested against them.

GLIFR, per neuron, with f firing, v voltage, a_j after-spike current j = 1..J, s synaptic input, m mask:

    s_t    = x_t W_in + f_{t-D} W_lat
    asc_jt = (dt/tau) f_{t-1} (r_j asc_j,t-1 + a_j) + (1 - dt k_j) asc_j,t-1
    v_t    = s_t + dt k_m R (sum_j asc_jt + I0) + (1 - dt k_m) v_{t-1} - (dt/tau) f_{t-1} (v_{t-1} - v_reset)
    f_t    = m sigmoid((v_t - thresh) / sigma_v)

The new after-spike currents enter v_t; the old f and v enter both; the mask acts on f_t before it is used anywhere.
Rates appear only as the dimensionless products dt k_m ("decay_m") and dt k_j ("decay_j"), each in (0, 1); voltage,
current and threshold are dimensionless. R here is the membrane resistance `Constants.R`.

Shapes: B batch, T steps, I inputs, H neurons, J after-spike currents, D delay in steps; `*` stands for nothing or for a
leading replica dimension R. Source: Winston, Mastrovito, Shea-Brown, Mihalas, Neural Computation 35(4), 2023.
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


class RNNParameters(NamedTuple):
    """A tanh layer: h_t = m tanh(x_t W_in + h_{t-D} W_lat + b)."""

    weight_in: Tensor  # [*,I,H]
    weight_lat: Tensor  # [*,H,H]
    bias: Tensor  # [*,1,H]


class LSTMParameters(NamedTuple):
    """An LSTM layer in torch's parametrisation: two biases, gates in the order input, forget, cell, output."""

    weight_ih: Tensor  # [*,4H,I]
    weight_hh: Tensor  # [*,4H,H]
    bias_ih: Tensor  # [*,4H]
    bias_hh: Tensor  # [*,4H]


class LSTMState(NamedTuple):
    """An LSTM layer after one step."""

    hidden: Tensor  # [*,B,H]
    cell: Tensor  # [*,B,H]


def synaptic_input(x: Tensor, delayed: Tensor, weight_in: Tensor, weight_lat: Tensor) -> Tensor:
    """s_t = x_t W_in + f_{t-D} W_lat of inputs [*,B,I] and delayed firing (RNN: hidden) [*,B,H]; returns [*,B,H]."""
    return x @ weight_in + delayed @ weight_lat


def glifr_step(
    synaptic: Tensor, state: GLIFRState, parameters: GLIFRParameters, constants: Constants, mask: Tensor | None = None
) -> GLIFRState:
    """One GLIFR step from synaptic input s_t [*,B,H]; mask broadcastable to [*,B,H], None for ones."""
    firing, voltage, ascurrents = state
    p, c = parameters, constants
    spiked = c.reset_rate * firing
    ascurrents = spiked * (p.r * ascurrents + p.a) + (1 - p.decay_j) * ascurrents
    current = ascurrents.sum(0) + c.I0
    leaked = (1 - p.decay_m) * voltage - spiked * (voltage - c.v_reset)
    voltage = synaptic + p.decay_m * c.R * current + leaked
    firing = torch.sigmoid((voltage - p.thresh) / c.sigma_v)
    return GLIFRState(firing if mask is None else mask * firing, voltage, ascurrents)


def rnn_step(preactivation: Tensor, mask: Tensor | None = None) -> Tensor:
    """h_t [*,B,H] of x_t W_in + h_{t-D} W_lat + b; the mask acts on h before any use."""
    hidden = torch.tanh(preactivation)
    return hidden if mask is None else mask * hidden


def lstm_step(gates: Tensor, cell: Tensor, mask: Tensor | None = None) -> LSTMState:
    """One LSTM step (Hochreiter and Schmidhuber 1997) of gate pre-activations [*,B,4H] and the old cell [*,B,H].

    The mask acts on h before any use; c is not masked.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    hidden = torch.sigmoid(o) * torch.tanh(cell)
    return LSTMState(hidden if mask is None else mask * hidden, cell)
