"""Layers of one step, whole networks with delay, readout, dropout and silencing, and R of them as one computation.

No equations: those of a neuron are in `glifr.neurons`, how a sequence of them is computed in `glifr.engine`. What a
study needs to know of a network, and networks from outside, are in `glifr.definitions`.
"""

from glifr.networks.base import BaseNetwork
from glifr.networks.network import Network
from glifr.networks.replicas import forward_replicas
from glifr.networks.whole import BNNFC, LSTMFC, RNNFC

__all__ = ["BNNFC", "LSTMFC", "RNNFC", "BaseNetwork", "Network", "forward_replicas"]
