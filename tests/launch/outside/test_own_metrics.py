"""A task's own metrics: measured on test data, recorded, compared by, in tables, report and W&B rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from outside_code import METRIC, SLOPE, write_study
from small_study import StopAfter, conduct

from analysis import assess, load
from analysis.report.make import make_report
from analysis.results.tidy_tables import write_dictionary
from analysis.tables.measures import measures_sheet
from glifr.errors import InputError
from glifr.records import Layout, UnitId, UnitResult, read_epochs, read_sealed, scan
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
    columns = (Layout(root).tables / "columns.csv").read_text()
    assert "seeds,test_brier,number" in columns
    assert "epochs,validation_brier,number" in columns
    assert "epochs,test_brier" not in columns
    assert "seeds,validation_brier" not in columns


def test_each_epoch_has_it_on_validation_data(root: Path) -> None:
    units = [unit for unit in scan(root).units if unit.unit.stage != "silencing"]
    assert {unit.unit.stage for unit in units} == {"search", "confirm", "final"}
    table = load(root).tables["epochs"].set_index(["stage", "condition", "number", "seed", "epoch"])
    for unit in units:
        own = unit.unit
        for record in unit.epochs:
            value = record.validation_metrics["brier"]
            assert 0 < value < 1
            place = (own.stage, own.condition, own.number, record.seed, record.epoch)
            assert table.loc[place, "validation_brier"] == value
        told = [
            row.get("validation_brier", row.get("validation_brier/mean")) for row in rows.epoch_rows(own, unit.epochs)
        ]
        assert told == [record.validation_metrics["brier"] for record in unit.epochs]


def test_a_study_that_was_stopped_has_the_epochs_of_one_that_was_not(root: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert not conduct(plan, tmp_path / "results", StopAfter(5)).complete
    assert conduct(plan, tmp_path / "results").complete

    def series(folder: Path) -> dict[UnitId, list[Mapping[str, float]]]:
        return {unit.unit: [record.validation_metrics for record in unit.epochs] for unit in scan(folder).units}

    assert series(tmp_path / "results") == series(root)


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
    epochs = next(unit.parent.glob("attempts/*/epochs.jsonl"))
    assert "metrics" not in epochs.read_text()
    assert all(record.validation_metrics == {} for record in read_epochs(epochs).records)
    assert "metrics" not in read_sealed(tmp_path / "results" / "study.json")["task"]
    assert measures_sheet(load(tmp_path / "results")) is None
