"""The report's tables as rows of ready texts, a module a subject."""

from analysis.sheets.clusters import cluster_networks_sheet, clusters_sheet
from analysis.sheets.comparisons import contrasts_sheet, factorial_sheet, pairs_sheet
from analysis.sheets.components import components_sheet
from analysis.sheets.design import counts_sheet, design_sheet
from analysis.sheets.performance import conditions_sheet
from analysis.sheets.power import power_sheet
from analysis.sheets.published import published_sheets
from analysis.sheets.recovery import recovery_sheet
from analysis.sheets.reliability import reliability_sheet, runs_sheet
from analysis.sheets.robustness import silencing_sheet
from analysis.sheets.sheet import Cell, Head, Sheet
from analysis.sheets.tuning import tuning_sheets

__all__ = [
    "Cell",
    "Head",
    "Sheet",
    "cluster_networks_sheet",
    "clusters_sheet",
    "components_sheet",
    "conditions_sheet",
    "contrasts_sheet",
    "counts_sheet",
    "design_sheet",
    "factorial_sheet",
    "pairs_sheet",
    "power_sheet",
    "published_sheets",
    "recovery_sheet",
    "reliability_sheet",
    "runs_sheet",
    "silencing_sheet",
    "tuning_sheets",
]
