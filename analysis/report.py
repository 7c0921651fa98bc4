"""The report: tables, figures and one self-contained HTML page, from a results folder alone."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from analysis import figures, prose, sheets
from analysis.comparisons import differences_from
from analysis.emptiness import single_network
from analysis.figures import Drawing, Empty
from analysis.files import write_whole
from analysis.load import Results, load
from analysis.provenance import SESSION_HEADS, provenance
from analysis.summaries import performances, tunings
from analysis.tables import write_tables

_FIGURES: dict[str, Callable[[Results], Drawing | Empty]] = {
    "condition_dots": figures.condition_dots,
    "difference_forest": figures.difference_forest,
    "learning_curves": figures.learning_curves,
    "search_results": figures.search_results,
    "silencing_curves": figures.silencing_curves,
}


@dataclass(frozen=True)
class ReportPaths:
    """What was made. tables, figures: relative to the results folder. complete: whether the study is."""

    report: Path
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class Shown:
    """A figure as the page has it: a data URI with its texts, or why it is missing."""

    drawn: Drawing | Empty
    source: str

    @property
    def empty(self) -> bool:
        return isinstance(self.drawn, Empty)


def make_report(root: Path) -> ReportPaths:
    """Writes tables, figures and report.html into the results folder `root`; equal records give equal bytes.

    Raises InputError if `root` is not a results folder, is of another version, or cannot be written.
    """
    return write_report(load(root))


def write_report(results: Results) -> ReportPaths:
    """As `make_report`, of results in memory."""
    layout = results.layout
    tables = write_tables(layout, results.tables)
    shown, drawn = {}, []
    with figures.house_style():
        for name, draw in _FIGURES.items():
            figure = draw(results)
            paths, svg = figures.write_figure(layout, figure)
            drawn += paths
            shown[name] = Shown(figure, _data_uri(svg) if svg else "")
    page = render(results, shown)
    write_whole(layout.report, page.encode())
    return ReportPaths(layout.report, tuple(tables), tuple(drawn), results.complete)


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def render(results: Results, shown: dict[str, Shown]) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=FunctionLoader(_packaged),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(**_content(results, shown))


def _packaged(name: str) -> str:
    return files("analysis").joinpath(name).read_text(encoding="utf-8")


def _content(results: Results, shown: dict[str, Shown]) -> dict[str, Any]:
    reached, tuned = performances(results), tunings(results)
    differences = differences_from(results.final_values(), results.info.reference)
    searched = results.info.planned("search") > 0
    return {
        "css": _packaged("report.css"),
        "info": results.info,
        "measure": results.info.task.measure,
        "quick": prose.QUICK,
        "complete": results.complete,
        "design": prose.design(results.info),
        "standing": prose.standing(results),
        "incidents": prose.incidents(results),
        "methods": prose.methods(results),
        "single_network": single_network(results),
        "design_sheet": sheets.design_sheet(results),
        "counts_sheet": sheets.counts_sheet(results),
        "conditions_sheet": sheets.conditions_sheet(results, reached, tuned),
        "differences_sheet": sheets.differences_sheet(results, differences) if differences else None,
        "tuning_sheets": [make(results, tuned) for make in (sheets.tuning_sheet, sheets.settings_sheet) if searched],
        "figures": shown,
        "provenance": provenance(results),
        "session_heads": SESSION_HEADS,
        "problems": results.problems,
    }
