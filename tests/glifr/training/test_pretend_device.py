"""Whole training steps on a pretend device, whose tensors torch refuses to mix with those of the CPU.

Nothing is computed there, and no GPU is needed: it shows tensors that are left where they were made.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from glifr.engine import backends
from glifr.networks import BNNFC, LSTMFC, RNNFC, forward_replicas

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def networks() -> dict[str, Callable[[], Any]]:
    return {
        "GLIFR": lambda: BNNFC(3, 5, 2, delay=0.2, backend="triton"),
        "GLIFR, dropout": lambda: BNNFC(3, 5, 2, delay=0.2, dropout_prob=0.3, backend="triton"),
        "tanh": lambda: RNNFC(3, 5, 2, delay=0.2, backend="triton"),
        "LSTM, dropout": lambda: LSTMFC(3, 5, 2, dropout_prob=0.3, backend="triton"),
    }


def moved(network: Any) -> Any:
    """The network there: what `Network.to` does, which cannot exchange pretended tensors."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                there = parameter.detach().to("meta")
                module._parameters[name] = torch.nn.Parameter(there, requires_grad=parameter.requires_grad)
        module._buffers = {name: b if b is None else b.to("meta") for name, b in module._buffers.items()}
    return network.train()


@pytest.mark.parametrize("readout", ["last", "all"])
@pytest.mark.parametrize("name", networks())
def test_a_training_step_leaves_nothing_on_another_device(
    name: str, readout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glifr.engine.cuda import launch

    launched = list[str]()

    def launch_nothing(scans: Any, kernel: str, grid: Any, **arguments: Any) -> None:
        launched.append(kernel)
        assert {t.device.type for t in arguments.values() if isinstance(t, torch.Tensor)} == {"meta"}

    monkeypatch.setattr(launch.Scans, "_launch", launch_nothing)
    monkeypatch.setattr(backends, "_devices", lambda name: ("meta",))
    networks()[name]().recurrence()  # defines the neuron model, which computes with numbers
    with FakeTensorMode():
        group = [moved(networks()[name]()) for _ in range(3)]
        optimizer = torch.optim.Adam([p for network in group for p in network.parameters()], lr=1e-3)
        for _ in range(2):
            optimizer.zero_grad()
            inputs = torch.randn(4, 9, 3, device="meta")
            outputs = forward_replicas(group, inputs, readout=readout)
            outputs.square().mean().backward()
            assert all(p.grad is not None for network in group for p in network.parameters() if p.requires_grad)
            optimizer.step()
    assert launched.count("forward_kernel") == launched.count("backward_kernel") > 0
