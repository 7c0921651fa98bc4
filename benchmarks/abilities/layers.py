"""The layers that are tried, each in its own library's idiom behind one call.

Shapes: B batch, T steps, I inputs, H neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from glifr.networks import BNNFC

INPUTS, HIDDEN = 3, 8


class Layer(NamedTuple):
    """make: a module of 3 inputs and 8 neurons; takes dtype and device where the library's constructors do.

    run: (module, x [*,T,I], state or None) -> (what the neurons sent [*,T,H], a state to go on from).
    padded: (module, x, lengths) -> what was sent, zeros after each end; None where the library has no way to say it.
    states: (module, x) -> an inner state of every step [B,T,H]; None where the library has no way to ask.
    hooked: module -> the part of it that is the library's recurrent layer.
    """

    library: str
    make: Callable[..., nn.Module]
    run: Callable[[Any, Tensor, Any], tuple[Tensor, Any]]
    padded: Callable[[Any, Tensor, Sequence[int]], Tensor] | None = None
    states: Callable[[Any, Tensor], Tensor] | None = None
    hooked: Callable[[Any], nn.Module] = lambda module: module


def _glifr(**settings: Any) -> nn.Module:
    return BNNFC(INPUTS, HIDDEN, HIDDEN, delay=0.2, hetinit=True, **settings)


def _glifr_padded(module: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    found: Tensor = module(x, lengths=lengths)
    return found


def _lstm(**settings: Any) -> nn.Module:
    return nn.LSTM(INPUTS, HIDDEN, batch_first=True, **settings)


def _lstm_padded(module: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    given = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(module(given)[0], batch_first=True)[0]


class _RLeaky(nn.Module):
    """snnTorch gives a step; the loop over time is the user's, as in its tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.input_linear = nn.Linear(INPUTS, HIDDEN)
        self.layer = import_module("snntorch").RLeaky(beta=0.9, linear_features=HIDDEN)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any, Tensor]:
        spikes, voltage = self.layer.init_rleaky() if state is None else state
        sent, voltages = [], []
        for current in self.input_linear(x).unbind(-2):
            spikes, voltage = self.layer(current, spikes, voltage)
            sent.append(spikes)
            voltages.append(voltage)
        return torch.stack(sent, -2), (spikes, voltage), torch.stack(voltages, -2)


def _norse(**settings: Any) -> nn.Module:
    module: nn.Module = import_module("norse.torch").LIFRecurrent(INPUTS, HIDDEN, **settings)
    return module


def _norse_states(_: Any, x: Tensor) -> Tensor:
    found: Tensor = _norse(record_states=True)(x.movedim(-2, 0))[1].v
    return found.movedim(0, -2)


def _norse_run(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    sent, after = module(x.movedim(-2, 0), state)  # time first
    return sent.movedim(0, -2), after


def _spikingjelly() -> nn.Module:
    neuron, layer = (import_module(f"spikingjelly.activation_based.{name}") for name in ("neuron", "layer"))
    recurrent = layer.LinearRecurrentContainer(neuron.LIFNode(), HIDDEN, HIDDEN, step_mode="m")
    return nn.Sequential(nn.Linear(INPUTS, HIDDEN), recurrent)


def _spikingjelly_run(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Its layers keep their state themselves, until they are reset."""
    if state is None:
        import_module("spikingjelly.activation_based.functional").reset_net(module)
    return module(x.movedim(-2, 0)).movedim(0, -2), "kept in the layer"


def _spikingjelly_states(module: Any, x: Tensor) -> Tensor:
    base, neuron = (import_module(f"spikingjelly.activation_based.{name}") for name in ("monitor", "neuron"))
    watched = base.AttributeMonitor("v", pre_forward=False, net=module, instance=neuron.LIFNode)
    _spikingjelly_run(module, x, None)
    return torch.stack(watched.records, -2)


LAYERS: Mapping[str, Layer] = MappingProxyType(
    {
        "GLIFR": Layer(
            "glifr",
            _glifr,
            lambda module, x, state: module(x, state, return_state=True),
            _glifr_padded,
            lambda module, x: module(x, track=True)[1],
            lambda module: module.neuron_layer,
        ),
        "nn.LSTM": Layer("torch", _lstm, lambda module, x, state: module(x, state), _lstm_padded),
        "snnTorch RLeaky": Layer(
            "snntorch",
            _RLeaky,
            lambda module, x, state: module(x, state)[:2],
            states=lambda module, x: module(x)[2],
            hooked=lambda module: module.layer,
        ),
        "Norse LIFRecurrent": Layer("norse", _norse, _norse_run, states=_norse_states),
        "SpikingJelly LIF": Layer(
            "spikingjelly",
            _spikingjelly,
            _spikingjelly_run,
            states=_spikingjelly_states,
            hooked=lambda module: module[1],
        ),
    }
)
