"""The factorial of a study's declared factors: its design, its effects, its levels."""

from analysis.statistics.factorial.design import Design, Term
from analysis.statistics.factorial.effects import Effect, Factorial, effects_to_test, factorial
from analysis.statistics.factorial.levels import LevelMean, curve_band, level_values

__all__ = [
    "Design",
    "Effect",
    "Factorial",
    "LevelMean",
    "Term",
    "curve_band",
    "effects_to_test",
    "factorial",
    "level_values",
]
