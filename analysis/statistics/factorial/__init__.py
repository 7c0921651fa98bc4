"""The factorial of a study's declared factors: its design, its effects, its levels."""

from analysis.statistics.factorial.design import Design, Term
from analysis.statistics.factorial.effects import Effect, Factorial, factorial, testable_effects
from analysis.statistics.factorial.levels import LevelMean, curve_band, level_values

__all__ = [
    "Design",
    "Effect",
    "Factorial",
    "LevelMean",
    "Term",
    "curve_band",
    "factorial",
    "level_values",
    "testable_effects",
]
