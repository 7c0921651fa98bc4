"""GLIFR networks: generalised leaky integrate-and-fire neurons with firing rates, in PyTorch."""

from glifr.networks import BNNFC, LSTMFC, RNNFC
from glifr.neurons import GLIFR, RNNC

__all__ = ["BNNFC", "GLIFR", "LSTMFC", "RNNC", "RNNFC"]
