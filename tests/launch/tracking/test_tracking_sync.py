"""The back-fill: after a kill W&B lacks rows; afterwards each unit, seed and epoch of the ledger is there once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from paths import SUPPORT
from small_study import STUDY, StopAfter, conduct, small_plan

from analysis import load, make_report
from glifr.records import Layout, Look, UnitRecords, read_characteristics, scan
from launch.tracking import sync as tracking_sync
from launch.tracking import wandb_run as tracking
from launch.tracking.back_fill import synchronise
from launch.tracking.offline_files import OfflineRun, read_run, read_runs
from launch.tracking.queue import settle
from launch.tracking.rows import histograms, look_rows
from launch.tracking.wandb_runs import OfflineFiles, Server

# with one condition, and nothing to compile
ONE = STUDY.replace("  RNN:   {delay: one_step}\n  LSTM:  {delay: none}\n", "")
ONE = ONE.replace("batch_size: 300}", "batch_size: 300, backend: torch}")
_TO_BE_KILLED = """
import sys
from pathlib import Path
from small_study import conduct, small_plan
root = Path(sys.argv[1])
conduct(small_plan(root.parent, "training.epochs=6", "search.epochs=6", text=sys.argv[2]), root, mode="offline")
"""


def trained(root: Path) -> list[UnitRecords]:
    return [u for u in scan(root).units if u.unit.stage != "silencing" and u.epochs]


def told(runs: list[OfflineRun]) -> Counter[tuple[str, int, int]]:
    """How often each (unit, seed, epoch) is in the files; a run of one seed has it unnamed."""
    found: Counter[tuple[str, int, int]] = Counter()
    for run in runs:
        for row in (row for row in run.history if "epoch" in row):
            seeds = [int(key.rpartition("_")[2]) for key in row if key.startswith("train_loss/seed_")]
            found.update((run.config["unit"], seed, row["epoch"]) for seed in (seeds or run.config["seeds"]))
    return found


def on_record(root: Path) -> Counter[tuple[str, int, int]]:
    return Counter((str(u.unit), e.seed, e.epoch) for u in trained(root) for e in u.epochs)


def unit_runs(root: Path) -> list[OfflineRun]:
    """Runs of units; of one that was killed early W&B has written nothing, not even its name."""
    return [run for run in read_runs(root / "wandb").values() if run.name and run.job_type != "report"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose process was killed while it trained its second unit or a later one."""
    root = tmp_path_factory.mktemp("killed") / "results"
    # else it would share the W&B service of this process, if there is one, which would outlive it
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    command = [sys.executable, "-c", _TO_BE_KILLED, str(root), ONE]
    process = subprocess.Popen(command, cwd=SUPPORT, env=own)
    until = time.monotonic() + 250  # only a hang takes that long
    while time.monotonic() < until and process.poll() is None:
        if len(list(root.glob("units/search/*/*/attempts/*/epochs.jsonl"))) > 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    # W&B's service outlives it for a moment, and may still write
    while subprocess.run(["pgrep", "-f", "--", f"--pid {process.pid}( |$)"], capture_output=True).returncode == 0:
        time.sleep(0.1)
    return root


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(killed, tmp_path / "results")


@pytest.mark.program
def test_a_kill_loses_rows_and_the_back_fill_brings_them_back(folder: Path) -> None:
    assert told(unit_runs(folder)) != on_record(folder)
    outcome = synchronise(scan(folder), OfflineFiles(Layout(folder)))
    assert outcome.written
    assert outcome.different == ()
    assert told(unit_runs(folder)) == on_record(folder)
    assert set(on_record(folder).values()) == {1}
    again = synchronise(scan(folder), OfflineFiles(Layout(folder)))
    assert (again.written, again.removed, again.kept) == ((), (), len(trained(folder)))


def test_the_run_of_a_replaced_attempt_is_removed(folder: Path) -> None:
    """Synchronised, continued, synchronised: the attempt that was cut short gives way to the one with the result."""
    synchronise(scan(folder), OfflineFiles(Layout(folder)))
    conduct(
        small_plan(folder.parent, "training.epochs=6", "search.epochs=6", text=ONE), folder, StopAfter(40), "offline"
    )
    twice = [u for u in trained(folder) if u.attempts > 1]
    assert twice
    assert max(told(unit_runs(folder)).values()) > 1
    outcome = synchronise(scan(folder), OfflineFiles(Layout(folder)))
    assert len(outcome.removed) == len(twice)
    assert told(unit_runs(folder)) == on_record(folder)


def test_a_filled_run_equals_the_one_that_was_fed_while_training(tmp_path: Path) -> None:
    root = tmp_path / "results"
    conduct(small_plan(tmp_path, text=ONE), root, mode="offline")
    before = {run.name: run for run in unit_runs(root)}
    shutil.rmtree(root / "wandb")
    assert tracking_sync.main(["sync", str(root), "--mode", "offline"]) == tracking_sync.EQUAL
    after = {run.name: run for run in unit_runs(root)}
    assert after.keys() == before.keys()
    for name, run in after.items():
        assert [_plain(row) for row in run.history] == [_plain(row) for row in before[name].history]
        assert _plain(run.summary) == _plain(before[name].summary)
        assert (run.group, run.job_type, run.tags) == (
            before[name].group,
            before[name].job_type,
            before[name].tags,
        )
        assert {k: v for k, v in run.config.items() if k != "_wandb"} == {
            k: v for k, v in before[name].config.items() if k != "_wandb"
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without what W&B adds of its own."""
    return {key: value for key, value in row.items() if not key.startswith("_")}


def test_parameters_are_histograms_of_as_many_neurons(tmp_path: Path) -> None:
    root = tmp_path / "results"
    conduct(small_plan(tmp_path, text=ONE), root, mode="offline")
    (final, *_) = [u for u in trained(root) if u.unit.stage == "final"]
    assert final.result is not None
    wanted = histograms(Layout(root), final.proposal, final.result.seeds)
    (outcome,) = final.result.seeds
    assert outcome.characteristics is not None
    thresh = read_characteristics(Layout(root), outcome.characteristics).end["thresh"]
    told = wanted["parameters/thresh_0/end"]
    assert list(told.counts) == [
        sum((low <= v) & ((v < high) | (high == told.edges[-1])) for v in thresh.astype(float))
        for low, high in pairwise(told.edges)
    ]
    (without,) = (replace(outcome, characteristics=None),)  # in folders of earlier versions: from quantiles
    assert histograms(Layout(root), final.proposal, [without]).keys() == wanted.keys()
    assert {"parameters/thresh_0/start", "parameters/k_j_1/end"} <= wanted.keys()
    for histogram in wanted.values():
        assert sum(histogram.counts) == pytest.approx(final.proposal.hidden_size)
        assert list(histogram.edges) == sorted(set(histogram.edges))
        assert len(histogram.edges) == len(histogram.counts) + 1
    run = next(run for run in unit_runs(root) if run.config["unit"] == str(final.unit))
    row = next(row for row in run.history if "parameters/thresh_0/end/values" in row)
    assert "epoch" not in row
    assert row["parameters/thresh_0/end/values"] == pytest.approx(wanted["parameters/thresh_0/end"].counts)


def test_the_studys_own_run_has_silencing_curves_report_and_tables(tmp_path: Path) -> None:
    root = tmp_path / "results"
    conduct(small_plan(tmp_path, text=ONE), root)
    make_report(root)
    assert tracking_sync.main(["sync", str(root), "--mode", "offline"]) == tracking_sync.EQUAL
    (run,) = [run for run in read_runs(root / "wandb").values() if run.job_type == "report"]
    assert [row["silenced_share"] for row in run.history] == [0.0, 0.5, 1.0]
    table = load(root).tables["silencing"]
    half = table[table["fraction"] == 0.5].groupby("seed")["test_accuracy"].mean().mean()
    assert run.history[1]["silencing/LHetA"] == pytest.approx(half)
    assert [name.rpartition("-")[2] for name in run.artifacts] == ["report", "tables"]


def test_the_rows_of_looks_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    root = tmp_path / "results"
    plan = small_plan(
        tmp_path, "search=null", "confirm=null", "conditions.LHetA.fixed={learning_rate: 0.003}", text=ONE
    )
    conduct(plan, root)
    make_report(root)
    looks = tuple(
        Look(number, 5 * number, "declared", "data", 0.99, 0.01, (), (), {"LHetA": 5 * (number + 1)})
        for number in (1, 2)
    )
    tracking.log_report(replace(scan(root), looks=looks), "offline")
    tracking.leave()  # W&B's service writes on until then
    (run,) = [run for run in read_runs(root / "wandb").values() if run.job_type == "report"]
    told = [{k: v for k, v in row.items() if not k.startswith("_")} for row in run.history if "look" in row]
    assert told == look_rows(looks)
    assert [row["looks/units"] for row in told] == [5, 10]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_what_a_sampler_proposed_is_read_back_as_it_was_tried(sampler: str, tmp_path: Path) -> None:
    root = tmp_path / "results"
    own = [f"search.sampler={{name: {sampler}}}", "search.trials=3", "search.epochs=1", "silencing=null"]
    conduct(small_plan(tmp_path, *own, text=ONE), root, mode="offline")
    settle(Layout(root), seconds=120)
    tried = {str(u.unit): u.proposal.hyperparameters for u in trained(root) if u.unit.stage == "search"}
    assert len(tried) == 3
    runs = {run.config["unit"]: run.config for run in read_runs(root / "wandb").values() if "unit" in run.config}
    for unit, values in tried.items():
        assert {name: runs[unit][name] for name in values} == pytest.approx(values)


def test_units_of_a_driver_at_work_are_left_alone(folder: Path) -> None:
    unfinished = [u for u in trained(folder) if u.result is None]
    assert unfinished
    Layout(folder).lock.write_text("{}")
    outcome = synchronise(scan(folder), OfflineFiles(Layout(folder)))
    assert outcome.left_out == len(unfinished)
    assert not {str(u.unit) for u in unfinished} & set(outcome.written)


def test_a_file_that_is_not_wandbs_is_written_again(folder: Path) -> None:
    synchronise(scan(folder), OfflineFiles(Layout(folder)))
    path = next(p for p in (folder / "wandb").glob("*run-*/run-*.wandb") if "unit" in read_run(p).config)
    name = read_run(path).config["unit"]
    path.write_bytes(b"something else")
    assert synchronise(scan(folder), OfflineFiles(Layout(folder))).written == (name,)


class _Project:
    """Stands in for W&B's server: what `wandb.init` and `wandb.Api` would reach."""

    def __init__(self) -> None:
        self.runs: dict[str, _Run] = {}

    def init(self, **given: Any) -> _Run:
        assert given["mode"] == "online"
        self.runs[given["id"]] = _Run(self, given["id"])
        return self.runs[given["id"]]


class _Run:
    def __init__(self, project: _Project, name: str) -> None:
        self._project, self.id = project, name
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}

    def define_metric(self, *_: object, **__: object) -> None: ...

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def finish(self, exit_code: int) -> None: ...

    def scan_history(self) -> list[dict[str, Any]]:
        return self.rows

    def delete(self) -> None:
        del self._project.runs[self.id]


class _Api:
    def __init__(self, project: _Project, study_hash: str) -> None:
        self._project, self.study_hash = project, study_hash

    def runs(self, path: str, filters: dict[str, Any]) -> list[_Run]:
        assert path == "glifr-studies"
        assert filters == {"config.study_hash": {"$in": [self.study_hash]}, "config.profile": "full"}
        return list(self._project.runs.values())


def test_the_server_is_verified_row_by_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _Project()
    monkeypatch.setattr(tracking.wandb, "init", project.init)
    records = scan(folder)
    server = Server(records, _Api(project, records.study["hash"]))
    units = {str(u.unit) for u in trained(folder)}
    assert set(synchronise(records, server).written) == units
    assert synchronise(records, server).written == ()
    first = next(iter(project.runs.values()))
    first.rows.pop()  # a row that did not arrive
    assert len(synchronise(records, server).written) == 1
    next(iter(project.runs.values())).rows[0]["train_loss/mean"] += 1e-3  # a number that is not the ledger's
    assert len(synchronise(records, server).written) == 1
    project.init(id="0-of-another-study", mode="online")
    assert synchronise(records, server).removed == ()
    assert "0-of-another-study" in project.runs


def test_what_is_no_results_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tracking_sync.main(["sync", str(tmp_path)]) == tracking_sync.REFUSED
    assert "not a results folder" in capsys.readouterr().err
