"""In a study that repeats its search every repeat is shown: in tables, figures, warnings and words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records_factory import Synthetic, write_study

from analysis import Results, assess, load, make_report, report_warnings
from analysis import tables as sheets
from analysis.figures import FIGURES, Drawing, house_style
from analysis.judgement.assessment import Assessment
from analysis.judgement.fairness import unequal_budgets
from analysis.judgement.warnings import ReportWarning
from analysis.report.page import all_sheets
from analysis.results.summaries import tunings
from analysis.statistics.importance import FEWEST, importances
from analysis.tables import Table
from analysis.text import significant

ONCE = Synthetic(conditions=("RNN", "Hom", "LHetA"), seeds=9, trials=6, confirm=2, search_epochs=4, task="line_mnist")
STUDY = ONCE.with_(repeats=9, seeds=18, repeat_sd=0.004)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("searches") / "s", STUDY))


@pytest.fixture(scope="module")
def a(results: Results) -> Assessment:
    return assess(results)


@pytest.fixture(scope="module")
def made(a: Assessment) -> dict[str, Table]:
    return {sheet.name: sheet for sheet in sheets.tuning_sheets(a.results, a.tunings, report_warnings(a))}


def _column(sheet: Table, head: str) -> int:
    return [h.text for h in sheet.heads].index(head)


def test_a_study_that_searched_once_has_one_table_of_each(tmp_path: Path) -> None:
    once = load(write_study(tmp_path / "s", ONCE))
    tables = sheets.tuning_sheets(once, tunings(once), [])
    assert [(s.name, s.folded, len(s.rows)) for s in tables] == [("tuning", False, 3), ("settings", False, 3)]


def test_a_row_a_condition_sums_up_all_its_searches_and_each_has_its_own_below(
    results: Results, made: dict[str, Table]
) -> None:
    assert list(made) == ["tuning", "tuning_searches", "settings", "settings_searches"]
    trials = results.tables["trials"]
    search = trials[trials["stage"] == "search"]
    for name in ("tuning", "settings"):
        assert [row[0].text for row in made[name].rows] == ["RNN", "Hom", "LHetA"]
        assert not made[name].folded
        each = made[f"{name}_searches"]
        assert [(row[0].text, row[0].note) for row in each.rows] == [
            (c, f"repeat {r}") for c in ("RNN", "Hom", "LHetA") for r in range(9)
        ]
        assert each.folded
    budget = made["tuning"]
    for row in budget.rows:
        own = search[search["condition"] == row[0].text]
        assert row[_column(budget, "planned")].text == "54"
        assert row[_column(budget, "pruned")].text == str((own["status"] == "pruned").sum())
        assert row[_column(budget, "failed")].text == str((own["status"] == "failed").sum())


def test_scores_and_settings_are_medians_with_ranges_over_the_searches(
    results: Results, made: dict[str, Table]
) -> None:
    finals = results.finals.groupby(["condition", "repeat"])
    scores, rates = finals["score"].mean(), finals["learning_rate"].first()
    for name, head, values in (("tuning", "final", scores), ("settings", "Learning rate", rates)):
        sheet = made[name]
        for row in sheet.rows:
            cell, own = row[_column(sheet, head)], values[row[0].text].to_numpy(dtype=np.float64)
            assert len(own) == 9
            assert float(cell.text) == pytest.approx(float(np.median(own)), rel=0.006)
            low, high = cell.note.split("; ")[0].split(" to ")
            assert (float(low), float(high)) == pytest.approx((own.min(), own.max()), rel=0.006)


def test_a_value_at_an_end_is_marked_beside_its_own_search(results: Results) -> None:
    """Also where it is not the first search of its condition."""
    seeds = results.tables["seeds"]
    there = (seeds["condition"] == "Hom") & (seeds["repeat"] == 4) & (seeds["stage"] == "final")
    inside = seeds["learning_rate"].clip(2e-4, 5e-3)
    moved = seeds.assign(**{n: 1.0 for n in seeds.columns if n.endswith("_spread")})
    moved["learning_rate"] = inside.mask(there, 1e-4)
    changed = replace(results, tables={**results.tables, "seeds": moved})
    assessed = assess(changed)
    found = report_warnings(assessed)
    (warning,) = [c for c in found if c.code == "at-a-bound"]
    assert "Hom (learning rate in 1 of 9 searches)" in warning.text
    assert "RNN" not in warning.text
    by_name = {s.name: s for s in sheets.tuning_sheets(changed, assessed.tunings, found)}
    marked = [(r[0].text, r[0].note) for r in by_name["settings_searches"].rows if "at-a-bound" in r[0].codes]
    assert marked == [("Hom", "repeat 4")]
    assert [r[0].text for r in by_name["settings"].rows if "at-a-bound" in r[0].codes] == ["Hom"]
    hom = by_name["settings"].rows[1][_column(by_name["settings"], "Learning rate")]
    assert hom.note.endswith("; 1 at the lower end")


def test_gaps_that_cannot_be_compared_are_counted(results: Results) -> None:
    seeds = results.tables["seeds"]
    lost = (seeds["stage"] != "final") & (seeds["condition"] == "RNN") & (seeds["repeat"] == 2)
    without = replace(results, tables={**results.tables, "seeds": seeds[~lost]})
    sheet = sheets.tuning_sheets(without, tunings(without), [])[0]
    rnn, hom, _ = (row[_column(sheet, "final − chosen")] for row in sheet.rows)
    assert rnn.note.endswith("; of 8 of 9 searches")
    gaps = [t.optimism.gap for t in tunings(results) if t.condition == "Hom"]
    assert hom.text == significant(float(np.median(gaps)), 2, sign=True)
    assert hom.note.endswith("; confirm, 8 epochs")


def test_importance_looks_at_trials_of_every_search(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more than are looked at, not those of the first searches."""
    looked: list[np.ndarray] = []

    def shares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        looked.append(np.exp(y))
        return np.ones(x.shape[1])

    monkeypatch.setattr("analysis.statistics.importance._MOST", FEWEST + 2)
    monkeypatch.setattr("analysis.statistics.importance._shares", shares)
    trials, spaces = results.tables["trials"], {c.name: c.space for c in results.info.conditions}
    importances(trials, spaces)
    search = trials[trials["stage"] == "search"]
    assert len(looked) == 3
    for condition, values in zip(spaces, looked, strict=True):
        own = search[search["condition"] == condition]
        used = own[[bool(np.isclose(value, values).any()) for value in own["value"]]]
        assert FEWEST <= len(values) <= FEWEST + 2
        assert used["repeat"].nunique() >= 7


def test_figures_of_the_search_show_every_repeat(a: Assessment) -> None:
    with house_style():
        for name in ("search_results", "search_slices", "best_so_far", "parallel_coordinates"):
            drawn = FIGURES[name](a)
            assert isinstance(drawn, Drawing), name
            assert set(drawn.data["repeat"]) == set(range(9)), name


def test_words_of_a_study_with_repeats_name_repeats(a: Assessment, tmp_path: Path) -> None:
    """No count of seeds where repeats are what is counted; networks vary by their search too."""
    few = assess(load(write_study(tmp_path / "few", STUDY.with_(seeds=8, repeats=4))))
    text = " ".join(warning.text for warning in (*report_warnings(a), *report_warnings(few)))
    assert "repeats could" in text
    assert not re.search(r"\d seeds could|20 are advised", text)
    with house_style():
        captions = {name: draw(a) for name, draw in FIGURES.items()}
    for name in ("learning_curves", "performance_profile"):
        drawn = captions[name]
        assert isinstance(drawn, Drawing)
        assert "what varied is the seed and, between repeats, the search" in drawn.caption
    page = make_report(a.results.layout.root, {"html"}, out=tmp_path / "made").report.read_text()
    settings = re.search(r"<th scope=\"row\" class=\"name\">learning rate.*?</tr>", page, re.DOTALL)
    assert settings is not None
    assert settings.group().count(";") < 4, "a range per condition, not every search's own"


def test_unequal_numbers_of_many_searches_name_the_exceptions(results: Results) -> None:
    trials = results.tables["trials"]
    gone = (trials["stage"] == "confirm") & (trials["condition"] == "Hom") & (trials["repeat"] == 3)
    first = gone & (trials["number"] == trials.loc[gone, "number"].min())
    fair = trials.assign(status=trials["status"].replace({"failed": "complete"}))
    changed = replace(results, tables={**results.tables, "trials": fair[~first]})
    (found,) = [words for words in unequal_budgets(changed, tunings(changed)) if words.startswith("confirm runs")]
    assert re.fullmatch(r"confirm runs: 1 for .*Hom@3, 2 for the others", found)


# -- one search --------------------------------------------------------------------------------------------------------

WITH_INTERVALS = {"conditions", "factorial", "contrasts", "pairs", "silencing", "settings", "published"}


def _coded(a: Assessment, found: list[ReportWarning]) -> dict[str, list[bool]]:
    """Of each table, which of its rows with a number carry the code."""
    return {
        sheet.name: ["one-search" in row[0].codes for row in sheet.rows if row[0].text]
        for sheet in all_sheets(a, found)
        if sheet.name in WITH_INTERVALS
    }


def test_one_search_stands_beside_every_row_that_is_conditional_on_it(tmp_path: Path) -> None:
    cells = ("RNN", "Hom", "HomA", "LHet", "LHetA")
    once = assess(load(write_study(tmp_path / "s", ONCE.with_(conditions=cells))))
    coded = _coded(once, report_warnings(once))
    assert set(coded) == WITH_INTERVALS
    assert all(all(rows) and rows for rows in coded.values()), coded


def test_with_repeats_no_row_has_it(a: Assessment) -> None:
    coded = _coded(a, report_warnings(a))
    assert {"conditions", "contrasts", "settings"} <= set(coded)
    assert not any(any(rows) for rows in coded.values())
