"""Layers of one step, whole networks with delay, readout, dropout and silencing, and R of them as one computation.

No equations: those of a neuron are in `glifr.neurons`, how a sequence of them is computed in `glifr.engine`.
"""

from glifr.networks.base import BaseNetwork, forward_replicas
from glifr.networks.build import build_network, definition_of, trained_parameters
from glifr.networks.module import network_of_module
from glifr.networks.replicas import Network
from glifr.networks.sizes import hidden_size_for_budget
from glifr.networks.whole import BNNFC, LSTMFC, RNNFC

__all__ = [
    "BNNFC",
    "LSTMFC",
    "RNNFC",
    "BaseNetwork",
    "Network",
    "build_network",
    "definition_of",
    "forward_replicas",
    "hidden_size_for_budget",
    "network_of_module",
    "trained_parameters",
]
