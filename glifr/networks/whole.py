"""Whole networks: BNNFC of GLIFR neurons, RNNFC of tanh units, LSTMFC.

Each draws its start from `generator` in the order readout weight, readout bias, recurrent layer's weights, neuron
parameters. So one seed gives one start, and networks of one size share their weights whatever their neurons are.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, J after-spike currents, O outputs. Times in ms.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from glifr import checks
from glifr.engine.reference import Trace
from glifr.engine.sequence import Recurrence
from glifr.networks.layer import Device, place
from glifr.networks.layers import GLIFR, LSTMC, RNNC
from glifr.networks.network import Network


def _steps(delay: float, dt: float) -> int:
    """D, the delay in steps; at least one."""
    return max(1, round(delay / dt))


class BNNFC(Network):
    """GLIFR neurons with delayed lateral connections, and a readout.

    Args:
        in_size: Inputs I.
        hid_size: Neurons H.
        out_size: Outputs O.
        dt: Time step [ms].
        hetinit: Whether neuron parameters start heterogeneous, drawn from the prior.
        ascs: Whether there are after-spike currents; False is the same as num_ascs=0.
        learnparams: Whether neuron parameters are trained, or the names of those that are; see `GLIFR`.
        num_ascs: After-spike currents per neuron J.
        tau: Time constant of spiking [ms]; follows dt by default.
        output_weight: Whether there is a readout; without one the outputs are the neurons themselves.
        dropout_prob: Probability that dropout silences what a neuron sends in a step, in training.
        delay: Synaptic delay [ms]: D = max(1, round(delay / dt)) steps.
        backend: One of `glifr.engine.backends.BACKENDS`.
        generator: What the start is drawn from; torch's global generator by default.
        device: As for torch's layers. The start is drawn on the CPU, so it is the same on every device.
        dtype: As for torch's layers.
        **layer: sigma_v, R, I0, v_reset and the three spreads, by name; see `GLIFR`.

    Raises:
        InputError: An argument is out of range.
    """

    neuron_layer: GLIFR

    def __init__(  # noqa: PLR0913 - the signature of the model's own documentation
        self,
        in_size: int,
        hid_size: int,
        out_size: int,
        dt: float = 0.05,
        hetinit: bool = False,
        ascs: bool = True,
        learnparams: bool | Collection[str] = True,
        *,
        num_ascs: int = 2,
        tau: float | None = None,
        output_weight: bool = True,
        dropout_prob: float = 0.0,
        delay: float = 1.0,
        backend: str = "auto",
        generator: torch.Generator | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **layer: Any,
    ) -> None:
        super().__init__((in_size, hid_size, out_size), dropout_prob, backend, output_weight, generator)
        self.delay = checks.time("delay", delay, zero=True)
        self.neuron_layer = GLIFR(
            in_size, hid_size, num_ascs, hetinit, ascs, learnparams, dt=dt, tau=tau, generator=generator, **layer
        )
        place(self, device, dtype)

    @property
    def dt(self) -> float:  # type: ignore[override]
        """That of its neurons."""
        return self.neuron_layer.dt

    @property
    def delay_steps(self) -> int:
        return _steps(self.delay, self.neuron_layer.dt)

    def _delay_words(self) -> list[str]:
        return [f"delay={self.delay:g} ms ({self.delay_steps} steps)"]

    def recurrence(self) -> Recurrence:
        return Recurrence(self.neuron_layer.model, self.neuron_layer.constants, self.delay_steps)

    def tracked(self, trace: Trace) -> tuple[Tensor, ...]:
        return trace.states.voltage, trace.states.ascurrents, trace.synaptic

    def constants(self) -> dict[str, float]:
        return {name: getattr(self.neuron_layer, name) for name in ("sigma_v", "R", "I0", "v_reset")}

    def set_constant(self, name: str, value: float) -> bool:
        if name in (known := self.constants()):
            setattr(self.neuron_layer, name, value)
        return name in known

    def neuron_parameters(self) -> dict[str, Tensor]:
        layer = self.neuron_layer
        found = {"thresh": layer.thresh, "k_m": layer.k_m}
        if layer.num_ascs:
            found |= {"k_j": layer.k_j, "r_j": layer.r_j, "a_j": layer.a_j}
        return {name: values.detach().clone() for name, values in found.items()}


class RNNFC(Network):
    """Tanh units with delayed lateral connections, and a readout.

    Args:
        in_size: Inputs I.
        hid_size: Units H.
        out_size: Outputs O.
        dt: Time step [ms].
        output_weight: Whether there is a readout; without one the outputs are the units themselves.
        dropout_prob: Probability of dropout, as in `BNNFC`.
        delay: Synaptic delay [ms]; one step by default.
        weight_spread: Factor on the half-width sqrt(1/H) of the recurrent layer's start.
        backend: One of `glifr.engine.backends.BACKENDS`.
        generator: What the start is drawn from; torch's global generator by default.
        device: As in `BNNFC`.
        dtype: As for torch's layers.

    Raises:
        InputError: An argument is out of range.
    """

    neuron_layer: RNNC

    def __init__(  # noqa: PLR0913 - the sizes and settings that all networks take
        self,
        in_size: int,
        hid_size: int,
        out_size: int,
        dt: float = 0.05,
        *,
        output_weight: bool = True,
        dropout_prob: float = 0.0,
        delay: float | None = None,
        weight_spread: float = 1.0,
        backend: str = "auto",
        generator: torch.Generator | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__((in_size, hid_size, out_size), dropout_prob, backend, output_weight, generator)
        self.dt = checks.time("dt", dt)
        self.delay = self.dt if delay is None else checks.time("delay", delay, zero=True)
        self.neuron_layer = RNNC(in_size, hid_size, weight_spread=weight_spread, generator=generator)
        place(self, device, dtype)

    @property
    def delay_steps(self) -> int:
        return _steps(self.delay, self.dt)

    def _delay_words(self) -> list[str]:
        return [f"delay={self.delay:g} ms ({self.delay_steps} steps)"]

    def recurrence(self) -> Recurrence:
        model = self.neuron_layer.model
        return Recurrence(model, model.defaults(), self.delay_steps)

    def tracked(self, trace: Trace) -> tuple[Tensor, ...]:
        return (trace.synaptic + self.neuron_layer.bias,)


class LSTMFC(Network):
    """An LSTM layer in torch's parametrisation, without delay, and a readout.

    Args:
        in_size: Inputs I.
        hid_size: Units H.
        out_size: Outputs O.
        dt: Time step [ms]; it does not enter the equations.
        output_weight: Whether there is a readout; without one the outputs are the units themselves.
        dropout_prob: Probability of dropout, as in `BNNFC`.
        weight_spread: Factor on the half-width sqrt(1/H) of the recurrent layer's start.
        backend: One of `glifr.engine.backends.BACKENDS`.
        generator: What the start is drawn from; torch's global generator by default.
        device: As in `BNNFC`.
        dtype: As for torch's layers.

    Raises:
        InputError: An argument is out of range.
    """

    neuron_layer: LSTMC

    def __init__(  # noqa: PLR0913 - the sizes and settings that all networks take
        self,
        in_size: int,
        hid_size: int,
        out_size: int,
        dt: float = 0.05,
        *,
        output_weight: bool = True,
        dropout_prob: float = 0.0,
        weight_spread: float = 1.0,
        backend: str = "auto",
        generator: torch.Generator | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__((in_size, hid_size, out_size), dropout_prob, backend, output_weight, generator)
        self.dt = checks.time("dt", dt)
        self.neuron_layer = LSTMC(in_size, hid_size, weight_spread=weight_spread, generator=generator)
        place(self, device, dtype)

    def recurrence(self) -> Recurrence:
        model = self.neuron_layer.model
        return Recurrence(model, model.defaults(), 1)

    def tracked(self, trace: Trace) -> tuple[Tensor, ...]:
        return tuple(trace.states)
