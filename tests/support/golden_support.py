"""Golden files: a small network, its input, and what it must compute, in float64.

A file holds `config` (a Python dict literal), `param_*` as stored, `x` [B,T,I], `y` [B], `out` [B,T,O], the tracked
states, `loss` and `grad_*`. The loss is the cross entropy of the last step with y, plus 0.1 mean((w_t out)^2) with w_t
rising linearly from 0.5 to 1.5 over t. The files in tests/golden are made by tests/support/make_golden.py.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from glifr.networks import BNNFC, LSTMFC, RNNFC, Network

STATES = {
    "GLIFR": ("voltage", "ascurrents", "synaptic"),
    "RNN": ("preactivation",),
    "LSTM": ("hidden", "cell"),
}


@dataclass(frozen=True)
class Golden:
    """What a file holds. arrays: everything but `config`."""

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Golden:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(ast.literal_eval(str(arrays.pop("config"))), arrays)

    def tensor(self, name: str, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(self.arrays[name]).to(dtype)

    def network(self, backend: str, dtype: torch.dtype) -> Network:
        """The network of the file, with its parameters and silenced neurons."""
        network = empty_network(self.config, backend).to(dtype)
        arrays = {"param_" + name: parameter for name, parameter in named(network).items()}
        with torch.no_grad():
            for name, parameter in arrays.items():
                if parameter.numel():  # files leave out what a network without after-spike currents lacks
                    parameter.copy_(self.tensor(name))
        network.silence(self.config["silenced"])
        return network


def empty_network(config: dict[str, Any], backend: str, generator: torch.Generator | None = None) -> Network:
    """A network of the configuration, at a heterogeneous start."""
    sizes = (config["I"], config["H"], config["O"])
    kind = config.get("network", "GLIFR")
    if kind == "LSTM":
        return LSTMFC(*sizes, backend=backend, generator=generator)
    dt = config["dt"]
    if kind == "RNN":
        return RNNFC(*sizes, dt, delay=config["delay_steps"] * dt, backend=backend, generator=generator)
    constants = {name: config[name] for name in ("tau", "sigma_v", "R", "I0", "v_reset")}
    return BNNFC(
        *sizes,
        dt,
        hetinit=True,
        num_ascs=config["J"],
        delay=config["delay_steps"] * dt,
        backend=backend,
        generator=generator,
        **constants,
    )


def named(network: Network) -> dict[str, torch.nn.Parameter]:
    """Parameters by the names of the files: weight_iv, ..., readout_weight, readout_bias."""
    short = {"output_linear.weight": "readout_weight", "output_linear.bias": "readout_bias"}
    return {short.get(name, name.split(".")[-1]): p for name, p in network.named_parameters()}


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    weights = torch.linspace(0.5, 1.5, outputs.shape[1], dtype=outputs.dtype)[None, :, None]
    return functional.cross_entropy(outputs[:, -1], targets) + 0.1 * (weights * outputs).square().mean()


def compute(network: Network, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Outputs, states, loss and all gradients, by the names of the files."""
    x = x.clone().requires_grad_()
    outputs = network(x)
    loss = loss_of(outputs, y)
    loss.backward()
    tracked = network(x, track=True)
    kind = {BNNFC: "GLIFR", RNNFC: "RNN", LSTMFC: "LSTM"}[type(network)]
    found = {"out": outputs, "tracked_out": tracked[0], "loss": loss, "grad_x": x.grad}
    found |= dict(zip(STATES[kind], tracked[1:], strict=True))
    found |= {"grad_" + name: p.grad for name, p in named(network).items() if p.numel()}
    return {name: value.detach() for name, value in found.items() if value is not None}
