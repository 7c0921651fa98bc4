"""The head of the report: the answer, the lights and the findings; each clause has its row, and none contradicts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from records_factory import ALL, Synthetic, write_study

from analysis import Assessment, Results, assess, figures, load, report_warnings
from analysis.figures import Drawing
from analysis.judgement.findings import findings
from analysis.judgement.headline import Clause, Headline, answer
from analysis.judgement.lights import Light, lights
from analysis.report.page import all_sheets, render
from analysis.report.page_figure import PageFigure
from glifr.conditions import CONDITIONS

GLIFR = ALL[2:]
# after-spike currents +2 points, learning and the start nothing; RNN and LSTM above all of them
LEVELS = {n: (0.94 if c.num_ascs else 0.92) if c.start else 0.98 for n, c in CONDITIONS.items()}
PLAIN = Synthetic(seeds=12, trials=0, silencing=False, epochs=2, levels=LEVELS)
SMALL = PLAIN.with_(conditions=("RNN", "LHetA"), seeds=12)
CASES = {
    "factorial and contrasts": PLAIN,
    "contrasts only": SMALL,
    "factorial without references": PLAIN.with_(conditions=GLIFR),
    "searched three times": SMALL.with_(trials=4, confirm=1, repeats=3),
    "searched once": SMALL.with_(trials=4, confirm=1),
    "incomplete": SMALL.with_(missing=frozenset({("RNN", 2)})),
    "too few seeds": PLAIN.with_(seeds=3),
    "loss": PLAIN.with_(accuracy=False, held_out=False),
    "no evidence": SMALL.with_(evidence=False),
    "nothing finished": SMALL.with_(done=()),
    "one condition": SMALL.with_(conditions=("LHetA",)),
}


def judged(root: Path, study: Synthetic) -> Assessment:
    return assess(load(write_study(root / "s", study)))


def page(a: Assessment) -> str:
    """The page without drawing its figures."""
    shown = {name: PageFigure(name, why="Not drawn.", todo="Draw it.") for name in figures.FIGURES}
    warnings = report_warnings(a)
    return render(a, warnings, shown, all_sheets(a, warnings))


@pytest.fixture(scope="module", params=CASES, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Assessment]:
    return request.param, judged(tmp_path_factory.mktemp("case"), CASES[request.param])


def test_every_clause_and_every_finding_has_a_row_on_the_page(case: tuple[str, Assessment]) -> None:
    _, a = case
    html = page(a)
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    said = answer(a)
    assert {clause.row for clause in (said.lead, *said.clauses)} <= ids
    assert {finding.row for finding in findings(a)} <= ids
    assert all(f'href="#{clause.row}">' in html for clause in (said.lead, *said.clauses))


def test_what_a_clause_says_stands_in_its_row(case: tuple[str, Assessment]) -> None:
    """Every number of a clause about a row of a table is a number of that row, and so is its verdict."""
    _, a = case
    rows = dict(re.findall(r'<tr[^>]* id="(row-[^"]+)">(.*?)</tr>', page(a), flags=re.S))
    for clause in answer(a).clauses:
        if clause.row in rows:
            shown = re.sub(r"<[^>]+>", " ", rows[clause.row])
            amounts = re.findall(r"[+−]\d+\.\d+", clause.text)
            assert amounts
            assert all(amount in shown for amount in amounts), (clause.text, shown)
            assert re.search(r"\b(better|worse|present|equivalent|inconclusive|not testable)\b", clause.text)
            word = re.search(r"(better|worse|present|equivalent|inconclusive|not testable)", clause.text)
            assert word is not None
            assert word.group() in shown


def test_the_factorial_leads_beside_the_largest_planned_contrast(tmp_path: Path) -> None:
    said = answer(judged(tmp_path, PLAIN))
    assert said.clauses[0].text.startswith("after-spike currents +2.")
    assert said.clauses[0].text.endswith(", better")
    assert [c.text.split(" ")[0] for c in said.clauses[1:3]] == ["heterogeneous", "learned"]
    (largest,) = [c.text for c in said.clauses if "the largest planned contrast" in c.text]
    assert re.search(r"is [+−][45]\.\d\d points .*, (better|worse)$", largest), "the distance to RNN or LSTM"
    assert said.text.startswith("On line-by-line MNIST, by test accuracy (95 % intervals in brackets): after-spike")
    assert said.text.count(". ") == 0, "one sentence"


def test_an_interaction_that_is_there_qualifies_its_parts(tmp_path: Path) -> None:
    levels = {n: 0.92 + 0.02 * (c.num_ascs > 0 and c.start == "heterogeneous") for n, c in CONDITIONS.items()}
    said = answer(judged(tmp_path, PLAIN.with_(levels=levels)))
    assert any(
        c.text.startswith("after-spike currents × heterogeneous start +2.") and "present" in c.text
        for c in said.clauses
    )


def test_without_a_factorial_the_verdicts_are_counted(tmp_path: Path) -> None:
    said = answer(judged(tmp_path, SMALL))
    assert said.clauses[0].text == "of 1 planned contrast 1 better"
    assert re.match(r"the largest planned contrast, RNN − LHetA, is \+[34]\.\d\d points", said.clauses[1].text)


def _alike(a: Assessment, *pairs: tuple[str, str]) -> Assessment:
    info = a.results.info
    results = replace(a.results, info=replace(info, alike=pairs))
    return assess(results)


def test_an_effect_that_averages_over_two_that_are_one_says_so(tmp_path: Path) -> None:
    a = judged(tmp_path, PLAIN)
    said = answer(_alike(a, ("Hom", "HomA")))
    assert "though it averages over Hom and HomA, which behave alike" in said.clauses[0].text
    assert "behave alike" not in "".join(c.text for c in said.clauses[1:])
    assert "behave alike" not in answer(a).text


REPEATED = SMALL.with_(trials=4, confirm=1, repeats=3)


def test_what_is_conditional_on_one_search_says_so_everywhere(tmp_path: Path) -> None:
    a = judged(tmp_path, SMALL.with_(trials=4, confirm=1))
    assert answer(a).clauses[-1].text == "all of it conditional on one search per condition"
    html = page(a)
    # the first line, the methods, below findings, and the captions of tables 1 and 3
    assert html.count("onditional on one search per condition") >= 5
    assert 'id="warning-one-search"' in html
    again = judged(tmp_path / "r", REPEATED)
    assert "conditional on" not in page(again)
    assert "one-search" not in {c.code for c in report_warnings(again)}
    fixed = judged(tmp_path / "f", SMALL)
    assert answer(fixed).clauses[-1].text == (
        "all of it conditional on the settings of the study file, which were not tuned"
    )


def test_with_repeats_a_condition_has_as_many_values_as_repeats(tmp_path: Path) -> None:
    a = judged(tmp_path, REPEATED.with_(silencing=True))
    rnn = a.performances[0]
    assert (rnn.finished, rnn.interval.n) == (12, 3)
    assert a.planned[0].interval.n == 3
    html = page(a)
    assert "12/12" in html
    assert "3 repeats" in html
    area = re.search(r'id="table-silencing".*?</table>', html, flags=re.S)
    assert area is not None
    assert re.findall(r'<td class="right">(\d+)</td>', area.group())[0] == "3"


def test_with_repeats_a_dot_of_a_figure_is_a_repeat(tmp_path: Path) -> None:
    a = judged(tmp_path, REPEATED.with_(epochs=4, silencing=True, masks=2, diverged=frozenset({("RNN", 3)})))
    for name in ("condition_dots", "contrast_forest", "silencing_area"):
        drawn = figures.FIGURES[name](a)
        assert isinstance(drawn, Drawing), name
        assert "n = 3 per co" in drawn.caption
    data = figures.condition_dots(a.results).data  # type: ignore[union-attr]
    assert data["diverged"].tolist() == [True, False, False, False, False, False]


def _light(a: Assessment, name: str) -> Light:
    return next(light for light in lights(a, report_warnings(a)) if light.name == name)


def test_the_light_is_green_when_everything_is_fair(tmp_path: Path) -> None:
    """All ten conditions, searched; that some choice lies at the end of its range is a warning of its own."""
    study = Synthetic(seeds=3, trials=6, confirm=1, epochs=2, silencing=False, failed_share=0.0, pruned_share=0.0)
    a = judged(tmp_path, study)
    assert "at-a-bound" in {c.code for c in report_warnings(a)}
    assert _light(a, "Fair").state == "yes"


def _spaces(name: str, condition: str) -> Callable[[Results], Results]:
    def change(results: Results) -> Results:
        wider = {"low": 1e-5, "high": 1.0, "log": True}
        conditions = tuple(
            replace(c, space={**c.space, name: wider}) if c.name == condition else c for c in results.info.conditions
        )
        return replace(results, info=replace(results.info, conditions=conditions))

    return change


@pytest.mark.parametrize(("name", "condition"), [("learning_rate", "RNN"), ("after_spike_spread", "HomA")])
def test_the_light_is_not_green_where_a_shared_range_differs(name: str, condition: str, tmp_path: Path) -> None:
    study = Synthetic(seeds=2, trials=4, confirm=1, epochs=2, silencing=False, failed_share=0.0, pruned_share=0.0)
    a = assess(_spaces(name, condition)(load(write_study(tmp_path / "s", study))))
    assert _light(a, "Fair") == Light("Fair", "partly", "See unequal-spaces below.")


@pytest.mark.parametrize(
    ("study", "state", "why"),
    [
        # 3 seeds: not one of twelve contrasts, nor of seven effects, can be tested
        (PLAIN.with_(seeds=3), "no", r"None of 19 comparisons can be tested: 3 seeds per condition, of 9 that"),
        (PLAIN, "yes|partly", r"comparisons have a verdict, or 80 % power to find 0.5 points"),
        (SMALL, "yes", r"All 1 planned contrast have a verdict"),
        (SMALL.with_(evidence=False), "no", "no evidence"),
        (SMALL.with_(conditions=("LHetA",)), "no", "No comparison was declared"),
    ],
)
def test_powered_counts_what_is_decided_or_could_be(study: Synthetic, state: str, why: str, tmp_path: Path) -> None:
    found = _light(judged(tmp_path, study), "Powered")
    assert re.fullmatch(state, found.state), found
    assert re.search(why, found.why), found


def test_powered_is_no_where_none_is_decided_and_too_few_tell_more(tmp_path: Path) -> None:
    """It was "partly - 0 of 12"."""
    levels = {"Hom": 0.94, "LHetA": 0.94}
    study = SMALL.with_(conditions=("Hom", "LHetA"), seeds=9, levels=levels)
    results = load(write_study(tmp_path / "s", study))
    declared = replace(results.info.declaration, smallest_effect=0.001)
    a = assess(replace(results, info=replace(results.info, declaration=declared)))
    assert a.planned[0].verdict.word == "inconclusive"
    found = _light(a, "Powered")
    assert (found.state, found.why) == (
        "no",
        "0 of 1 planned contrast have a verdict, or 80 % power to find 0.1 points.",
    )


def test_no_light_contradicts_a_verdict(case: tuple[str, Assessment]) -> None:
    """A verdict never stands under a red light of power, and nothing is green where nothing can be tested."""
    _, a = case
    found = _light(a, "Powered")
    verdicts = [*(j.verdict for j in a.planned), *(e.verdict for e in a.factorial.effects)]
    if any(v.decided for v in verdicts):
        assert found.state != "no"
    if not any(v.decided or v.word == "inconclusive" for v in verdicts):
        assert found.state == "no"


def test_an_answer_without_clauses_is_a_sentence() -> None:
    assert Headline(Clause("No answer yet", "design")).text == "No answer yet."
