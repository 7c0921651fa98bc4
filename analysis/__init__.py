"""Tables, figures and the report of a study, from its results folder alone: no Ray, W&B, torch or network."""

from analysis.comparisons import smallest_p
from analysis.load import Results, load
from analysis.report import ReportPaths, make_report, write_report
from analysis.summary import as_text, summarise, summary_table

__all__ = [
    "ReportPaths",
    "Results",
    "as_text",
    "load",
    "make_report",
    "smallest_p",
    "summarise",
    "summary_table",
    "write_report",
]
