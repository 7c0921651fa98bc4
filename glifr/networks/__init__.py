"""Layers of one step, whole networks with delay, readout, dropout and silencing, and R of them as one computation.

No equations: those of a neuron are in `glifr.neurons`, how a sequence of them is computed in `glifr.engine`.
"""

from glifr.networks.network import Network
from glifr.networks.replicas import forward_replicas
from glifr.networks.sizes import hidden_size_for_budget, trained_parameters
from glifr.networks.whole import BNNFC, LSTMFC, RNNFC, build_network

__all__ = [
    "BNNFC",
    "LSTMFC",
    "RNNFC",
    "Network",
    "build_network",
    "forward_replicas",
    "hidden_size_for_budget",
    "trained_parameters",
]
