"""Trained quantities, their unconstrained twins, and how a network starts.

Stored are logit(dt k), with dt k in (0, 1), and ln((1 - r)/(1 + r)), with r in (-1, 1); thresholds, additive terms and
weights are stored as they are. Starts (homogeneous, and heterogeneous from a prior) are those of Winston et al., Neural
Computation 35(4), 2023, with spreads that multiply half-widths about the centre.

Draws are made in float64 on the generator's device, whatever the network's type, in the order in which the functions
are called and their results named. Shapes: H neurons, J after-spike currents.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from glifr.errors import InputError, Problem

_EDGE = 1e-6  # distance that clipped starts keep from the ends of an open interval, so that their twins stay finite


class Range(NamedTuple):
    """A uniform start: centre plus or minus half."""

    centre: float
    half: float

    def spread(self, factor: float) -> Range:
        return Range(self.centre, self.half * factor)


class Prior(NamedTuple):
    """Uniform starts of the neuron parameters; decay_m = dt k_m and decay_j = dt k_j are free of units."""

    thresh: Range
    k_m: Range  # 1/ms
    decay_j: Range
    after_spike: Range  # r_j and a_j


HOMOGENEOUS = Prior(Range(1.0, 0.0), Range(0.05, 0.0), Range(0.1, 0.0), Range(0.0, 0.01))
HETEROGENEOUS = Prior(Range(0.0, 1.0), Range(0.05, 0.01), Range(0.1, 0.025), Range(0.0, 0.1))


class NeuronStart(NamedTuple):
    """Start of a GLIFR layer's neuron parameters, as stored."""

    thresh: Tensor  # [1,H]
    trans_k_m: Tensor  # [1,H]
    trans_k_j: Tensor  # [J,1,H]
    trans_r_j: Tensor  # [J,1,H]
    a_j: Tensor  # [J,1,H]


def store_decay(decay: Tensor) -> Tensor:
    """dt k in (0, 1) -> its logit."""
    return torch.logit(decay)


def read_decay(stored: Tensor) -> Tensor:
    """The inverse of `store_decay`."""
    return torch.sigmoid(stored)


def store_multiplier(r: Tensor) -> Tensor:
    """r in (-1, 1) -> ln((1 - r)/(1 + r))."""
    return -2 * torch.atanh(r)


def read_multiplier(stored: Tensor) -> Tensor:
    """The inverse of `store_multiplier`: (1 - e^s)/(1 + e^s), without overflow."""
    return -torch.tanh(stored / 2)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """U(low, high) in float64, on the generator's device."""
    device = generator.device if generator is not None else None
    unit = torch.rand(shape, generator=generator, dtype=torch.float64, device=device)
    return low + (high - low) * unit


def start_weights(shape: tuple[int, ...], hidden_size: int, spread: float, generator: torch.Generator | None) -> Tensor:
    """Uniform in +-spread sqrt(1/H), in torch's default type on the CPU."""
    half = spread * math.sqrt(1 / hidden_size)
    return _plain(uniform(shape, -half, half, generator))


def start_neurons(
    hidden_size: int,
    num_ascs: int,
    dt: float,
    prior: Prior,
    neuron_spread: float,
    after_spike_spread: float,
    generator: torch.Generator | None,
) -> NeuronStart:
    """Draws thresh, k_m, k_j, r_j, a_j in this order, leaving out what has no width or no current.

    neuron_spread multiplies the half-widths of thresh, k_m and k_j, after_spike_spread those of r_j and a_j; what would
    leave a legal open interval is clipped to it. Raises InputError if the prior itself has dt k outside (0, 1).
    """
    decay_m = Range(prior.k_m.centre * dt, prior.k_m.half * dt)
    if not (decay_m.centre - decay_m.half > 0 and decay_m.centre + decay_m.half < 1):
        low, high = prior.k_m.centre - prior.k_m.half, prior.k_m.centre + prior.k_m.half
        raise InputError(
            Problem(
                "dt k_m must lie between 0 and 1",
                "dt",
                dt,
                f"0 < dt < {1 / high:g} ms, as k_m starts between {low:g} and {high:g} per ms",
                "use a smaller time step",
            )
        )
    one, many = (1, hidden_size), (num_ascs, 1, hidden_size)

    def draw(shape: tuple[int, ...], start: Range, low: float, high: float) -> Tensor:
        bottom, top = max(start.centre - start.half, low), min(start.centre + start.half, high)
        if bottom == top or math.prod(shape) == 0:
            return torch.full(shape, start.centre, dtype=torch.float64)
        return uniform(shape, bottom, top, generator)

    after_spike = prior.after_spike.spread(after_spike_spread)
    thresh = draw(one, prior.thresh.spread(neuron_spread), -math.inf, math.inf)
    k_m = draw(one, decay_m.spread(neuron_spread), _EDGE, 1 - _EDGE)
    k_j = draw(many, prior.decay_j.spread(neuron_spread), _EDGE, 1 - _EDGE)
    r_j = draw(many, after_spike, -1 + _EDGE, 1 - _EDGE)
    a_j = draw(many, after_spike, -math.inf, math.inf)
    stored = NeuronStart(thresh, store_decay(k_m), store_decay(k_j), store_multiplier(r_j), a_j)
    return NeuronStart(*(_plain(t) for t in stored))


def _plain(drawn: Tensor) -> Tensor:
    return drawn.to("cpu", torch.get_default_dtype())
