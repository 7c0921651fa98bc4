"""What a study needs to know of a kind of network: one definition each, for GLIFR, RNN and LSTM as for others'.

A neuron model gives one for free, and so does any torch module. No equations and no layers: `glifr.neurons`,
`glifr.networks`.
"""

from glifr.definitions.build import build_network, definition_of, trained_parameters
from glifr.definitions.definition import BuildOptions
from glifr.definitions.module import network_of_module
from glifr.definitions.neuron import NeuronNetwork
from glifr.definitions.sizes import hidden_size_for_budget

__all__ = [
    "BuildOptions",
    "NeuronNetwork",
    "build_network",
    "definition_of",
    "hidden_size_for_budget",
    "network_of_module",
    "trained_parameters",
]
