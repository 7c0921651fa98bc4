"""One file per neuron model: state, parameters, constants, and one step, from which every engine is made.

A new model is a new file like these; nothing else names its states or parameters. How the step of one neuron becomes a
sequence of many is no matter of this room: `glifr.engine`.
"""

from glifr.neurons.glifr import glifr
from glifr.neurons.lstm import lstm
from glifr.neurons.tanh import tanh

__all__ = ["glifr", "lstm", "tanh"]
