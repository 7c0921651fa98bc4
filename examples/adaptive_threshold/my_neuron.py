"""A rate neuron whose threshold rises with its own firing, and falls back: the adaptive threshold.

With s synaptic input, f firing, v voltage and theta what is added to the threshold, all dimensionless:

    theta_t = (1 - dt k_theta) theta_{t-1} + rise f_{t-1}
    v_t     = s_t + (1 - dt k_m) v_{t-1} - f_{t-1} v_{t-1}
    f_t     = m sigmoid((v_t - thresh - theta_t) / sigma_v)

dt k_m and dt k_theta are learned as such, in (0, 1); the mask m is of silencing and dropout.
Source of the equation: Bellec et al., NeurIPS 2018 (LSNN), here as a rate.
"""

import torch

from glifr.engine.definition import DECAY, Constant, NeuronModel, Parameter, State


def step(s, states, parameters, constants, mask):
    """One step of a neuron whose threshold rises with its firing."""
    firing, voltage, theta = states
    theta = (1 - parameters.decay_theta) * theta + parameters.rise * firing
    voltage = s + (1 - parameters.decay_m) * voltage - firing * voltage
    firing = torch.sigmoid((voltage - parameters.thresh - theta) / constants.sigma_v)
    return (firing if mask is None else mask * firing), voltage, theta


adaptive = NeuronModel(
    name="adaptive threshold",
    states=(State("firing"), State("voltage"), State("theta")),
    parameters=(
        Parameter("thresh", meaning="threshold at rest", homogeneous=(1.0, 0.0), heterogeneous=(0.0, 1.0)),
        Parameter("decay_m", transform=DECAY, meaning="dt k_m", homogeneous=(0.05, 0.0), heterogeneous=(0.05, 0.01)),
        Parameter("decay_theta", transform=DECAY, meaning="dt k_theta", homogeneous=(0.02, 0.0)),
        Parameter("rise", meaning="rise of the threshold per spike", homogeneous=(0.1, 0.05), spread="neuron_spread"),
    ),
    constants=(Constant("sigma_v", 1.0, "width of the firing curve", positive=True),),
    step=step,
    source="after Bellec et al., NeurIPS 2018",
)
