"""Figures: a module a family. Each gives a `Drawing` with its data and caption, or says why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from analysis.figures.clusters import clusters_and_null
from analysis.figures.curves import learning_curves, silencing_curves
from analysis.figures.drawing.drawing import Drawing, MissingFigure
from analysis.figures.drawing.style import house_style
from analysis.figures.examples import after_spike_currents, example_activity, example_outputs
from analysis.figures.factors import factor_curves, factor_effects, factorial_interaction
from analysis.figures.neurons import parameter_distributions
from analysis.figures.pairs import pair_matrix
from analysis.figures.performance import condition_dots, contrast_forest, performance_profile
from analysis.figures.planning import power_by_seeds, run_timeline
from analysis.figures.published import beside_published
from analysis.figures.recovery import parameter_recovery
from analysis.figures.responses import current_curves, step_responses
from analysis.figures.robustness import silencing_area
from analysis.figures.search import search_results
from analysis.figures.tuning import best_so_far, importance_map, parallel_coordinates, search_slices
from analysis.judgement.assessment import Assessment

Draw = Callable[[Assessment], Drawing | MissingFigure]

# by the name of their files, in the order of the report
FIGURES: Mapping[str, Draw] = MappingProxyType(
    {
        "condition_dots": lambda a: condition_dots(a.results),
        "performance_profile": lambda a: performance_profile(a.results),
        "learning_curves": lambda a: learning_curves(a.results),
        "factor_effects": factor_effects,
        "factor_curves": factor_curves,
        "factorial_interaction": factorial_interaction,
        "contrast_forest": contrast_forest,
        "pair_matrix": pair_matrix,
        "published": beside_published,
        "silencing_curves": lambda a: silencing_curves(a.results),
        "silencing_area": silencing_area,
        "search_results": lambda a: search_results(a.results),
        "search_slices": lambda a: search_slices(a.results),
        "best_so_far": lambda a: best_so_far(a.results),
        "importance": lambda a: importance_map(a.results),
        "parallel_coordinates": lambda a: parallel_coordinates(a.results),
        "parameter_recovery": lambda a: parameter_recovery(a.results),
        "parameter_distributions": parameter_distributions,
        "current_curves": current_curves,
        "step_responses": step_responses,
        "example_outputs": example_outputs,
        "example_activity": example_activity,
        "after_spike_currents": after_spike_currents,
        "clusters": clusters_and_null,
        "power": power_by_seeds,
        "run_timeline": lambda a: run_timeline(a.results),
    }
)

__all__ = [
    "FIGURES",
    "Drawing",
    "MissingFigure",
    "after_spike_currents",
    "beside_published",
    "best_so_far",
    "clusters_and_null",
    "condition_dots",
    "contrast_forest",
    "current_curves",
    "example_activity",
    "example_outputs",
    "factor_curves",
    "factor_effects",
    "factorial_interaction",
    "house_style",
    "importance_map",
    "learning_curves",
    "pair_matrix",
    "parallel_coordinates",
    "parameter_distributions",
    "parameter_recovery",
    "performance_profile",
    "power_by_seeds",
    "run_timeline",
    "search_results",
    "search_slices",
    "silencing_area",
    "silencing_curves",
    "step_responses",
]
