"""Tables, figures and the report of a study, from its results folder alone: no Ray, W&B, torch or network.

From a notebook: `load` a folder, or give any DataFrame with one row per seed and one column per condition to `judge`,
 `factorial`, `t_interval` and the others. docs/statistics.md shows how.
"""

from analysis.judgement.assessment import Assessment, assess
from analysis.judgement.warnings import report_warnings
from analysis.load import load
from analysis.report.make import PARTS, Part, ReportPaths, make_report, write_report
from analysis.report.terminal_table import as_text, summarise, summary_table
from analysis.results.load import Results
from analysis.sequential.reach import refuse_undecidable
from analysis.statistics.comparisons import smallest_p, units_needed
from analysis.statistics.contrasts import ContrastResult, all_pairs, judge
from analysis.statistics.factorial import Effect, Factorial, effects_to_test, factorial
from analysis.statistics.intervals import iqm_interval, t_interval
from glifr.records import Contrast, pair

__all__ = [
    "PARTS",
    "Assessment",
    "Contrast",
    "ContrastResult",
    "Effect",
    "Factorial",
    "Part",
    "ReportPaths",
    "Results",
    "all_pairs",
    "as_text",
    "assess",
    "effects_to_test",
    "factorial",
    "iqm_interval",
    "judge",
    "load",
    "make_report",
    "pair",
    "refuse_undecidable",
    "report_warnings",
    "smallest_p",
    "summarise",
    "summary_table",
    "t_interval",
    "units_needed",
    "write_report",
]
