"""Other libraries' recurrent layers, with the same linear readout. They have no delay, and other equations.

Shapes: B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.shapes import Shape

_LIBRARY = {"nn.RNN": "torch", "nn.LSTM": "torch", "snnTorch RLeaky": "snntorch", "Norse LIF": "norse"}
PEERS = tuple(_LIBRARY)


def why_absent(name: str) -> str:
    """Why a peer cannot run here; '' where it can."""
    return why_not_importable(_LIBRARY[name])


def why_not_importable(library: str) -> str:
    """'' for one that can be imported."""
    if importlib.util.find_spec(library) is None:
        return f"{library} is not installed"
    try:
        importlib.import_module(library)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # built for another torch, most often
        return f"{library} cannot be imported: {next(iter(str(error).splitlines()), type(error).__name__)}"
    return ""


def peer(name: str, shape: Shape) -> nn.Module:
    """A layer of H neurons and its readout: [B,T,I] -> [B,O] or [B,T,O]."""
    return Peer(_LAYERS[name](shape), shape)


class Peer(nn.Module):
    """`layer`: [B,T,I] -> [B,T,H]."""

    def __init__(self, layer: nn.Module, shape: Shape) -> None:
        super().__init__()
        self.layer, self.readout = layer, shape.readout
        self.output_linear = nn.Linear(shape.hidden, shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer(x)
        outputs: Tensor = self.output_linear(hidden[:, -1] if self.readout == "last" else hidden)
        return outputs


class _Torch(nn.Module):
    def __init__(self, make: Any, shape: Shape) -> None:
        super().__init__()
        self.layer = make(shape.inputs, shape.hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.layer(x)[0]
        return hidden


class _RLeaky(nn.Module):
    """snnTorch gives a step; the loop over time is the user's, as in its tutorials."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_linear = nn.Linear(shape.inputs, shape.hidden)
        self.layer = importlib.import_module("snntorch").RLeaky(beta=0.9, linear_features=shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        spikes = voltage = x.new_zeros(len(x), self.input_linear.out_features)
        over_time = []
        for current in self.input_linear(x).unbind(1):
            spikes, voltage = self.layer(current, spikes, voltage)
            over_time.append(spikes)
        return torch.stack(over_time, 1)


class _Norse(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layer = importlib.import_module("norse.torch").LIFRecurrent(shape.inputs, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = self.layer(x.transpose(0, 1))[0]
        return spikes.transpose(0, 1)


_LAYERS: dict[str, Any] = {
    "nn.RNN": lambda shape: _Torch(nn.RNN, shape),
    "nn.LSTM": lambda shape: _Torch(nn.LSTM, shape),
    "snnTorch RLeaky": _RLeaky,
    "Norse LIF": _Norse,
}
