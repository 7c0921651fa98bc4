"""A network of any neuron model: a layer of its neurons with delayed lateral connections, and a linear readout.

What GLIFR, RNN and LSTM have by name, a model from outside has from its definition alone: the constants are its
settings, the parameters may be learned, and their starts have the spreads that a search tries.
Shapes: B batch, T steps, I inputs, H neurons, G gates, J parts of a state, O outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.conditions import HYPERPARAMETERS, Condition, NetworkKind
from glifr.definitions.definition import BuildOptions, NeuronNetworkDefinition
from glifr.engine.definition import NeuronModel, Parameter
from glifr.engine.reference import Trace
from glifr.engine.sequence import Recurrence
from glifr.errors import InputError, Problem
from glifr.networks.base import BaseNetwork
from glifr.networks.layer import Engine, Layer
from glifr.networks.network import Network
from glifr.parameters import start_parameters, start_weights

TIME_STEP = "dt"  # a constant of this name is the network's time step [ms]


class NeuronLayer(Layer):
    """Neurons of a model and their tensors: weight_in [I,G*H], weight_lat [H,G*H], and the parameters as stored.

    The start is drawn in the order of the tensors: one seed gives one start. Parameters that are not trained are in the
    state dict, without gradient.

    Args:
        model: The neuron model.
        sizes: Inputs I and neurons H.
        dt: Time step [ms].
        heterogeneous: Whether the start is the heterogeneous one.
        learned: Names of the parameters that are trained.
        spreads: Factors on the half-widths of the start, 1 where absent.
        generator: What the start is drawn from; torch's global generator if None.
    """

    def __init__(
        self,
        model: NeuronModel,
        sizes: tuple[int, int],
        dt: float,
        heterogeneous: bool,
        learned: Collection[str],
        spreads: Mapping[str, float],
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self._model = model
        self.input_size, self.hidden_size = sizes
        self.stored = ("weight_in", "weight_lat", *(f"stored_{p.name}" for p in model.parameters))
        (inputs, hidden), gates = sizes, model.gates
        spread = checks.number("weight_spread", spreads["weight_spread"], least=0.0)
        self.weight_in = nn.Parameter(start_weights((inputs, gates * hidden), hidden, spread, generator))
        self.weight_lat = nn.Parameter(start_weights((hidden, gates * hidden), hidden, spread, generator))
        starts = start_parameters(model, hidden, dt, heterogeneous, spreads, generator)
        for parameter, start in zip(model.parameters, starts, strict=True):
            setattr(self, f"stored_{parameter.name}", nn.Parameter(start, parameter.name in learned))

    @property
    def model(self) -> NeuronModel:
        return self._model

    def _own_words(self) -> list[str]:
        return [self._model.name]

    def forward(self, x: Tensor, *, engine: Engine) -> tuple[Any, ...]:
        """What the neurons send for x [B,T,I], and the state after it; see `Engine`."""
        return engine(x)


class NeuronNetwork(Network):
    """A recurrent layer of neurons of one model.

    Args:
        model: The neuron model.
        options: How the network is built.
        heterogeneous: Whether the start is the heterogeneous one.
        learned: Names of the parameters that are trained.
        constants: Constants that are not at their default.
    """

    neuron_layer: NeuronLayer

    def __init__(
        self,
        model: NeuronModel,
        options: BuildOptions,
        heterogeneous: bool = False,
        learned: Collection[str] = (),
        constants: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(options.sizes, options.dropout_prob, options.backend, options.output_weight, options.generator)
        self.dt = checks.time("dt", options.dt)
        self.delay_steps = checks.size("delay_steps", options.delay_steps)
        own = {c.name: c.default for c in model.constants} | dict(constants or {})
        own |= {TIME_STEP: self.dt} if TIME_STEP in own else {}
        self._constants = {c.name: c.check(own[c.name]) for c in model.constants}
        names = {"weight_spread", *(p.spread for p in model.parameters)}
        spreads = {name: checks.number(name, options.spread(name), least=0.0) for name in names}
        self.neuron_layer = NeuronLayer(
            model, (self.in_size, self.hidden_size), self.dt, heterogeneous, learned, spreads, options.generator
        )

    def recurrence(self) -> Recurrence:
        model = self.neuron_layer.model
        return Recurrence(model, model.Constants(**self._constants), self.delay_steps)

    def constants(self) -> dict[str, float]:
        return dict(self._constants)

    def set_constant(self, name: str, value: float) -> bool:
        for constant in self.neuron_layer.model.constants:
            if constant.name == name:
                self._constants[name] = constant.check(value)
                return True
        return False

    def tracked(self, trace: Trace) -> tuple[Tensor, ...]:
        return (*trace.states, trace.synaptic)

    def neuron_parameters(self) -> dict[str, Tensor]:
        return {name: values.detach().clone() for name, values in self.neuron_layer.values()._asdict().items()}


class NeuronNetworks(NeuronNetworkDefinition):
    """The networks of a neuron model from outside. Raises InputError for a start outside a parameter's bounds."""

    def __init__(self, model: NeuronModel) -> None:
        self.model = model
        for parameter in model.parameters:
            _check_starts(model, parameter)

    @cached_property
    def kind(self) -> NetworkKind:
        constants = [c for c in self.model.constants if c.name != TIME_STEP]
        return NetworkKind(
            keys=("delay", "dt", "output_weight", "learned_from", *(["learned"] if self.model.parameters else [])),
            settings=tuple((c.name, float(c.default)) for c in constants),
            delay="one_step",
            parameters=tuple(p.name for p in self.model.parameters),
            spreads=self._spreads(heterogeneous=False),
            spreads_heterogeneous=self._spreads(heterogeneous=True),
        )

    def _spreads(self, heterogeneous: bool) -> tuple[str, ...]:
        """The hyperparameters that scale a width of the start."""
        wide = {p.spread for p in self.model.parameters if p.start(heterogeneous)[1] > 0}
        return tuple(name for name in HYPERPARAMETERS if name == "weight_spread" or name in wide)

    def neuron(self, condition: Condition) -> NeuronModel:
        return self.model

    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        constants: dict[str, Any] = condition.all_settings
        heterogeneous = condition.start == "heterogeneous"
        return NeuronNetwork(self.model, options, heterogeneous, condition.learned_parameters, constants)


def _check_starts(model: NeuronModel, p: Parameter) -> None:
    bounds = p.transform
    for name in ("homogeneous", "heterogeneous"):
        centre, half = p.start(name == "heterogeneous")
        if half < 0 or (not p.start_per_ms and not bounds.low < centre < bounds.high):
            rule = f"the {name} start of the parameter {p.name!r} of the neuron model {model.name!r} cannot be"
            allowed = f"a centre between {bounds.low:g} and {bounds.high:g}, and a half-width from 0"
            todo = f"give it one: Parameter({p.name!r}, {name}=(centre, half_width))"
            raise InputError(Problem(rule, name, (centre, half), allowed, todo))
    if p.spread not in HYPERPARAMETERS:
        rule = f"the parameter {p.name!r} of the neuron model {model.name!r} names a spread that no search has"
        raise InputError(Problem(rule, "spread", p.spread, ", ".join(n for n in HYPERPARAMETERS if "spread" in n)))
