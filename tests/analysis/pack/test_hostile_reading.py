"""docs/results/reading.md: no sentence of a stored report is without what carries it."""

from __future__ import annotations

import re

import pytest
from paths import ROOT

from analysis import Results, assess, load, make_report
from analysis.judgement.assessment import Assessment
from analysis.judgement.findings import findings
from analysis.judgement.headline import answer
from analysis.judgement.warnings import report_warnings
from analysis.report.methods import methods

STORED = ROOT / "docs" / "results"
PAGE = (STORED / "reading.md").read_text(encoding="utf-8")
READ = ("published_line_mnist", "smnist_ablation")
_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z0-9])")


def _beginnings() -> list[str]:
    table = PAGE.partition("## The methods")[2].partition("## What a hostile")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return [cells[0].strip() for cells in rows[2:]]


@pytest.fixture(scope="module", params=READ)
def study(request: pytest.FixtureRequest) -> tuple[Results, Assessment]:
    results = load(STORED / f"{request.param}.tar.xz")
    return results, assess(results)


def test_each_sentence_of_the_methods_is_carried_by_one_row(study: tuple[Results, Assessment]) -> None:
    for sentence in (s for paragraph in methods(study[1]) for s in _SENTENCE.split(paragraph)):
        carried = [start for start in _beginnings() if sentence.startswith(start)]
        assert len(carried) == 1 or sentence.startswith("Verdicts are given by the same rule"), sentence


def test_the_page_has_no_row_for_a_sentence_that_no_report_has() -> None:
    texts = [" ".join(methods(assess(load(STORED / f"{name}.tar.xz")))) for name in READ]
    assert [start for start in _beginnings() if not any(start in text for text in texts)] == []


@pytest.mark.program
def test_what_is_said_first_links_to_what_is_on_the_page(
    study: tuple[Results, Assessment], tmp_path_factory: pytest.TempPathFactory
) -> None:
    results, assessed = study
    out = tmp_path_factory.mktemp("read")
    html = make_report(STORED / f"{results.info.name}.tar.xz", parts=("html",), out=out).report.read_text("utf-8")
    said = answer(assessed)
    places = [said.lead.row, *(clause.row for clause in said.clauses)]
    places += [finding.row for finding in findings(assessed)]
    places += [warning.place for warning in report_warnings(assessed)]
    assert len(places) > 20
    assert [place for place in places if f'id="{place}"' not in html] == []
