"""Factors of a study: what may be declared, and the conditions that a crossing makes of them."""

from launch.studyfile.factors.models import Crossing, FactorName, Factors, FactorSpec, LevelOf

__all__ = ["Crossing", "FactorName", "FactorSpec", "Factors", "LevelOf"]
