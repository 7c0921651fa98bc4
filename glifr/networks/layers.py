"""One layer, one step, as modules: parameters and settings here, the equations in `glifr.neurons`.

Shapes: B batch, I inputs, H neurons, J after-spike currents, R replicas. Times in ms, rates in 1/ms; voltage, current
and threshold are dimensionless. Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.conditions import OF_A_CURRENT, OF_A_NEURON
from glifr.engine.definition import NeuronModel
from glifr.engine.sequence import LayerTensors, gates_of
from glifr.errors import InputError, Problem, nearest
from glifr.networks.layer import Device, Engine, Layer, Setting, place
from glifr.neurons import glifr, lstm, tanh
from glifr.parameters import (
    start_parameters,
    start_weights,
)


class GLIFR(Layer):
    """A layer of GLIFR neurons.

    The start is drawn in the order weight_iv, weight_lat, neuron parameters: one seed gives one start, and the same
    weights whatever the neuron parameters. Neuron parameters that are not trained are in the state dict, without
    gradient.

    Args:
        input_size: Inputs I.
        hidden_size: Neurons H.
        num_ascs: After-spike currents per neuron J.
        hetinit: Whether neuron parameters start heterogeneous, drawn from the prior, instead of homogeneous.
        ascs: Whether there are after-spike currents; False is the same as num_ascs=0.
        learnparams: Whether neuron parameters are trained, or the names of those that are: thresh, k_m, k_j, r_j, a_j.
        dt: Time step [ms]. Stored are logit(dt k): if dt is set later, these stay and the rates k change as 1/dt.
        tau: Time constant of spiking [ms]; follows dt by default.
        sigma_v: Width of the firing sigmoid.
        R: Membrane resistance.
        I0: Constant input current.
        v_reset: Reset voltage.
        weight_spread: Factor on the half-width sqrt(1/H) of the weights' start.
        neuron_spread: Factor on the half-widths of the heterogeneous start; see `glifr.parameters.start_parameters`.
        after_spike_spread: The same for the after-spike currents.
        generator: What the start is drawn from; torch's global generator by default.
        device: As for torch's layers.
        dtype: As for torch's layers.

    Attributes:
        weight_iv: Input weights [I,H].
        weight_lat: Lateral weights [H,H].
        thresh: Thresholds [1,H].
        trans_k_m: Membrane decay as stored [1,H].
        trans_k_j: Decay of the after-spike currents as stored [J,1,H].
        trans_r_j: Multipliers of the after-spike currents as stored [J,1,H].
        a_j: Additive terms of the after-spike currents [J,1,H].

    Raises:
        InputError: A size, time or number is out of range, or some dt k lies outside (0, 1).
    """

    weight_iv: nn.Parameter
    weight_lat: nn.Parameter
    thresh: nn.Parameter
    trans_k_m: nn.Parameter
    trans_k_j: nn.Parameter
    trans_r_j: nn.Parameter
    a_j: nn.Parameter
    stored = ("weight_iv", "weight_lat", "thresh", "trans_k_m", "trans_k_j", "trans_r_j", "a_j")
    dt = Setting(checks.time)
    sigma_v = Setting(lambda name, value: checks.number(name, value, above=0.0))
    R = Setting(checks.number)
    I0 = Setting(checks.number)
    v_reset = Setting(checks.number)

    def __init__(  # noqa: PLR0913 - the signature of the model's own documentation
        self,
        input_size: int,
        hidden_size: int,
        num_ascs: int = 2,
        hetinit: bool = False,
        ascs: bool = True,
        learnparams: bool | Collection[str] = True,
        *,
        dt: float = 0.05,
        tau: float | None = None,
        sigma_v: float = 1.0,
        R: float = 0.1,
        I0: float = 0.0,
        v_reset: float = 0.0,
        weight_spread: float = 1.0,
        neuron_spread: float = 1.0,
        after_spike_spread: float = 1.0,
        generator: torch.Generator | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = checks.size("input_size", input_size)
        self.hidden_size = checks.size("hidden_size", hidden_size)
        self.num_ascs = checks.size("num_ascs", num_ascs, least=0) if ascs else 0
        self.learnparams = learnparams
        self.dt, self.tau = dt, tau
        self.sigma_v, self.R, self.I0, self.v_reset = sigma_v, R, I0, v_reset
        spread = checks.number("weight_spread", weight_spread, least=0.0)
        self.weight_iv = nn.Parameter(start_weights((input_size, hidden_size), hidden_size, spread, generator))
        self.weight_lat = nn.Parameter(start_weights((hidden_size, hidden_size), hidden_size, spread, generator))
        spreads = {"neuron_spread": neuron_spread, "after_spike_spread": after_spike_spread}
        spreads = {name: checks.number(name, value, least=0.0) for name, value in spreads.items()}
        starts = start_parameters(self.model, self.hidden_size, self.dt, hetinit, spreads, generator)
        trained = _trained(learnparams)
        for name, start in zip(self.stored[2:], starts, strict=True):
            setattr(self, name, nn.Parameter(start, name.removeprefix("trans_") in trained))
        place(self, device, dtype)

    @property
    def tau(self) -> float:
        """Time constant of spiking [ms]; that of dt where none was given."""
        return self.dt if self._tau is None else self._tau

    @tau.setter
    def tau(self, value: float | None) -> None:
        self._tau = None if value is None else checks.time("tau", value)

    @property
    def model(self) -> NeuronModel:
        return glifr(self.num_ascs)

    @property
    def k_m(self) -> Tensor:
        """Membrane decay rate [1/ms], [1,H]."""
        return self.values().decay_m / self.dt  # type: ignore[no-any-return]

    @property
    def k_j(self) -> Tensor:
        """Decay rates of the after-spike currents [1/ms], [J,1,H]."""
        return self.values().decay_j / self.dt  # type: ignore[no-any-return]

    @property
    def r_j(self) -> Tensor:
        """Multipliers of the after-spike currents, [J,1,H]."""
        return self.values().r  # type: ignore[no-any-return]

    def _own_words(self) -> list[str]:
        usual = {"tau": self.dt, "sigma_v": 1.0, "R": 0.1, "I0": 0.0, "v_reset": 0.0}
        own = [f"{name}={getattr(self, name):g}" for name, value in usual.items() if getattr(self, name) != value]
        return [f"num_ascs={self.num_ascs}", f"dt={self.dt:g} ms", *own]

    @property
    def constants(self) -> Any:
        """Those of the model."""
        return self.model.Constants(self.dt / self.tau, self.sigma_v, self.R, self.I0, self.v_reset)

    def forward(
        self,
        x: Tensor,
        firing: Tensor | None = None,
        voltage: Tensor | None = None,
        ascurrents: Tensor | None = None,
        syncurrent: Tensor | None = None,
        firing_delayed: Tensor | None = None,
        *,
        engine: Engine | None = None,
    ) -> tuple[Any, ...]:
        """Computes one step. A state that is not given is zero, as at the start.

        Args:
            x: Inputs [B,I].
            firing: f_{t-1} [B,H].
            voltage: v_{t-1} [B,H].
            ascurrents: After-spike currents of the last step [J,B,H].
            syncurrent: Synaptic current of the last step [B,H]; it does not enter the equations.
            firing_delayed: f_{t-D} [B,H]; `firing` by default, a delay of one step.
            engine: See `Engine`; a network passes it.

        Returns:
            The new (firing, voltage, ascurrents, syncurrent), with shapes as above.

        Raises:
            InputError: Shapes do not fit.
        """
        if engine is not None:
            return engine(x)
        checks.shape("x", x, ("B", self.input_size))
        batch, hidden = x.shape[0], self.hidden_size
        zeros = x.new_zeros(batch, hidden)
        firing, voltage, syncurrent = (zeros if t is None else t for t in (firing, voltage, syncurrent))
        ascurrents = x.new_zeros(self.num_ascs, batch, hidden) if ascurrents is None else ascurrents
        delayed = firing if firing_delayed is None else firing_delayed
        named = {"firing": firing, "voltage": voltage, "syncurrent": syncurrent, "firing_delayed": delayed}
        for name, tensor in named.items():
            checks.shape(name, tensor, (batch, hidden))
        checks.shape("ascurrents", ascurrents, (self.num_ascs, batch, hidden))
        model, synaptic = self.model, self._synaptic(x, delayed)
        old = model.State(firing, voltage, ascurrents)
        new = model.State(*model.step(synaptic, old, self.values(), self.constants, None))
        return new.firing, new.voltage, new.ascurrents, synaptic


def _trained(learnparams: bool | Collection[str]) -> frozenset[str]:
    """The names of the trained neuron parameters; InputError for one that there is not."""
    known = (*OF_A_NEURON, *OF_A_CURRENT)
    if isinstance(learnparams, bool):
        return frozenset(known if learnparams else ())
    for name in learnparams:
        if name not in known:
            rule = "a neuron has no such parameter to learn"
            raise InputError(Problem(rule, "learnparams", name, ", ".join(known), nearest(str(name), list(known))))
    return frozenset(learnparams)


class _WeightsLayer(Layer):
    """A layer whose tensors all start alike: drawn in the order of `stored`, uniform in +-weight_spread sqrt(1/H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        weight_spread: float = 1.0,
        generator: torch.Generator | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = checks.size("input_size", input_size)
        self.hidden_size = checks.size("hidden_size", hidden_size)
        spread = checks.number("weight_spread", weight_spread, least=0.0)
        for name, shape in zip(self.stored, self.shapes(), strict=True):
            setattr(self, name, nn.Parameter(start_weights(shape, self.hidden_size, spread, generator)))
        place(self, device, dtype)
        _ = self.model  # traced and checked at its first use: now, not while torch exports or compiles

    @abstractmethod
    def shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each tensor of `stored`."""


class RNNC(_WeightsLayer):
    """A layer of tanh units with lateral delay.

    The start is drawn in the order of the attributes, uniform in +-weight_spread sqrt(1/H).

    Attributes:
        weight_ih: Input weights [I,H].
        weight_lat: Lateral weights [H,H].
        bias: Biases [1,H].

    Raises:
        InputError: A size or spread is out of range.
    """

    stored = ("weight_ih", "weight_lat", "bias")
    weight_ih: nn.Parameter
    weight_lat: nn.Parameter
    bias: nn.Parameter

    @property
    def model(self) -> NeuronModel:
        return tanh()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        return (self.input_size, self.hidden_size), (self.hidden_size, self.hidden_size), (1, self.hidden_size)

    def forward(
        self,
        x: Tensor,
        hidden: Tensor | None = None,
        hidden_delayed: Tensor | None = None,
        *,
        engine: Engine | None = None,
    ) -> tuple[Any, ...]:
        """Computes one step.

        Args:
            x: Inputs [B,I].
            hidden: Hidden state of the last step [B,H]; zero by default.
            hidden_delayed: h_{t-D} [B,H]; `hidden` by default.
            engine: See `Engine`; a network passes it.

        Returns:
            The new hidden state and its pre-activation, each [B,H].

        Raises:
            InputError: Shapes do not fit.
        """
        if engine is not None:
            return engine(x)
        checks.shape("x", x, ("B", self.input_size))
        hidden = x.new_zeros(len(x), self.hidden_size) if hidden is None else hidden
        delayed = hidden if hidden_delayed is None else hidden_delayed
        checks.shape("hidden", hidden, (x.shape[0], self.hidden_size))
        checks.shape("hidden_delayed", delayed, (x.shape[0], self.hidden_size))
        model, synaptic = self.model, self._synaptic(x, delayed)
        (new,) = model.step(synaptic, model.State(hidden), self.values(), model.defaults(), None)
        return new, synaptic + self.bias


class LSTMC(_WeightsLayer):
    """A layer of LSTM cells in torch's parametrisation; the step is that of `glifr.neurons.lstm`.

    The start is drawn in the order of the attributes, uniform in +-weight_spread sqrt(1/H).

    Attributes:
        weight_ih: Input weights [4H,I].
        weight_hh: Recurrent weights [4H,H].
        bias_ih: Biases of the input [4H].
        bias_hh: Biases of the recurrent input [4H].

    Raises:
        InputError: A size or spread is out of range.
    """

    stored = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter

    @property
    def model(self) -> NeuronModel:
        return lstm()

    def views(self, weight_in: Tensor, weight_lat: Tensor, *biases: Tensor) -> LayerTensors:
        own, other = (bias.view(4, 1, -1).unbind(0) for bias in biases)
        return LayerTensors(weight_in.t(), weight_lat.t(), tuple(zip(own, other, strict=True)))

    def values(self) -> Any:
        return self.model.Parameters((self.bias_ih + self.bias_hh).view(4, 1, -1))

    def shapes(self) -> Sequence[tuple[int, ...]]:
        rows = 4 * self.hidden_size
        return (rows, self.input_size), (rows, self.hidden_size), (rows,), (rows,)

    def forward(
        self, x: Tensor, hidden: Tensor | None = None, cell: Tensor | None = None, *, engine: Engine | None = None
    ) -> tuple[Any, ...]:
        """Computes one step.

        Args:
            x: Inputs [B,I].
            hidden: Hidden state of the last step [B,H]; zero by default.
            cell: Cell state of the last step [B,H]; zero by default.
            engine: See `Engine`; a network passes it.

        Returns:
            The new (hidden, cell), as torch's LSTMCell does.

        Raises:
            InputError: Shapes do not fit.
        """
        if engine is not None:
            return engine(x)
        checks.shape("x", x, ("B", self.input_size))
        zeros = x.new_zeros(len(x), self.hidden_size)
        hidden, cell = (zeros if t is None else t for t in (hidden, cell))
        checks.shape("hidden", hidden, tuple(zeros.shape))
        checks.shape("cell", cell, tuple(zeros.shape))
        views, model = self.views(*self.tensors()), self.model
        synaptic = x @ views.weight_in + hidden @ views.weight_lat
        new = model.step(gates_of(model, synaptic), model.State(hidden, cell), self.values(), model.defaults(), None)
        return tuple(new)
