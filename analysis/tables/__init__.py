"""The report's tables as rows of ready texts, a module a subject."""

from analysis.tables.clusters import cluster_networks_sheet, clusters_sheet
from analysis.tables.comparisons import contrasts_sheet, pairs_sheet
from analysis.tables.components import components_sheet
from analysis.tables.design import counts_sheet, design_sheet
from analysis.tables.factors import factorial_sheet, level_pairs_sheet, levels_sheet
from analysis.tables.looks import looks_sheet
from analysis.tables.measures import measures_sheet
from analysis.tables.performance import conditions_sheet
from analysis.tables.power import power_sheet
from analysis.tables.published import published_sheets
from analysis.tables.recovery import recovery_sheet
from analysis.tables.reliability import cost_sheet, reliability_sheet, runs_sheet
from analysis.tables.robustness import silencing_sheet
from analysis.tables.table import Cell, Head, Table
from analysis.tables.tuning import tuning_sheets

__all__ = [
    "Cell",
    "Head",
    "Table",
    "cluster_networks_sheet",
    "clusters_sheet",
    "components_sheet",
    "conditions_sheet",
    "contrasts_sheet",
    "cost_sheet",
    "counts_sheet",
    "design_sheet",
    "factorial_sheet",
    "level_pairs_sheet",
    "levels_sheet",
    "looks_sheet",
    "measures_sheet",
    "pairs_sheet",
    "power_sheet",
    "published_sheets",
    "recovery_sheet",
    "reliability_sheet",
    "runs_sheet",
    "silencing_sheet",
    "tuning_sheets",
]
