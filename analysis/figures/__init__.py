"""Figures: a module a family. Each gives a `Drawing` with its data and caption, or says why there is none."""

from analysis.figures.curves import learning_curves, silencing_curves
from analysis.figures.drawing import Drawing, Empty, write_figure
from analysis.figures.performance import condition_dots, difference_forest
from analysis.figures.search import search_results
from analysis.figures.style import house_style

__all__ = [
    "Drawing",
    "Empty",
    "condition_dots",
    "difference_forest",
    "house_style",
    "learning_curves",
    "search_results",
    "silencing_curves",
    "write_figure",
]
