"""Factors of a study: what may be declared, the conditions that a crossing makes of them, and the rules of both."""

from launch.studyfile.factors.models import Crossing, FactorName, Factors, FactorSpec, LevelOf

__all__ = ["Crossing", "FactorName", "FactorSpec", "Factors", "LevelOf"]
