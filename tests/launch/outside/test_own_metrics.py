"""A task's own metrics: measured on test data, recorded, compared by, in tables, report and W&B rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from outside_code import METRIC, SLOPE, write_study
from small_study import conduct

from analysis import assess, load
from analysis.report.make import make_report
from analysis.results.tidy_tables import write_dictionary
from analysis.tables.measures import measures_sheet
from glifr.errors import InputError
from glifr.records import Layout, UnitId, UnitResult, read_sealed
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import load_study
from launch.tracking import rows


def plan_of(folder: Path, *overrides: str, code: str = SLOPE + METRIC) -> StudyPlan:
    study = load_study(write_study(folder, code), overrides=overrides)
    task = study.spec.task
    return make_plan(study, task.definition.fingerprint(task.settings()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics")
    assert conduct(plan_of(folder), folder / "results").complete
    return folder / "results"


def test_it_is_recorded_and_in_the_tables(root: Path) -> None:
    results = load(root)
    assert results.info.task.metrics == ({"name": "brier", "better": "lower", "chance": 0.25, "smallest_effect": 0.01},)
    final = results.tables["seeds"].query("stage == 'final'")
    assert final["test_brier"].between(0, 1).all()
    assert results.tables["seeds"].query("stage == 'search'")["test_brier"].isna().all()
    silenced = results.tables["silencing"]
    assert silenced["test_brier"].notna().all()
    intact = silenced.query("fraction == 0").set_index(["condition", "seed"])["test_brier"]
    whole = final.set_index(["condition", "seed"])["test_brier"]
    assert intact.to_dict() == pytest.approx(whole.to_dict(), rel=1e-6)
    write_dictionary(Layout(root), results.tables)
    assert "seeds,test_brier,number" in (Layout(root).tables / "columns.csv").read_text()


def test_networks_are_compared_by_it(root: Path) -> None:
    results = load(root)
    assert results.info.measure.column == "test_brier"
    assert results.info.declaration.smallest_effect == 0.01
    assert [judged.contrast.name for judged in assess(results).planned] == ["RNN \N{MINUS SIGN} LHetA"]
    sheet = measures_sheet(results)
    assert sheet is not None
    assert [(row[0].text, row[1].text) for row in sheet.rows] == [
        ("RNN", "test accuracy (%)"), ("RNN", "test loss"), ("LHetA", "test accuracy (%)"), ("LHetA", "test loss")
    ]  # fmt: skip
    make_report(root)
    page = (root / "report.html").read_text()
    assert "Further measures" in page
    assert "test brier" in page


def test_it_is_in_the_rows_that_are_tracked(root: Path) -> None:
    records = load(root)
    unit = next(root.glob("units/final/RNN/*/result.json"))
    value = read_sealed(unit)["seeds"][0]["test_metrics"]["brier"]
    seed = int(unit.parent.name)
    own = records.tables["seeds"].query("stage == 'final' and condition == 'RNN' and seed == @seed")
    assert own["test_brier"].tolist() == [value]
    result = UnitResult.from_json(read_sealed(unit))
    assert rows.summary(UnitId("final", "RNN", seed), result.seeds)["test_brier"] == value


@pytest.mark.program
def test_a_study_may_choose_among_the_measures(tmp_path: Path) -> None:
    declared = plan_of(tmp_path, "analysis.primary=loss").study.spec.declaration()
    assert declared.primary == "loss"
    with pytest.raises(InputError, match=r"has no measure 'briar'(.|\n)*one of accuracy, loss, brier(.|\n)*'brier'"):
        plan_of(tmp_path, "analysis.primary=briar")


def test_a_task_without_any_records_what_it_did_before(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, code=SLOPE)
    assert conduct(plan, tmp_path / "results").complete
    unit = next((tmp_path / "results").glob("units/final/RNN/*/result.json"))
    assert "test_metrics" not in unit.read_text()
    assert "metrics" not in read_sealed(tmp_path / "results" / "study.json")["task"]
    assert measures_sheet(load(tmp_path / "results")) is None
