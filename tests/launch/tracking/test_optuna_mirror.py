"""The Optuna mirror: made from the ledger alone, read back by Optuna."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from records_factory import Synthetic, write_study

from glifr.records import Layout, scan
from launch.tracking.optuna_mirror import DONE, REFUSED, main, mirror

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_study(
        tmp_path / "results", Synthetic(conditions=("RNN", "LHetA"), seeds=2, trials=14, failed_share=0.2)
    )


def studies(path: Path) -> dict[str, optuna.Study]:
    storage = f"sqlite:///{path}"
    return {name: optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)}


def test_every_trial_is_there_with_its_parameters_curve_and_value(root: Path) -> None:
    found = studies(mirror(scan(root)))
    assert sorted(found) == ["synthetic LHetA", "synthetic RNN"]
    units = [u for u in scan(root).units if u.unit.stage == "search"]
    assert sum(len(study.trials) for study in found.values()) == len(units) == 28
    for unit in units:
        trial = found[f"synthetic {unit.unit.condition}"].trials[unit.unit.number]
        assert trial.user_attrs["unit"] == str(unit.unit)
        assert trial.params == unit.proposal.hyperparameters
        assert trial.state == (STATES[unit.result.status] if unit.result else TrialState.FAIL)
        assert sorted(trial.intermediate_values) == sorted({e.epoch for e in unit.epochs})
        if unit.result and unit.result.status == "complete":
            assert trial.value == unit.result.value
            assert trial.intermediate_values[8] == pytest.approx(unit.result.value)


def test_the_chosen_trial_is_marked(root: Path) -> None:
    finals = {u.proposal.source for u in scan(root).units if u.unit.stage == "final"}
    for name, study in studies(mirror(scan(root))).items():
        (chosen,) = [t.number for t in study.trials if t.user_attrs["chosen"]]
        assert f"confirm/{name.split()[1]}/{chosen}" in finals


def test_it_is_made_anew_and_follows_the_ledger(root: Path) -> None:
    first = mirror(scan(root))
    unit = next(u for u in scan(root).units if u.unit.stage == "search" and u.result)
    Layout(root).result(unit.unit).unlink()
    Layout(root).lock.write_text("{}")  # a driver is at work
    study = studies(mirror(scan(root)))[f"synthetic {unit.unit.condition}"]
    assert study.trials[unit.unit.number].state == TrialState.RUNNING
    assert len(study.trials) == 14
    assert sorted(p.name for p in root.glob("*optuna*")) == [first.name]


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(root)]) == DONE
    assert capsys.readouterr().out.strip() == str(root / "optuna.db")
    assert main([str(tmp_path)]) == REFUSED
