"""Neurons by themselves, without lateral input: firing against a constant input, and the response to a step of it.

The input is the synaptic input s_t of the neuron model, whose step is run here in float64. An after-spike
current grows without bound where f r_j > dt k_j, which training allows and a short task does not show: what leaves the
range of float32 is kept as its largest number.
Shapes: B inputs, H neurons, J after-spike currents, C currents, S times, N neurons that stand for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from glifr.characterise.sampling import evenly
from glifr.networks.base import NeuronsAlone, summed_currents, voltage_of
from glifr.records import CurrentCurves, StepResponses

CURRENTS = torch.linspace(-2, 6, 41, dtype=torch.float64)
CURVE_MS, AVERAGED_MS = 40.0, 10.0
AMPLITUDE, SETTLED_MS, BEFORE_MS, ON_MS, AFTER_MS = 1.0, 10.0, 1.0, 5.0, 5.0
STEP_NEURONS, STEP_TIMES = 16, 240
_LARGEST = torch.finfo(torch.float32).max


class IsolatedNeurons:
    """Copies of a layer's H neurons from zero state, each on its own under inputs [B,1] that all neurons share."""

    def __init__(self, neurons: NeuronsAlone, inputs: int) -> None:
        self.dt, self._constants, self._model = neurons.dt, neurons.constants, neurons.model
        values = (p.detach().to("cpu", torch.float64) for p in neurons.parameters)
        self._parameters = self._model.Parameters(*values)
        zeros = torch.zeros(inputs, neurons.hidden_size, dtype=torch.float64)
        states = (zeros if s.count is None else zeros.new_zeros(s.count, *zeros.shape) for s in self._model.states)
        self.state = self._model.State(*states)

    def steps(self, ms: float) -> int:
        """Time steps in `ms`, at least one."""
        return max(1, round(ms / self.dt))

    def step(self, synaptic: Tensor) -> Any:
        """One step with inputs [B,1]."""
        new = self._model.step(synaptic, self.state, self._parameters, self._constants, None)
        self.state = self._model.State(*new)
        return self.state


@torch.no_grad()
def current_curves(alone: NeuronsAlone) -> CurrentCurves:
    """Mean firing [C,H] of each neuron over the last AVERAGED_MS of CURVE_MS under each of CURRENTS."""
    neurons = IsolatedNeurons(alone, len(CURRENTS))
    steps, averaged = neurons.steps(CURVE_MS), neurons.steps(AVERAGED_MS)
    total = torch.zeros_like(neurons.state[0])
    for t in range(steps):
        firing = neurons.step(CURRENTS[:, None])[0]
        if t >= steps - averaged:
            total += firing
    return CurrentCurves(
        currents=CURRENTS.float().numpy(),
        firing=(total / averaged).float().numpy(),
        lasted_ms=CURVE_MS,
        averaged_ms=AVERAGED_MS,
    )


@torch.no_grad()
def step_responses(alone: NeuronsAlone) -> StepResponses:
    """STEP_NEURONS neurons, settled without input for SETTLED_MS, with AMPLITUDE from time 0 for ON_MS."""
    neurons = IsolatedNeurons(alone, 1)
    for _ in range(neurons.steps(SETTLED_MS)):
        neurons.step(torch.zeros(1, 1, dtype=torch.float64))
    before, on, after = (neurons.steps(ms) for ms in (BEFORE_MS, ON_MS, AFTER_MS))
    inputs = [0.0] * before + [AMPLITUDE] * on + [0.0] * after
    states = [neurons.step(torch.full((1, 1), value, dtype=torch.float64)) for value in inputs]
    chosen, times = evenly(alone.hidden_size, STEP_NEURONS), evenly(len(states), STEP_TIMES)

    def over_time(parts: Sequence[Tensor]) -> Tensor:
        values = torch.stack([part[0] for part in parts])[times][:, chosen]
        return values.clamp(-_LARGEST, _LARGEST).float()

    currents = [c for s in states if (c := summed_currents(s)) is not None]
    after_spike = over_time(currents) if currents else None
    return StepResponses(
        neurons=chosen.numpy(),
        times=((times - before) * neurons.dt).float().numpy(),
        voltage=over_time([voltage_of(s) for s in states]).numpy(),
        firing=over_time([s[0] for s in states]).numpy(),
        after_spike=None if after_spike is None else after_spike.numpy(),
        amplitude=AMPLITUDE,
        on_ms=on * neurons.dt,
        settled_ms=SETTLED_MS,
    )
