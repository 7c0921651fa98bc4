"""Makes what is wanted of a study - tables, figures, page, LaTeX - and the manifest of all of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.files import claim, write_whole
from analysis.judgement.assessment import assess
from analysis.judgement.headline import answer
from analysis.judgement.warnings import report_warnings
from analysis.load import load
from analysis.parallel import processes_ended
from analysis.report.drawn_figures import page_figures
from analysis.report.latex import write_latex
from analysis.report.manifest import write_manifest
from analysis.report.methods import methods
from analysis.report.page import all_sheets, render
from analysis.results.load import Results
from analysis.results.tidy_tables import write_dictionary, write_tables
from analysis.tables.derived import derived_tables
from glifr.records.collector import uncollected

Part = Literal["html", "latex", "csv", "figures", "png"]
PARTS: tuple[Part, ...] = ("html", "latex", "csv", "figures")  # what is made if nothing is said


@dataclass(frozen=True)
class ReportPaths:
    """What was made.

    Attributes:
        tables: Paths relative to the report's folder.
        figures: Paths, likewise.
        latex: Paths, likewise.
        complete: Whether the study is complete.
        report: Where the page is, or would be.
        answer: Its first sentence.
    """

    report: Path
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    latex: tuple[str, ...]
    complete: bool
    answer: str


def make_report(root: Path, parts: Collection[Part] = PARTS, out: Path | None = None) -> ReportPaths:
    """Makes tables, figures, LaTeX and page of a study; equal records give equal bytes.

    Args:
        root: The results folder or pack.
        parts: Which of these.
        out: Where to, see `load`.

    Returns:
        What was made.

    Raises:
        InputError: `root` is neither, is of another version, or `out` cannot be written.
    """
    return write_report(load(root, out), parts)


def write_report(results: Results, parts: Collection[Part] = PARTS) -> ReportPaths:
    """As `make_report`, of results in memory."""
    with processes_ended(), uncollected():
        return _write_report(results, parts)


def _write_report(results: Results, parts: Collection[Part]) -> ReportPaths:
    layout = results.layout
    claim(layout.root, results.source)
    assessed = assess(results)
    found = report_warnings(assessed)
    tables: list[str] = []
    if "csv" in parts:
        tables = write_tables(layout, {**results.tables, **derived_tables(assessed, found)})
        tables.append(write_dictionary(layout, results.tables))
    shown = page_figures(assessed, "png" in parts) if {"html", "figures", "png"} & set(parts) else {}
    drawn = [f"{layout.figures.name}/{file}" for figure in shown.values() for file in figure.files]
    sheets = all_sheets(assessed, found) if {"html", "latex"} & set(parts) else []
    if "html" in parts:
        write_whole(layout.report, render(assessed, found, shown, sheets).encode())
    latex = write_latex(layout, sheets, methods(assessed)) if "latex" in parts else []
    write_manifest(layout, results.info)
    return ReportPaths(
        layout.report, tuple(tables), tuple(drawn), tuple(latex), results.complete, answer(assessed).text
    )
