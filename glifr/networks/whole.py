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

    delay: synaptic delay, D = max(1, round(delay / dt)) steps. backend: one of `glifr.engine.backends.BACKENDS`. The
    rest as in `GLIFR` (sigma_v, R, I0, v_reset and the three spreads by name) and `Network`. device, dtype: as torch's
    layers take them; the start is drawn before, so it is the same everywhere. Raises InputError for what cannot be
    meant.
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

    dt: time step [ms]. delay: synaptic delay [ms], None for one step. weight_spread: as in `RNNC`. backend: one of
    `glifr.engine.backends.BACKENDS`. device, dtype: as in `BNNFC`. Raises InputError for what cannot be meant.
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

    dt: time step [ms]; it has no part in the equations. weight_spread: as in `LSTMC`. backend: one of
    `glifr.engine.backends.BACKENDS`. device, dtype: as in `BNNFC`. Raises InputError for what cannot be meant.
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
