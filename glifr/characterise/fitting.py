"""Fits of a few neurons to outputs that were recorded, and whether such outputs could tell their parameters at all.

Both need the derivative of every output by every parameter: float64, forward mode, portable engine. That is for one
neuron or some, not for networks of hundreds.
Shapes: N networks, B batch, T steps, I inputs, O outputs, P numbers that are trained, n = B T O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, jacfwd, vmap

from glifr import checks
from glifr.engine.definition import IDENTITY, Transform
from glifr.errors import InputError, Problem
from glifr.networks import Network

_LEAST_DAMPING, _MOST_DAMPING, _FIRST_DAMPING = 1e-12, 1e8, 1e-2
_LONGEST = 1.0  # step of a number as it is stored
_EXACT = 1e-20  # mean squared error from which on a fit rests


class Identifiability(NamedTuple):
    """How well outputs would tell the trained parameters, by their derivatives at a network's own values.

    Attributes:
        condition: Condition number of the derivative by relative changes: largest to smallest singular value. Infinite
            where some change of parameters changes no output.
        losses: By name, for each number the mean squared error that remains if it is wrong by the share `off` and all
            others compensate as well as they can, to first order. A fit whose loss is not below this says nothing about
            the number; rounding in float32 alone leaves about 1e-15.
    """

    condition: float
    losses: dict[str, Tensor]


def identifiability(network: Network, inputs: Tensor, off: float = 0.05) -> Identifiability:
    """Tells how well a network's outputs determine its trained parameters.

    Args:
        network: The network.
        inputs: Inputs [B,T,I].
        off: The share by which a number is taken to be wrong. Of rates and multipliers it is of their values.

    Returns:
        The condition number, and for each number the loss that remains if it is wrong.
    """
    work = _Vector(network)
    start = work.vector(network)
    slopes, values = work.slopes(start)
    outputs = work.outputs_of(inputs.double())
    derivative = jacfwd(outputs)(start) * (values / slopes)
    sizes = derivative.norm(dim=0)
    singular = torch.linalg.svdvals(derivative)
    losses = torch.zeros_like(start)
    for p in range(len(start)):
        others = torch.cat([derivative[:, :p], derivative[:, p + 1 :]], 1) / _positive(
            torch.cat([sizes[:p], sizes[p + 1 :]])
        )
        basis = torch.linalg.qr(others)[0]
        left = derivative[:, p] - basis @ (basis.mT @ derivative[:, p])
        losses[p] = off**2 * left.square().mean()
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else torch.inf
    return Identifiability(condition, {name.removeprefix("trans_"): t for name, t in work.named(losses).items()})


@torch.no_grad()
def fit(networks: Sequence[Network], inputs: Tensor, targets: Tensor, iterations: int = 100) -> Tensor:
    """Fits each network by itself to targets, in place, by damped Gauss-Newton steps (Levenberg, Marquardt).

    There are local minima: start from several points and take the best.

    Args:
        networks: N networks of one kind and size.
        inputs: Inputs [B,T,I].
        targets: [B,T,O], or [N,B,T,O] if each has its own.
        iterations: Steps.

    Returns:
        The mean squared errors [N].

    Raises:
        InputError: Shapes do not fit.
    """
    checks.size("iterations", iterations)
    first = networks[0]
    wanted = (*inputs.shape[:2], first.out_size)
    if tuple(targets.shape) not in (wanted, (len(networks), *wanted)):
        allowed = f"{list(wanted)} or {[len(networks), *wanted]}"
        raise InputError(Problem("targets have the shape of the outputs", "targets", tuple(targets.shape), allowed))
    work = _Vector(first)
    points = torch.stack([work.vector(network) for network in networks])
    goals = targets.double().expand(len(networks), *wanted).flatten(1)
    points, losses = _descend(work.outputs_of(inputs.double()), points, goals, iterations)
    for network, point in zip(networks, points, strict=True):
        for name, tensor in work.named(point).items():
            network.neuron_layer.get_parameter(name).copy_(tensor)
    return losses


def _descend(
    outputs: Callable[[Tensor], Tensor], points: Tensor, goals: Tensor, iterations: int
) -> tuple[Tensor, Tensor]:
    """Points [N,P] whose outputs are nearer to goals [N,n], and their mean squared errors."""
    every, derivatives = vmap(outputs), vmap(jacfwd(outputs))
    residuals = every(points) - goals
    losses, damping = residuals.square().mean(1), torch.full((len(points),), _FIRST_DAMPING, dtype=torch.float64)
    for _ in range(iterations):
        open_ = ((losses > _EXACT) & (damping < _MOST_DAMPING)).nonzero().flatten()
        if len(open_) == 0:
            break
        slopes = derivatives(points[open_])
        curvature = slopes.mT @ slopes
        scale = torch.diagonal(curvature, dim1=1, dim2=2).clamp_min(1e-8)
        damped = curvature + torch.diag_embed(damping[open_, None] * scale)
        steps = torch.linalg.solve(damped, slopes.mT @ residuals[open_].unsqueeze(2)).squeeze(2)
        tried = points[open_] - steps.clamp(-_LONGEST, _LONGEST)
        left = every(tried) - goals[open_]
        found = left.square().mean(1)
        better = found < losses[open_]
        rows = open_[better]
        points[rows], residuals[rows], losses[rows] = tried[better], left[better], found[better]
        damping[open_] *= torch.where(better, 0.2, 4.0)
        damping.clamp_(_LEAST_DAMPING)
    return points, losses


class _Vector:
    """The trained numbers of a network's recurrent layer as one vector [P], as they are stored."""

    def __init__(self, network: Network) -> None:
        if network.output_linear is not None:
            rule = "neurons are fitted by what they send, not by a readout of it"
            raise InputError(Problem(rule, "network", "a network with a readout", "output_weight=False"))
        self._network = deepcopy(network).double().eval()
        self._network.backend = "torch"
        layer = network.neuron_layer
        self._shapes = {name: p.shape for name, p in layer.named_parameters() if p.requires_grad and p.numel()}
        kinds = [IDENTITY, IDENTITY, *(p.transform for p in layer.model.parameters)]
        self._transforms: dict[str, Transform] = dict(zip(layer.stored, kinds, strict=False))

    def vector(self, network: Network) -> Tensor:
        layer = network.neuron_layer
        return torch.cat([layer.get_parameter(name).detach().double().flatten() for name in self._shapes])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        parts = torch.split(vector, [shape.numel() for shape in self._shapes.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)}

    def outputs_of(self, inputs: Tensor) -> Callable[[Tensor], Tensor]:
        """A vector's outputs [n]."""

        def outputs(vector: Tensor) -> Tensor:
            own = {f"neuron_layer.{name}": tensor for name, tensor in self.named(vector).items()}
            found: Tensor = functional_call(self._network, own, (inputs,)).flatten()
            return found

        return outputs

    def slopes(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Of each number's value by what is stored; and the values."""
        stored = vector.clone().requires_grad_()
        with torch.enable_grad():
            each = [self._transforms[name].read(tensor).flatten() for name, tensor in self.named(stored).items()]
            values = torch.cat(each)
            (found,) = torch.autograd.grad(values.sum(), stored)
        return found, values.detach()


def _positive(sizes: Tensor) -> Tensor:
    return torch.where(sizes > 0, sizes, 1.0)
