"""A whole small study: both executors under one contract, what it publishes, resume, failures, early stopping."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_study import STUDY, TWO_PAY, NeverStop, StopAfter, conduct, new_conductor, published, small_plan

from glifr.records import UnitId, scan
from launch.executors.in_process import InProcessExecutor
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure
from launch.jobs import Job, Step
from launch.ledger.units import Ledger
from launch.planning.placement import Resources
from launch.scheduling import condition_run
from launch.scheduling.study_scheduler import StudyScheduler
from launch.workers import trial

Names = dict[UnitId, tuple[object, ...]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed") / "results"
    assert conduct(small_plan(root.parent), root).complete
    return root


@contextmanager
def executor(kind: str, root: Path) -> Iterator[InProcessExecutor | RayExecutor]:
    if kind == "in process":
        yield InProcessExecutor(root)
    else:
        with RayExecutor(root, "disabled", Resources(1, 0, 2), None) as ray_executor:
            yield ray_executor


EXECUTORS = [pytest.param("in process"), pytest.param("ray", marks=pytest.mark.program)]


class TestExecutorContract:
    """What a `Scheduler` may rely on, for every executor."""

    @pytest.mark.parametrize("kind", EXECUTORS)
    def test_a_study_completes_with_the_same_numbers(self, kind: str, tmp_path: Path, undisturbed: Path) -> None:
        root = tmp_path / "results"
        with executor(kind, root) as runs:
            conductor = new_conductor(small_plan(tmp_path), root)
            runs.run(conductor, NeverStop())
        assert conductor.complete
        assert published(root) == published(undisturbed)
        assert not (root / ".tune").exists()

    @pytest.mark.parametrize("kind", EXECUTORS)
    def test_every_job_is_handed_out_stepped_and_ended_once(self, kind: str, tmp_path: Path) -> None:
        root = tmp_path / "results"
        heard = Scripted(new_conductor(small_plan(tmp_path), root), stop_early="search/RNN/1")
        with executor(kind, root) as runs:
            runs.run(heard, NeverStop())
        assert len(heard.jobs) == len(set(heard.jobs)) == len(heard.ends)
        assert set(heard.jobs) == set(heard.ends)
        # stopped after its first epoch of two: it reports that epoch and no last step
        assert heard.epochs["search/RNN/1"] == [1]
        assert not heard.ends["search/RNN/1"].done
        assert heard.epochs["search/RNN/0"] == [1]
        assert heard.ends["search/RNN/0"].done

    @pytest.mark.parametrize("kind", EXECUTORS)
    def test_a_failure_inside_a_job_comes_back_typed(self, kind: str, tmp_path: Path) -> None:
        root = tmp_path / "results"
        new_conductor(small_plan(tmp_path), root)
        heard = OneJob(Job("search/RNN/77", (UnitId("search", "RNN", 77),)))
        with executor(kind, root) as runs:
            runs.run(heard, NeverStop())
        assert heard.end is not None
        assert heard.end.failure == Failure("bug", "FileNotFoundError: search/RNN/77 has no proposal")


class Scripted:
    """A conductor that is listened to, and that stops one trial early."""

    def __init__(self, inner: StudyScheduler, stop_early: str) -> None:
        self._inner, self._stop_early = inner, stop_early
        self.jobs: list[str] = []
        self.epochs: dict[str, list[int]] = {}
        self.ends: dict[str, Step] = {}

    @property
    def finished(self) -> bool:
        return self._inner.finished

    def next_job(self) -> Job | None:
        job = self._inner.next_job()
        if job is not None:
            self.jobs.append(job.key)
        return job

    def step(self, key: str, step: Step) -> bool:
        self.epochs.setdefault(key, []).extend(epoch for epoch, _ in step.scores.values())
        self._inner._running[key].stopped_early = key == self._stop_early
        return key == self._stop_early

    def ended(self, key: str, step: Step | None) -> None:
        assert step is not None
        self.ends[key] = step
        self._inner.ended(key, step)


@dataclass
class OneJob:
    """Hands out one job."""

    job: Job
    handed_out: bool = False
    end: Step | None = None

    @property
    def finished(self) -> bool:
        return self.end is not None

    def next_job(self) -> Job | None:
        if self.handed_out:
            return None
        self.handed_out = True
        return self.job

    def step(self, key: str, step: Step) -> bool:
        return False

    def ended(self, key: str, step: Step | None) -> None:
        self.end = step


def test_stages_follow_the_protocol(undisturbed: Path) -> None:
    ledger, plan = Ledger(undisturbed), small_plan(undisturbed.parent)
    for condition in plan.conditions:
        searched = [ledger.result(u) for u in ledger.units("search", condition)]
        ranked = sorted((r for r in searched if r), key=lambda r: (r.value or 0.0, r.unit.number))
        confirmed = [ledger.result(u) for u in ledger.units("confirm", condition)]
        assert {r.unit.number for r in confirmed if r} == {r.unit.number for r in ranked[:2]}
        winner = min((r for r in confirmed if r), key=lambda r: (r.value or 0.0, r.unit.number))
        for unit in ledger.units("final", condition):
            proposal, result = ledger.proposal(unit), ledger.result(unit)
            assert proposal is not None
            assert result is not None
            assert proposal.source == str(winner.unit)
            assert proposal.seeds == (unit.number,)
            assert result.seeds[0].test_loss is not None
            assert result.seeds[0].epochs == 2
    # tuning never reads the test set, and its seeds are not those of the final stage
    tuning = [
        r for c in plan.conditions for s in ("search", "confirm") for u in ledger.units(s, c) if (r := ledger.result(u))
    ]
    assert all(seed.test_loss is None for result in tuning for seed in result.seeds)
    assert not {s.seed for r in tuning for s in r.seeds} & set(plan.study.spec.final_seeds())


def test_conditions_share_seeds_and_silencing_starts_at_the_final_result(undisturbed: Path) -> None:
    ledger = Ledger(undisturbed)
    for condition in ("RNN", "LSTM", "LHetA"):
        assert [u.number for u in ledger.units("final", condition)] == [1, 2]
        for unit in ledger.units("silencing", condition):
            rows = ledger.result(unit).silencing  # type: ignore[union-attr]
            final = ledger.result(UnitId("final", condition, unit.number))
            assert [(r.fraction, r.mask) for r in rows] == [(0, 0), (0.5, 0), (0.5, 1), (1, 0)]
            assert rows[0].test_loss == pytest.approx(final.seeds[0].test_loss, rel=1e-6)  # type: ignore[union-attr]


def test_the_whole_folder_reads_back(undisturbed: Path) -> None:
    records = scan(undisturbed)
    assert not [p for p in records.problems if "provenance" not in p]
    assert len(records.units) == 3 * (3 + 2 + 2 + 2)
    for unit in records.units:
        if unit.unit.stage != "silencing":
            assert len(unit.epochs) == 2 * len(unit.proposal.seeds)


def test_stopped_anywhere_and_continued_it_is_the_same_study(tmp_path: Path, undisturbed: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path)
    for polls in (3, 7, 11, 19):
        assert not conduct(plan, root, StopAfter(polls)).complete
    conductor = conduct(plan, root)
    assert conductor.complete
    assert published(root) == published(undisturbed)
    attempts = [len(list(p.iterdir())) for p in (root / "units").glob("*/*/*/attempts")]
    assert max(attempts) > 1, "no unit was ever interrupted: the test shows nothing"


def test_a_finished_study_runs_nothing_again(tmp_path: Path, undisturbed: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in (undisturbed / "units").rglob("*"))
    assert conduct(small_plan(tmp_path), undisturbed).complete
    assert sorted((p, p.stat().st_mtime_ns) for p in (undisturbed / "units").rglob("*")) == before


def test_seeds_in_one_job_give_what_seeds_in_jobs_of_their_own_give(tmp_path: Path, undisturbed: Path) -> None:
    root = tmp_path / "results"
    conduct(small_plan(tmp_path), root, batches=TWO_PAY)
    assert published(root) == published(undisturbed)
    finals = [u for u in scan(root).units if u.unit.stage == "final"]
    assert {(u.proposal.seeds_per_batch, u.result.seeds_in_batch) for u in finals if u.result} == {(2, 2)}
    alone = [u for u in scan(undisturbed).units if u.unit.stage == "final"]
    assert {(u.proposal.seeds_per_batch, u.result.seeds_in_batch) for u in alone if u.result} == {(1, 1)}


def test_an_extended_study_runs_only_what_is_missing(tmp_path: Path) -> None:
    root = tmp_path / "results"
    text = STUDY.replace("  LSTM:  {delay: none}\n", "")
    conduct(small_plan(tmp_path, text=text), root)
    before = {p: p.stat().st_mtime_ns for p in (root / "units").rglob("result.json")}
    conductor = conduct(small_plan(tmp_path, "final.seeds=3"), root)
    assert conductor.complete
    after = {p: p.stat().st_mtime_ns for p in (root / "units").rglob("result.json")}
    assert before.items() <= after.items()
    # one seed with its silencing in two conditions, and the whole new condition
    assert len(after) - len(before) == 2 * 2 + (3 + 2 + 3 + 3)


def test_a_failing_unit_is_tried_again_then_given_up_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "results"
    real = trial.Training

    def broken(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if configuration.condition.name == "LSTM" and seeds == [2]:
            raise ArithmeticError("planted")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", broken)
    conductor = conduct(small_plan(tmp_path), root)
    assert not conductor.complete
    count = conductor.snapshot().counts["LSTM"]["final"]
    assert (count.complete, count.failed) == (1, 1)
    failures = Ledger(root).failures(UnitId("final", "LSTM", 2))
    assert failures == [Failure("bug", "ArithmeticError: planted")] * 2
    assert all(c["final"].complete == 2 for n, c in conductor.snapshot().counts.items() if n != "LSTM")

    monkeypatch.setattr(trial, "Training", real)
    assert conduct(small_plan(tmp_path), root).complete


def test_a_condition_whose_trials_all_fail_ends_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trial.Training

    def broken(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if configuration.condition.name == "LSTM":
            raise ArithmeticError("planted")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", broken)
    conductor = conduct(small_plan(tmp_path), tmp_path / "results")
    assert conductor.finished
    assert list(conductor.snapshot().errors) == ["LSTM"]
    assert conductor.snapshot().counts["LSTM"]["search"].failed == 3
    assert conductor.snapshot().counts["RNN"]["final"].complete == 2


def test_a_condition_that_always_diverges_is_scored_not_dropped(tmp_path: Path) -> None:
    root = tmp_path / "results"
    rnn = "    rnn: &space\n      learning_rate: {low: 1.0e-3, high: 3.0e-2, scale: log}\n"
    wild = "    rnn:\n      learning_rate: {low: 1.0e+36, high: 1.0e+37, scale: log}\n"
    calm = "    lstm:\n      learning_rate: {low: 1.0e-3, high: 3.0e-2, scale: log}\n"
    assert rnn in STUDY
    conductor = conduct(small_plan(tmp_path, text=STUDY.replace(rnn, wild).replace("    lstm: *space\n", calm)), root)
    assert conductor.complete
    ledger = Ledger(root)
    for stage in ("search", "confirm", "final"):
        for unit in ledger.units(stage, "RNN"):
            result = ledger.result(unit)
            assert result is not None
            assert all(seed.diverged for seed in result.seeds)
            assert result.value == pytest.approx(2 * math.log(10))
            if stage == "final":
                assert (result.seeds[0].test_accuracy, result.seeds[0].test_loss) == (0.1, pytest.approx(math.log(10)))
    for unit in ledger.units("silencing", "RNN"):
        rows = ledger.result(unit).silencing  # type: ignore[union-attr]
        assert {row.test_accuracy for row in rows} == {0.1}
    assert not any(s.diverged for u in ledger.units("final", "LHetA") for s in ledger.result(u).seeds)  # type: ignore[union-attr]


def test_a_searchers_error_ends_its_condition_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = condition_run.ConditionSearch.ask

    def broken(self):  # type: ignore[no-untyped-def]
        if self._condition == "LSTM" and self.proposed == 1:
            raise RuntimeError("planted")
        return real(self)

    monkeypatch.setattr(condition_run.ConditionSearch, "ask", broken)
    conductor = conduct(small_plan(tmp_path), tmp_path / "results")
    assert "planted" in conductor.snapshot().errors["LSTM"]
    assert conductor.snapshot().counts["LHetA"]["final"].complete == 2


def test_early_stopping_prunes_within_a_condition_and_is_published(tmp_path: Path) -> None:
    root = tmp_path / "results"
    plan = small_plan(
        tmp_path,
        "search.trials=6",
        "search.epochs=3",
        "search.seeds_per_trial=1",
        "search.pruner={name: median, startup_trials: 1, warmup_epochs: 0, min_trials: 1}",
    )
    conductor = conduct(plan, root)
    assert conductor.complete
    found = published(root)
    pruned = [unit for unit, row in found.items() if row[0] == "pruned"]
    assert pruned
    assert {u.stage for u in pruned} == {"search"}
    assert sum(c["search"].pruned for c in conductor.snapshot().counts.values()) == len(pruned)
    confirmed = {(u.condition, u.number) for u in found if u.stage == "confirm"}
    assert not confirmed & {(u.condition, u.number) for u in pruned}
    # rebuilt from the ledger it is the same study: nothing runs, nothing is lost
    again = conduct(plan, root)
    assert again.snapshot().counts == conductor.snapshot().counts
    assert published(root) == found


@pytest.mark.program
def test_two_conditions_in_one_reused_worker_do_not_leak_into_each_other(tmp_path: Path, undisturbed: Path) -> None:
    """One worker computes every unit of every condition; the in-process study used fresh state in another order."""
    root = tmp_path / "results"
    with RayExecutor(root, "disabled", Resources(1, 0, 1), None) as runs:
        assert runs.slots == 1
        conductor = new_conductor(small_plan(tmp_path), root)
        runs.run(conductor, NeverStop())
    assert published(root) == published(undisturbed)


def test_records_are_read_without_torch_ray_optuna_or_wandb(undisturbed: Path) -> None:
    """Reports are made on machines that have none of them."""
    code = (
        "import sys\n"
        "for name in ('torch', 'ray', 'optuna', 'wandb'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from glifr.records import scan\n"
        f"print(len(scan(Path({str(undisturbed)!r})).units))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "27", done.stderr
