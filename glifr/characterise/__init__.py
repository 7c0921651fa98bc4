"""What training made of a network: its neurons' parameters, their responses, and what it does with samples."""

from glifr.characterise.network import characterise
from glifr.characterise.summary import summarise

__all__ = ["characterise", "summarise"]
