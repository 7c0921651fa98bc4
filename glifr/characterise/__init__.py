"""Describes a trained network: neuron parameters, responses, and activity on samples."""

from glifr.characterise.network import characterise
from glifr.characterise.summary import summarise

__all__ = ["characterise", "summarise"]
