"""W&B, read back from its own offline files after a real study."""

from __future__ import annotations

import socket
import statistics
from collections import defaultdict
from pathlib import Path

import pytest
from small_study import NeverStop, StopAfter, conduct, new_conductor, small_plan

from glifr.conditions import CONDITIONS
from glifr.records import UnitId, scan
from launch import tracking
from launch.executors import RayExecutor, Resources
from launch.ledger import Ledger
from launch.tracking_files import OfflineRun, read_runs

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
    return {run.name: run for run in read_runs(study / "wandb").values()}


@pytest.mark.ray
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


@pytest.mark.ray
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
            assert row["validation_loss/max"] == max(values)
            assert ("validation_loss/sd" in row) == (len(values) > 1)
            for seed, value in losses.items():
                assert row[f"validation_loss/seed_{seed}"] == value


@pytest.mark.ray
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


@pytest.mark.ray
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
    runs = [run for run in read_runs(root / "wandb").values() if run.name == "search/RNN/0"]
    assert [len(run.history) for run in sorted(runs, key=lambda r: len(r.history))] == [1, 2]


def test_a_failing_mirror_never_touches_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("planted")

    monkeypatch.setattr(tracking.wandb, "init", unreachable)
    conductor = conduct(small_plan(tmp_path), tmp_path / "results", mode="offline")
    assert conductor.complete
    assert "W&B failed (ConnectionError: planted)" in (tmp_path / "results" / "events.jsonl").read_text()


def test_auto_is_online_only_where_the_machine_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(credentials))
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert tracking.decide_mode("auto") == "offline"
    credentials.write_text("machine wandb.example.org login user password secret\n")
    credentials.chmod(0o600)
    monkeypatch.setattr(tracking, "_server_answers", lambda: True)
    assert tracking.decide_mode("auto") == "online"
    assert tracking.decide_mode("offline") == "offline"
    assert tracking.decide_mode("disabled") == "disabled"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert tracking.decide_mode("auto") == "disabled"
    assert tracking.decide_mode("offline") == "offline"


def test_online_is_offline_where_no_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert tracking.decide_mode("online") == "online"
    assert tracking.decide_mode("online") == "offline"
