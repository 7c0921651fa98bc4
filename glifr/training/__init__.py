"""Trains seed batches: steps, optimiser, evaluation, silencing, and the random streams of a seed."""

from glifr.configuration import Configuration, TrainingSettings
from glifr.training.train import Training

__all__ = ["Configuration", "Training", "TrainingSettings"]
