"""The optimiser of one seed: Adam, AdamW or SGD. Each has its own, and so a learning rate and a state of its own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.adam import Adam, adam

from glifr.configuration import OPTIMIZERS, TrainingSettings

_OF_THE_MACHINE = ("fused", "foreach", "capturable")  # how a step is computed; all else is part of the run
# what `adam` takes: a setting that it does not take has an effect only in the optimiser's own step
_TAKEN = frozenset(inspect.signature(adam).parameters) | {"betas"}


@cache
def has_fused(kind: str, device_type: str) -> bool:
    """Tells whether torch can do the whole step of all parameters in one kernel there, by trying it on one number.

    Args:
        kind: The optimiser, as torch.optim names it.
        device_type: Where the parameters are.

    Returns:
        True if it can.
    """
    number = torch.zeros(1, device=device_type, requires_grad=True)
    number.grad = torch.zeros_like(number)
    try:
        getattr(torch.optim, kind)([number], lr=0.1, fused=True).step()
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def make_optimizer(
    parameters: Sequence[nn.Parameter], learning_rate: float, settings: TrainingSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Makes the optimiser of the settings, fused where torch can.

    On CUDA what a step reads is on the device, also a learning rate that moves, so that a step can be recorded as a
    graph.

    Args:
        parameters: What is trained.
        learning_rate: Its learning rate.
        settings: The settings.
        device: Where the parameters are.

    Returns:
        The optimiser.

    Raises:
        ValueError: It is not among OPTIMIZERS.
    """
    if settings.optimizer not in OPTIMIZERS:
        raise ValueError(f"there is no optimizer {settings.optimizer!r}: it is one of {', '.join(OPTIMIZERS)}")
    kind = "SGD" if settings.optimizer == "sgd" else "Adam"
    how: dict[str, Any] = {"fused": True} if has_fused(kind, device.type) else {}
    how["lr"] = learning_rate
    if device.type == "cuda" and not settings.schedule.is_constant:
        how["lr"] = torch.tensor(learning_rate, device=device)
    if settings.weight_decay:
        how["weight_decay"] = settings.weight_decay
    if kind == "SGD":
        return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **how)
    if settings.weight_decay:
        how["decoupled_weight_decay"] = settings.decoupled or settings.optimizer == "adamw"
    if device.type == "cuda":
        how["capturable"] = True
    return torch.optim.Adam(parameters, betas=(settings.beta1, settings.beta2), eps=settings.epsilon, **how)


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Sets the learning rate, in the memory that a recorded step reads where it lies on a device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Continues from a `state_dict()`, also from that of another device or version: how a step is computed stays."""
    own = {key: value for key, value in optimizer.param_groups[0].items() if key in _OF_THE_MACHINE}
    rate = optimizer.param_groups[0]["lr"]
    groups = [{**group, **own} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for group in optimizer.param_groups:
        group["lr"] = rate
    set_rate(optimizer, float(state["param_groups"][0]["lr"]))


class OptimizersTogether:
    """The next step of several seeds' optimisers, as one call where they are Adams, fused on the CPU and alike.

    A parameter's step has the bits that it has alone, in its own optimiser's state, and every setting counts: where
    optimisers differ in one, or have one that the call does not take, each makes its own step. The states must stay at
    their place in memory: `load_optimizer` moves them.

    Args:
        optimizers: The optimisers.
        clip_norm: The largest norm of one optimiser's gradients; no seed's gradient has an effect on another's.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], clip_norm: float | None = None) -> None:
        self._optimizers, self._clip_norm = optimizers, clip_norm
        self._parameters = [p for each in optimizers for p in each.param_groups[0]["params"]]
        self._states: list[list[torch.Tensor]] = []  # of each parameter: exp_avg, exp_avg_sq, its maximum, step

    def step(self) -> None:
        """One step of each; gradients are those of the parameters, which are clipped in place."""
        if self._clip_norm is not None:
            for each in self._optimizers:
                clip_grad_norm_([p for group in each.param_groups for p in group["params"]], self._clip_norm)
        gradients = [p.grad for p in self._parameters]
        shared = self._shared_settings()
        if shared is None or not self._states or any(gradient is None for gradient in gradients):
            for optimizer in self._optimizers:
                optimizer.step()
            self._states = [] if shared is None else self._found(shared["amsgrad"])
            return
        beta1, beta2 = shared.pop("betas")
        with torch.no_grad():
            averages, squares, maxima, steps = self._states
            adam(self._parameters, gradients, averages, squares, maxima, steps, beta1=beta1, beta2=beta2, **shared)

    def _shared_settings(self) -> dict[str, Any] | None:
        """The settings of all, as they are now; None where one step cannot do what each does alone."""
        groups = [group for each in self._optimizers for group in each.param_groups]
        first, *others = [{name: value for name, value in group.items() if name != "params"} for group in groups]
        plain = all(type(each).step is Adam.step for each in self._optimizers)
        alike = len(groups) == len(self._optimizers) and all(other == first for other in others)
        on_cpu = all(p.device.type == "cpu" for p in self._parameters)
        return first if plain and alike and on_cpu and first["fused"] and first.keys() <= _TAKEN else None

    def _found(self, amsgrad: bool) -> list[list[torch.Tensor]]:
        """The states that a step has made; none if a parameter has none, as it had no gradient."""
        each = [o.state[p] for o in self._optimizers for p in o.param_groups[0]["params"]]
        if not all(each):
            return []
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step")
        return [[state[n] for state in each] if amsgrad or n != "max_exp_avg_sq" else [] for n in names]
