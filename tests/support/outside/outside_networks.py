"""Networks and neuron models of other people for tests, in a file of their own, and a study that names them."""

from __future__ import annotations

from pathlib import Path

from outside_code import changed
from small_study import TINY

LAB = '''
"""A gated network, and a neuron with an adaptive threshold."""

import torch
from torch import nn

from glifr.definitions import network_of_module
from glifr.engine.definition import DECAY, Constant, NeuronModel, Parameter, State


class GRU(nn.Module):
    def __init__(self, in_size, hidden_size, out_size, layers=1, noise=0.0):
        super().__init__()
        self.cell = nn.GRU(in_size, hidden_size, layers, batch_first=True)
        self.readout = nn.Linear(hidden_size, out_size)
        self.noise = noise

    def forward(self, inputs):
        sent, _ = self.cell(inputs)
        return self.readout(sent + self.noise * torch.randn_like(sent))


gru = network_of_module(GRU, hidden="cell")


def step(s, states, parameters, constants, mask):
    firing, theta = states
    theta = (1 - parameters.decay) * theta + parameters.rise * firing
    firing = torch.sigmoid((s - parameters.thresh - theta) / constants.width)
    return (firing if mask is None else mask * firing), theta


def adaptive_with(step):
    return NeuronModel(
        name="adaptive",
        states=(State("firing"), State("theta")),
        parameters=(
            Parameter("thresh", homogeneous=(0.5, 0.0), heterogeneous=(0.5, 0.3)),
            Parameter("decay", transform=DECAY, homogeneous=(0.2, 0.0)),
            Parameter("rise", homogeneous=(0.1, 0.05)),
        ),
        constants=(Constant("width", 1.0, positive=True),),
        step=step,
    )


adaptive = adaptive_with(step)
'''

STUDY = changed(
    TINY,
    ("name: small", "name: outside"),
    ("conditions:", 'code: [lab]\nconditions:\n  gru: {network: "lab:gru"}\n  own: {network: "lab:adaptive"}'),
    (
        "spaces:",
        'spaces:\n    "lab:gru": &own {learning_rate: {low: 0.001, high: 0.01, scale: log}}\n    "lab:adaptive": *own',
    ),
    ("epochs: 3, batch_size: 1000", "epochs: 2, batch_size: 1000"),
    ("mode: offline", "mode: disabled"),
)


def write_lab(folder: Path, code: str = LAB, study: str = STUDY) -> Path:
    """`outside.yaml` and `lab.py` in a folder."""
    (folder / "lab.py").write_text(code)
    path = folder / "outside.yaml"
    path.write_text(study)
    return path
