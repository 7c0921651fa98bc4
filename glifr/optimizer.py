"""Adam for one seed. Each seed has an optimiser of its own, and so a learning rate and a state of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from glifr.configuration import TrainingSettings

_OF_THE_MACHINE = ("fused", "foreach", "capturable")  # how a step is computed; all else is part of the run


@cache
def has_fused_adam(device_type: str) -> bool:
    """Whether torch can do the whole step of all parameters in one kernel there: tried on one number."""
    number = torch.zeros(1, device=device_type, requires_grad=True)
    number.grad = torch.zeros_like(number)
    try:
        torch.optim.Adam([number], fused=True).step()
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def make_adam(
    parameters: Sequence[nn.Parameter], learning_rate: float, settings: TrainingSettings, device: torch.device
) -> torch.optim.Adam:
    """Adam, fused where torch can. On CUDA its state is on the device, so that a step can be recorded as a graph."""
    how: dict[str, Any] = {"fused": True} if has_fused_adam(device.type) else {}
    if device.type == "cuda":
        how["capturable"] = True
    betas = (settings.beta1, settings.beta2)
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, eps=settings.epsilon, **how)


def load_adam(optimizer: torch.optim.Adam, state: Mapping[str, Any]) -> None:
    """Continues from a `state_dict()`, also from that of another device or version: how a step is computed stays."""
    own = {key: optimizer.param_groups[0][key] for key in _OF_THE_MACHINE}
    groups = [{**group, **own} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
