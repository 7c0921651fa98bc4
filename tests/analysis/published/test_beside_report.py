"""What the report says of a study beside the published runs: its settings, section, figure and exports."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from paths import ROOT
from published_study import SEVERAL, as_runs, beside, codes, known, repeated, shifted, with_values
from records_factory import ALL, Synthetic, write_study

import analysis
from analysis import Results, assess, figures, load, write_report
from analysis import tables as sheets
from analysis.judgement import findings
from analysis.published import words
from analysis.published.data import published_runs
from glifr.records import Layout, seal
from launch.planning.plan import make_plan
from launch.studyfile import load_study

STUDIES = ROOT / "studies"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Five conditions of line MNIST: the published settings, and the published runs as networks."""
    return repeated(tmp_path_factory.mktemp("line") / "s")


# settings


VARIED = ("published_annealing.yaml", "published_dropout.yaml")  # experiments of which no values are published


@pytest.mark.parametrize("name", sorted({p.name for p in STUDIES.glob("published_*.yaml")} - {*VARIED}))
def test_the_projects_own_studies_have_the_published_settings(name: str, tmp_path: Path) -> None:
    plan = make_plan(load_study(STUDIES / name), "f" * 64)
    Layout(tmp_path).study.write_bytes(seal(plan.summary()))
    found = beside(load(tmp_path))
    assert words.differing(found) == []
    assert [r.condition for r in found.rows] == list(plan.conditions)


def test_every_setting_of_a_repetition_is_the_published(tmp_path: Path) -> None:
    for task in sorted(set(published_runs()["task"])):
        names = tuple(n for n in ALL if n in known(task).conditions)
        found = beside(repeated(tmp_path / task, task, names))
        assert [s for own in found.settings.values() for s in own if not s.same] == []
        assert found.same == found.rows
        assert "only the seeds are others" in words.standing(found, True)


def _spec(results: Results, section: str, **changes: object) -> Results:
    spec = {**results.info.spec, section: {**results.info.section(section), **changes}}
    return replace(results, info=replace(results.info, spec=spec))


def _task(results: Results, **changes: object) -> Results:
    return replace(results, info=replace(results.info, task=replace(results.info.task, **changes)))  # type: ignore[arg-type]


def _lists(results: Results, **columns: float) -> Results:
    return replace(results, tables={**results.tables, "seeds": results.tables["seeds"].assign(**columns)})


def _first(results: Results, **changes: object) -> Results:
    first, *others = results.info.conditions
    conditions = (replace(first, **changes), *others)  # type: ignore[arg-type]
    return replace(results, info=replace(results.info, conditions=conditions))


OTHER = {
    "training data": lambda r: _task(r, train_on="train"),
    "test data": lambda r: _task(r, splits={**r.info.task.splits, "test": 500}),
    "passes over the training data": lambda r: _spec(r, "training", epochs=5),
    "batch size": lambda r: _spec(r, "training", batch_size=128),
    "Adam": lambda r: _spec(r, "training", adam={"beta1": 0.8, "beta2": 0.999, "epsilon": 1e-8}),
    "dropout in training": lambda r: _spec(r, "training", dropout=0.2),
    "task": lambda r: _spec(r, "task", noise=0.1),
    "learning rate": lambda r: _lists(r, learning_rate=2e-3),
    "initial spreads": lambda r: _lists(r, weight_spread=0.5),
    "neurons": lambda r: _first(r, hidden_size=200),
    "delay": lambda r: _first(r, delay_steps=20),
    "hyperparameters": lambda r: _first(r, planned={**r.info.conditions[0].planned, "search": 4}),
}


@pytest.mark.parametrize("name", OTHER)
def test_any_other_setting_is_named(name: str, line: Results) -> None:
    """Then a difference is no failure to reproduce: no finding and no warning of one."""
    changed = shifted(OTHER[name](line), {"RNN": -0.05})
    found = beside(changed)
    assert words.differing(found) == [name]
    assert "RNN" not in [r.condition for r in found.same]
    assert name in words.standing(found, True)
    assert codes(changed) == {"published-other-settings"}
    told = [f for f in findings.findings(assess(changed)) if f.row.startswith("row-published")]
    assert not [f for f in told if f.verdict.different]
    rows = {row[0].text: row for row in sheets.published_sheets(assess(changed), [])[1].rows}
    assert rows[name][1].text == ("not RNN" if name in ("neurons", "delay") else "no")
    assert rows["sequence"][1].text == "yes"


def test_a_heterogeneous_start_of_its_own_is_another_setting(line: Results) -> None:
    conditions = tuple(replace(c, features={**c.features, "start": "heterogeneous"}) if c.name == "RHetA" else c
                       for c in line.info.conditions)  # fmt: skip
    found = beside(replace(line, info=replace(line.info, conditions=conditions)))
    assert found.other_settings("RHetA") == ("start of neuron parameters",)
    assert [r.condition for r in found.same] == [n for n in SEVERAL if n != "RHetA"]
    assert "in RHetA: a difference there is not a failure" in words.standing(found, True)


def test_before_there_are_networks_the_study_file_tells_the_learning_rate(line: Results) -> None:
    seeds = line.tables["seeds"]
    results = replace(line, tables={**line.tables, "seeds": seeds[:0]})
    fixed = {name: {"fixed": {"learning_rate": 1e-3}} for name in line.info.names}
    assert beside(_spec(results, "conditions", **fixed)).same
    assert not beside(results).same


def test_a_searched_study_says_that_its_settings_are_others(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "s", Synthetic(("RNN", "LHetA"), seeds=6, trials=4, confirm=1, epochs=3)))
    found = beside(results)
    said = words.standing(found, True)
    assert "Other settings than the published runs" in said
    assert "hyperparameters" in said
    assert "in every condition" in said
    assert "published-other-settings" in codes(results)
    assert not [f for f in findings.findings(assess(results)) if "published" in f.row]


def test_a_quick_profile_is_no_evidence_for_or_against(line: Results) -> None:
    quick = shifted(replace(line, info=replace(line.info, evidence=False)), {"Hom": -0.05})
    assert words.standing(beside(quick), False).startswith("No evidence")
    assert codes(quick) == set()
    assert findings.findings(assess(quick)) == []


# the report


@pytest.mark.parametrize(("task", "conditions"), [("slope", ("Hom", "LHetA")), ("pixel_mnist", ("Hom", "HomA"))])
def test_without_published_values_there_is_no_section(task: str, conditions: tuple[str, ...], tmp_path: Path) -> None:
    study = Synthetic(conditions, conditions[0], seeds=3, trials=0, silencing=False, epochs=2, task=task)
    root = write_study(tmp_path / "s", study)
    made = analysis.make_report(root)
    html = made.report.read_text(encoding="utf-8")
    assert "ublished" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert not [p for p in (*made.figures, *made.latex) if "published" in p]
    assert pd.read_csv(root / "tables" / "published.csv").empty


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> analysis.ReportPaths:
    """Everything of a repetition in which one condition is off."""
    results = repeated(tmp_path_factory.mktemp("report") / "s", "line_mnist", ALL)
    return write_report(shifted(results, {"Hom": -0.02}))


def test_the_section_stands_in_the_report(report: analysis.ReportPaths) -> None:
    html = report.report.read_text(encoding="utf-8")
    for id_ in ("published", "table-published", "table-published_settings", "figure-published", "row-published-3"):
        assert f'id="{id_}"' in html
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
    assert "The 100 published runs of line-by-line MNIST (Winston et al., Neural Computation 35(4), 2023)" in text
    assert "8 of 10 conditions with the published settings are equivalent" in text
    assert "Hom (−2.00 points) differs from the published runs with the same settings" in text
    assert "With the published settings, but with the whole interval beyond the margin: Hom (−2.00 points)" in text
    assert "±0.341 points" in text
    assert "The margin would let pass" in text
    assert "no difference" not in text.lower()
    assert '<a href="#published">' in html


def test_the_exports_have_it(report: analysis.ReportPaths) -> None:
    root = report.report.parent
    table = pd.read_csv(root / "tables" / "published.csv").set_index("condition")
    assert table.loc["Hom", "verdict"] == "worse"
    assert table.loc["RNN", "published_mean"] == pytest.approx(0.97792)
    assert table.loc["RNN", "margin"] == pytest.approx(0.00341, rel=1e-3)
    assert table.loc["LSTM", "would_pass"] != table.loc["Hom", "would_pass"]
    assert list(table["published_n"]) == [10] * 10
    assert "latex/published.tex" in report.latex
    assert "latex/published_settings.tex" in report.latex
    assert "two one-sided Welch tests" in (root / "latex" / "methods.tex").read_text(encoding="utf-8")
    data = pd.read_csv(root / "figures" / "published.csv")
    assert data.groupby("of").size().to_dict() == {"published": 100, "this study": 100}
    files = json.loads((root / "manifest.json").read_text())["files"]
    assert {"tables/published.csv", "figures/published.svg", "latex/published.tex"} <= set(files)


def test_the_figure_of_a_loss_is_logarithmic_and_says_so(tmp_path: Path) -> None:
    with figures.house_style():
        drawn = figures.FIGURES["published"](assess(repeated(tmp_path / "s", "sine", ALL)))
    assert isinstance(drawn, figures.Drawing)
    assert drawn.figure.axes[0].get_xscale() == "log"
    assert "Logarithmic axis" in drawn.caption
    assert "±27.1 % of the published mean" in drawn.caption


def test_a_diverged_network_gets_a_panel_of_its_own(line: Results) -> None:
    seeds = line.tables["seeds"]
    lost = (seeds["condition"] == "Hom") & (seeds["seed"] == 3)
    seeds = seeds.assign(
        diverged=seeds["diverged"].mask(lost, True), test_accuracy=seeds["test_accuracy"].mask(lost, 0.1)
    )
    with figures.house_style():
        drawn = figures.FIGURES["published"](assess(replace(line, tables={**line.tables, "seeds": seeds})))
    assert isinstance(drawn, figures.Drawing)
    left, right = drawn.figure.axes
    assert left.get_xlim()[0] < 15 < 90 < right.get_xlim()[0]
    assert "1 of Hom" in drawn.caption


def test_without_a_finished_network_the_figure_says_so(line: Results) -> None:
    empty = replace(line, tables={**line.tables, "seeds": line.tables["seeds"][:0]})
    assert isinstance(figures.FIGURES["published"](assess(empty)), figures.MissingFigure)


def test_values_of_a_study_are_taken_by_the_published_measure(tmp_path: Path) -> None:
    """A study judged by its loss is still compared by accuracy, as the margin is one of accuracy."""
    results = repeated(tmp_path / "s", conditions=("RNN", "LHetA"))
    declared = replace(results.info.declaration, primary="loss", smallest_effect=0.02)
    found = beside(replace(results, info=replace(results.info, declaration=declared)))
    assert found.measure.column == "test_accuracy"
    assert {r.condition: r.verdict.word for r in found.rows} == {"RNN": "inconclusive", "LHetA": "equivalent"}


def test_values_that_a_study_lacks_are_not_made_up(line: Results) -> None:
    runs = as_runs("line_mnist")
    found = beside(with_values(line, runs[runs["condition"] != "Hom"]))
    (row,) = [r for r in found.rows if r.condition == "Hom"]
    assert row.ours.n == 0
    assert "Hom" not in found.order.ours
