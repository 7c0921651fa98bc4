"""Trained quantities, their unconstrained twins, and how a network starts.

Stored are logit(dt k), with dt k in (0, 1), and ln((1 - r)/(1 + r)), with r in (-1, 1); thresholds, additive terms and
weights are stored as they are. Starts (homogeneous, and heterogeneous from a prior) are those of Winston et al., Neural
Computation 35(4), 2023, with spreads that multiply half-widths about the centre.

Draws are made in float64 on the generator's device, whatever the network's type, in the order in which the functions
are called and their results named. Shapes: H neurons, J after-spike currents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from glifr.errors import InputError, Problem

if TYPE_CHECKING:
    from glifr.engine.definition import NeuronModel, Parameter, Transform

_EDGE = 1e-6  # distance that clipped starts keep from the ends of an open interval, so that their twins stay finite


class Range(NamedTuple):
    """A uniform start: centre plus or minus half."""

    centre: float
    half: float

    def spread(self, factor: float) -> Range:
        return Range(self.centre, self.half * factor)


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


def start_parameters(
    model: NeuronModel,
    hidden_size: int,
    dt: float,
    heterogeneous: bool,
    spreads: Mapping[str, float],
    generator: torch.Generator | None,
) -> list[Tensor]:
    """Draws a model's parameters as they are stored, in their order, leaving out what has no width or no part.

    Args:
        model: The neuron model.
        hidden_size: Neurons H.
        dt: Time step [ms].
        heterogeneous: Whether the start is the heterogeneous one.
        spreads: Factors on the half-widths of the parameters, by their `spread`. A start that would leave a parameter's
            open interval is clipped to it.
        generator: What they are drawn from; torch's global generator if None.

    Returns:
        The parameters, [1,H] or [J,1,H] each.

    Raises:
        InputError: The start itself lies outside the interval.
    """
    found = []
    for p in model.parameters:
        start = Range(*p.start(heterogeneous))
        if p.start_per_ms:
            _check_start(p, start, dt)
            start = Range(start.centre * dt, start.half * dt)
        shape = (1, hidden_size) if p.count is None else (p.count, 1, hidden_size)
        found.append(_plain(p.transform.store(_draw(shape, start.spread(spreads[p.spread]), p.transform, generator))))
    return found


def _check_start(p: Parameter, start: Range, dt: float) -> None:
    low, high = start.centre - start.half, start.centre + start.half
    if low * dt > p.transform.low and high * dt < p.transform.high:
        return
    raise InputError(
        Problem(
            f"{p.meaning} must lie between {p.transform.low:g} and {p.transform.high:g}",
            "dt",
            dt,
            f"0 < dt < {1 / high:g} ms, as {p.meaning.removeprefix('dt ')} starts between {low:g} and {high:g} per ms",
            "use a smaller time step",
        )
    )


def _draw(shape: tuple[int, ...], start: Range, bounds: Transform, generator: torch.Generator | None) -> Tensor:
    bottom = max(start.centre - start.half, bounds.low + _EDGE)
    top = min(start.centre + start.half, bounds.high - _EDGE)
    if bottom == top or math.prod(shape) == 0:
        return torch.full(shape, start.centre, dtype=torch.float64)
    return uniform(shape, bottom, top, generator)


def _plain(drawn: Tensor) -> Tensor:
    return drawn.to("cpu", torch.get_default_dtype())
