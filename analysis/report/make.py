"""Makes what is wanted of a study - tables, figures, page, LaTeX - and the manifest of all of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from analysis import figures
from analysis.files import claim, write_whole
from analysis.judgement.assessment import Assessment, assess
from analysis.judgement.headline import answer
from analysis.judgement.warnings import cautions
from analysis.load import load
from analysis.report.latex import write_latex
from analysis.report.manifest import write_manifest
from analysis.report.methods import methods
from analysis.report.page import PageFigure, all_sheets, render
from analysis.results.load import Results
from analysis.results.tidy_tables import write_dictionary, write_tables
from analysis.tables.derived import derived_tables
from glifr.records import Layout

Part = Literal["html", "latex", "csv", "figures"]
PARTS: tuple[Part, ...] = get_args(Part)


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
    layout = results.layout
    claim(layout.root, results.source)
    assessed = assess(results)
    found = cautions(assessed)
    tables: list[str] = []
    if "csv" in parts:
        tables = write_tables(layout, {**results.tables, **derived_tables(assessed, found)})
        tables.append(write_dictionary(layout, results.tables))
    shown, drawn = _figures(layout, assessed) if {"html", "figures"} & set(parts) else ({}, [])
    if "html" in parts:
        write_whole(layout.report, render(assessed, found, shown).encode())
    latex = write_latex(layout, all_sheets(assessed, found), methods(assessed)) if "latex" in parts else []
    write_manifest(layout, results.info)
    return ReportPaths(
        layout.report, tuple(tables), tuple(drawn), tuple(latex), results.complete, answer(assessed).text
    )


def _figures(layout: Layout, assessed: Assessment) -> tuple[dict[str, PageFigure], list[str]]:
    shown, drawn = {}, []
    with figures.house_style():
        for name, draw in figures.FIGURES.items():
            figure = draw(assessed)
            paths, source = figures.write_figure(layout, figure)
            drawn += paths
            shown[name] = PageFigure(figure, source)
    return shown, drawn
