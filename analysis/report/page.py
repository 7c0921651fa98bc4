"""The report: one self-contained HTML page from a study judged and its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis import tables as sheets
from analysis.judgement.assessment import Assessment
from analysis.judgement.declared import declaration_facts
from analysis.judgement.findings import findings
from analysis.judgement.headline import answer
from analysis.judgement.lights import lights
from analysis.judgement.missing_data import single_network
from analysis.judgement.sample_size import more_seeds
from analysis.judgement.warnings import ReportWarning
from analysis.published import words
from analysis.report import sentences as prose
from analysis.report.methods import methods
from analysis.report.page_figure import PageFigure
from analysis.report.rendering import environment, packaged
from analysis.results.provenance import SESSION_HEADS, provenance


def render(
    assessment: Assessment,
    warnings: list[ReportWarning],
    figures: Mapping[str, PageFigure],
    found: Sequence[sheets.Table],
) -> str:
    """The page's HTML. found: its tables, see `all_sheets`."""
    content = {**_head(assessment, warnings), **_body(assessment, found), "figures": figures}
    content["figure_numbers"] = _figure_numbers(figures)
    return environment().get_template("report.html.j2").render(css=packaged("report.css"), **content)


def all_sheets(a: Assessment, warnings: list[ReportWarning]) -> list[sheets.Table]:
    """Every table that the study's content allows, in the order of the report."""
    results, searched = a.results, a.results.info.planned("search") > 0
    found = [sheets.design_sheet(results), sheets.counts_sheet(results), sheets.conditions_sheet(a, warnings)]
    measures = sheets.measures_sheet(results)
    found += [measures] if measures else []
    found += [sheets.components_sheet(a)] if any(not math.isnan(c.seed) for c in a.components) else []
    found += [sheets.looks_sheet(results.info, a.looked)] if a.looked else []
    found += [sheets.factorial_sheet(a, warnings), sheets.levels_sheet(a, warnings)] if a.factorial.effects else []
    found += [sheets.level_pairs_sheet(a, warnings)] if a.factorial.pairs else []
    found += [sheets.contrasts_sheet(a, warnings)] if a.planned else []
    found += [sheets.pairs_sheet(a, warnings)] if a.pairs else []
    found += sheets.published_sheets(a, warnings)
    found += [sheets.silencing_sheet(a, warnings)] if len(a.silenced) else []
    found += sheets.tuning_sheets(results, a.tunings, warnings) if searched else []
    recovery = sheets.recovery_sheet(results)
    found += [recovery] if recovery else []
    found += [sheets.clusters_sheet(a, warnings), sheets.cluster_networks_sheet(a)] if a.groups else []
    found += [sheets.power_sheet(a)] if a.planned else []
    return [*found, sheets.cost_sheet(results), sheets.reliability_sheet(results), sheets.runs_sheet(results)]


def _numbered(found: Sequence[sheets.Table]) -> dict[str, sheets.Table]:
    """The tables by name, counted in the order of the page."""
    return {s.name: replace(s, title=f"Table {n}. {s.title}") for n, s in enumerate(found, 1)}


def _figure_numbers(figures: Mapping[str, PageFigure]) -> dict[str, int]:
    """The figures that there are, counted in the order of the page."""
    return {name: n for n, name in enumerate((n for n, shown in figures.items() if not shown.empty), 1)}


def _head(a: Assessment, warnings: list[ReportWarning]) -> dict[str, Any]:
    info = a.results.info
    return {
        "info": info,
        "complete": a.results.complete,
        "answer": answer(a),
        "lights": lights(a, warnings),
        "findings": findings(a),
        "warnings": warnings,
        "standing": prose.standing(a.results),
        "incidents": prose.incidents(a.results),
        "design": prose.design(info),
        "conditional": info.conditional_sentence,
        "declaration": declaration_facts(info),
    }


def _published(a: Assessment) -> dict[str, Any]:
    """What the section beside the published runs says; nothing for a task without them."""
    b, info = a.published, a.results.info
    if b is None:
        return {}
    repetition = info.evidence and len(b.same) == len(b.rows)
    said = {"intro": words.intro(b, info), "standing": words.standing(b, info.evidence)}
    return {**said, "repetition": repetition, "order": words.order_words(b.order)}


def _body(a: Assessment, found: Sequence[sheets.Table]) -> dict[str, Any]:
    results = a.results
    return {
        "sheets": _numbered(found),
        "searched": results.info.planned("search") > 0,
        "single_network": single_network(results),
        "factorial": a.factorial,
        "advice": more_seeds(a),
        "published": _published(a),
        "methods": methods(a),
        "provenance": provenance(results),
        "session_heads": SESSION_HEADS,
        "problems": a.problems,
    }
