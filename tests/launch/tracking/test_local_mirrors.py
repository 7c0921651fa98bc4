"""Mirrors without an account, read back by their own libraries after a study: complete, and never able to fail it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from outside_code import METRIC, SLOPE, plan_of, write_study
from paths import ROOT
from small_study import ONE_CONDITION, conduct, small_plan

from glifr.errors import InputError
from glifr.records import STAGES, Layout, UnitRecords, read_sealed, scan
from launch.ledger.units import Ledger
from launch.tracking import local, rows, sync
from launch.tracking.back_fill import Outcome, key_of, synchronise
from launch.tracking.mlflow_run import store_of
from launch.tracking.queue import settle
from launch.tracking.rows import Computation
from launch.tracking.tensorboard_run import folder_of
from launch.tracking.tracker import JobMirror

SECONDS = 60.0


class Told:
    """What a mirror has of a unit. rows: epoch -> name -> value. final: the last of the others. drawn: histograms."""

    def __init__(
        self, config: Mapping[str, Any], scalars: Mapping[str, list[tuple[int, float]]], drawn: Mapping[str, float]
    ) -> None:
        self.config, self.drawn, self.rows, self.final = config, drawn, {}, {}
        for name, values in scalars.items():
            if name.startswith(("train_", "validation_")) or name == "diverged_seeds":
                for step, value in values:
                    self.rows.setdefault(step, {})[name] = value
            else:
                self.final[name] = values[-1][1]


# the command of the second argument and those after it, killed when it has written its second run's epochs
KILLED = """
import os, signal, sys
from launch.tracking import local, sync
written = []
def epochs(self, records, write=local.LOCAL[sys.argv[1]].run.epochs):
    write(self, records)
    written.append(records)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
local.LOCAL[sys.argv[1]].run.epochs = epochs
sync.main(sys.argv[2:])
"""


def trained(root: Path) -> list[UnitRecords]:
    return [unit for unit in scan(root).units if unit.unit.stage != "silencing"]


def synchronised(root: Path, key: str) -> Outcome:
    records = scan(root)
    return synchronise(records, local.LOCAL[key].runs(records.layout, rows.tracked(records.study)))


class MirrorContract:
    """Every trained unit is there with each row, the final numbers, its configuration and its histograms.

    The study has a metric of its own, which is in the rows as all else.
    """

    key: str
    package: str

    def read(self, layout: Layout, unit: UnitRecords) -> Told:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def study(self, tmp_path_factory: pytest.TempPathFactory) -> Layout:
        pytest.importorskip(self.package)
        folder = tmp_path_factory.mktemp(self.key)
        plan = plan_of(write_study(folder, SLOPE + METRIC), f"tracking.{self.key}=true")
        assert conduct(plan, folder / "results").complete
        settle(Layout(folder / "results"), SECONDS)
        return Layout(folder / "results")

    @pytest.fixture
    def unmirrored(self, study: Layout, tmp_path: Path) -> Path:
        """The study's results, of which the mirror has nothing."""
        return shutil.copytree(study.root, tmp_path / "results", ignore=shutil.ignore_patterns(self.key))

    def test_it_is_complete(self, study: Layout) -> None:
        self.is_complete(study)
        assert "validation_brier" in self.read(study, trained(study.root)[-1]).rows[1]
        outcome = synchronised(study.root, self.key)
        assert (outcome.kept, outcome.written, outcome.removed) == (len(trained(study.root)), (), ())

    def is_complete(self, study: Layout) -> None:
        tracked = rows.tracked(read_sealed(study.study))
        units = trained(study.root)
        assert {unit.unit.stage for unit in units} == {"search", "confirm", "final"}
        for unit in units:
            told = self.read(study, unit)
            assert unit.result is not None
            wanted = rows.epoch_rows(unit.unit, unit.epochs)
            assert sorted(told.rows) == [row["epoch"] for row in wanted]
            for row in wanted:
                expected = {name: value for name, value in row.items() if name != "epoch"}
                assert told.rows[row["epoch"]] == pytest.approx(expected, rel=1e-6)
            final = rows.summary(unit.unit, unit.result.seeds)
            assert {**final, **told.final} == pytest.approx(final, rel=1e-6)
            config = rows.config(tracked, Computation(), unit.proposal)
            assert set(config) <= set(told.config)
            assert told.config["learning_rate"] == config["learning_rate"]
            drawn = rows.histograms(study, unit.proposal, unit.result.seeds)
            assert told.drawn == pytest.approx({name: sum(h.counts) for name, h in drawn.items()})
            assert bool(drawn) == ((unit.unit.stage, unit.unit.condition) == ("final", "LHetA"))

    def test_what_it_lacks_is_written_also_when_that_was_killed(self, unmirrored: Path) -> None:
        command = [sys.executable, "-c", KILLED, self.key, "sync", str(unmirrored), "--mirror", self.key]
        assert subprocess.run(command, cwd=ROOT, timeout=SECONDS).returncode == -signal.SIGKILL
        outcome = synchronised(unmirrored, self.key)
        assert (outcome.kept, outcome.different) == (1, ())
        assert len(outcome.written) == len(trained(unmirrored)) - 1
        self.is_complete(Layout(unmirrored))
        assert synchronised(unmirrored, self.key).written == ()

    def test_what_is_there_in_part_or_twice_or_of_a_replaced_attempt_is_mended(
        self, unmirrored: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records = scan(unmirrored)
        layout, tracked = records.layout, rows.tracked(records.study)
        early, late, final = (
            next(u for u in trained(unmirrored) if (u.unit.stage, u.unit.condition) == (stage, "LHetA"))
            for stage in STAGES[:3]
        )

        def write(unit: UnitRecords, token: str | None = None) -> None:
            assert unit.result is not None
            run = local.LOCAL[self.key].run(layout, tracked, Computation(), unit.proposal, token or unit.result.attempt)
            run.epochs(unit.epochs)
            run.outcomes(unit.result.seeds)
            run.finish(0)

        synchronised(unmirrored, self.key)
        write(early)
        layout.attempt(late.unit, "0000-0000beef").mkdir()
        write(late, "0000-0000beef")
        runs = local.LOCAL[self.key].runs(layout, tracked)
        assert final.result is not None
        runs.standing()
        runs.make_room(key_of(rows.run_id("", final.unit, final.result.attempt)))
        with monkeypatch.context() as patched:
            patched.setattr(rows, "histograms", lambda *_: {})
            write(final)
        outcome = synchronised(unmirrored, self.key)
        assert set(outcome.written) == {str(early.unit), str(final.unit)}
        assert [key.rpartition("-")[2] for key in outcome.removed] == ["0000beef"]
        assert outcome.different == ()
        self.is_complete(layout)

    def test_the_command_does_it_unless_the_study_has_no_such_mirror(
        self, unmirrored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = local.LOCAL[self.key].name
        assert sync.main(["sync", str(unmirrored)]) == sync.EQUAL
        told = capsys.readouterr().out
        assert told.startswith(f"{name} in ")
        assert "every epoch of every unit is there once" in told
        assert not (unmirrored / "wandb").exists()  # it is disabled in this study
        assert sync.main(["sync", str(unmirrored), "--mirror", self.key, "--mode", "offline"]) == sync.REFUSED
        assert "--mode is of W&B alone" in capsys.readouterr().err
        (other,) = local.LOCAL.keys() - {self.key}
        assert sync.main(["sync", str(unmirrored), "--mirror", other]) == sync.REFUSED
        assert f"has no {local.LOCAL[other].name} mirror" in capsys.readouterr().err
        monkeypatch.setitem(local.LOCAL, self.key, local.LOCAL[self.key]._replace(package="not_there"))
        assert sync.main(["sync", str(unmirrored)]) == sync.REFUSED
        assert f"{name} is not installed" in capsys.readouterr().err

    def test_one_that_fails_costs_the_study_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> Any:
            raise OSError("no room")

        monkeypatch.setitem(local.LOCAL, self.key, local.LOCAL[self.key]._replace(run=broken))
        plan = small_plan(tmp_path, f"tracking.{self.key}=true", text=ONE_CONDITION)
        assert conduct(plan, tmp_path / "results").complete
        settle(Layout(tmp_path / "results"), SECONDS)
        told = [event["message"] for event in Ledger(tmp_path / "results").events()]
        named = [line for line in told if f"{local.LOCAL[self.key].name} failed (OSError: no room)" in line]
        assert 1 <= len(named) <= 3  # after two in a session nothing is told; one may be on its way

    def test_one_that_is_not_installed_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(local.LOCAL, self.key, local.LOCAL[self.key]._replace(package="not_there"))
        spec = small_plan(tmp_path, f"tracking.{self.key}=true", text=ONE_CONDITION).study.spec
        with pytest.raises(InputError, match=rf"is not installed(.|\n)*tracking.{self.key}(.|\n)*\[{self.key}\]"):
            local.refuse_missing(spec, "own.yaml")
        local.refuse_missing(small_plan(tmp_path, text=ONE_CONDITION).study.spec, "own.yaml")

    def test_it_is_left_out_of_the_record_where_it_is_not_asked_for(self, tmp_path: Path) -> None:
        assert self.key not in json.dumps(small_plan(tmp_path, text=ONE_CONDITION).study.resolved["tracking"])


class TestTensorBoard(MirrorContract):
    key, package = "tensorboard", "tensorboard"

    def read(self, layout: Layout, unit: UnitRecords) -> Told:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        assert unit.result is not None
        folder = folder_of(layout, unit.proposal, unit.result.attempt)
        events = EventAccumulator(str(folder), {"scalars": 0, "histograms": 0, "tensors": 0})
        events.Reload()
        (text,) = (events.Tensors(tag) for tag in events.Tags()["tensors"])
        table = text[0].tensor_proto.string_val[0].decode().splitlines()[2:]
        cells = (line.strip("| ").split(" | ", 1) for line in table)
        scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        drawn = {tag: events.Histograms(tag)[0].histogram_value.num for tag in events.Tags()["histograms"]}
        return Told({name: json.loads(value) for name, value in cells}, scalars, drawn)


class TestMLflow(MirrorContract):
    key, package = "mlflow", "mlflow"

    def read(self, layout: Layout, unit: UnitRecords) -> Told:
        from mlflow import MlflowClient

        assert unit.result is not None
        client = MlflowClient(tracking_uri=store_of(layout))
        (experiment,) = (e for e in client.search_experiments() if e.name.startswith("outside"))
        (run,) = client.search_runs([experiment.experiment_id], f"tags.attempt = '{unit.result.attempt}'")
        assert (run.info.status, run.data.tags["group"]) == ("FINISHED", unit.unit.condition)
        history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        scalars = {name: [(m.step, m.value) for m in values] for name, values in history.items()}
        drawn = {}
        for file in client.list_artifacts(run.info.run_id):
            found = json.loads(Path(client.download_artifacts(run.info.run_id, file.path)).read_text())
            drawn = {name: sum(own["counts"]) for name, own in found.items()}
        return Told({name: json.loads(value) for name, value in run.data.params.items()}, scalars, drawn)


del MirrorContract  # what it holds is asked of each mirror


def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hanging(*_: object) -> list[JobMirror]:
        return [JobMirror("TensorBoard", lambda proposal, token: release.wait(30) and None)]  # type: ignore[arg-type,return-value]

    monkeypatch.setattr("launch.workers.trial.local_mirrors", hanging)
    monkeypatch.setattr("launch.executors.in_process.START_SECONDS", 0.1)
    monkeypatch.setattr("launch.executors.in_process.FINISH_SECONDS", 0.0)
    assert conduct(small_plan(tmp_path, text=ONE_CONDITION), tmp_path / "results").complete
    told = [event["message"] for event in Ledger(tmp_path / "results").events()]
    release.set()
    assert any("TensorBoard failed (not sent 0.1 s after the end)" in line for line in told)
