"""Small networks of every kind, one of each on every backend that can run here, for what all of them promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from glifr.networks import BNNFC, LSTMFC, RNNFC, Network

DELAY = 4  # steps, of the networks that have one
_KINDS: Mapping[str, tuple[Callable[..., Network], dict[str, Any]]] = {
    "glifr 0": (BNNFC, {"num_ascs": 0, "hetinit": True, "delay": 0.05 * DELAY, "sigma_v": 0.6}),
    "glifr 2": (BNNFC, {"num_ascs": 2, "hetinit": True, "delay": 0.05 * DELAY, "I0": 0.3}),
    "rnn": (RNNFC, {"delay": 0.05 * DELAY}),
    "lstm": (LSTMFC, {}),
}
KINDS = [*_KINDS]
BACKENDS = ["reference", "torch", "cpu"]  # triton needs CUDA or its interpreter: test_triton_scans.py
INPUTS, HIDDEN, OUTPUTS = 3, 7, 2


def small(kind: str, backend: str = "auto", seed: int = 0, **settings: Any) -> Network:
    """A network [3] -> [7] -> [2] whose neurons are not at their usual start."""
    make, own = _KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    network = make(INPUTS, HIDDEN, OUTPUTS, backend=backend, generator=generator, weight_spread=1.5, **own, **settings)
    if isinstance(network, BNNFC):
        with torch.no_grad():
            network.neuron_layer.a_j.add_(0.5)
            network.neuron_layer.trans_r_j.add_(0.4)
    return network


def sequences(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Inputs [*,T,I]."""
    return torch.randn(*shape, INPUTS, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(network: Network) -> list[torch.Tensor]:
    """Of all parameters that have any number, taken away from them."""
    found = [p.grad for p in network.parameters() if p.numel()]
    network.zero_grad()
    assert all(g is not None for g in found)
    return [g for g in found if g is not None]


def worst(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    """The largest relative error by norm."""
    pairs = [(f.double(), w.double()) for f, w in zip(found, wanted, strict=True)]
    return max(float((f - w).norm() / w.norm().clamp_min(1e-3)) for f, w in pairs)
