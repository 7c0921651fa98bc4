"""Trials whose seeds are trained one after another and stopped by the Wilcoxon pruner, with real small networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import ONE_CONDITION, StopAfter, conduct, published, small_plan

from glifr.records import UnitId, UnitRecords, scan
from launch.planning.plan import StudyPlan
from launch.scheduling.search import ConditionSearch
from launch.studyfile.search.pruners import WilcoxonPruner
from launch.tracking.optuna_mirror import mirror
from launch.tracking.rows import epoch_rows

# the learning rate of the first trial is the better one by far, so that others are stopped
STUDY = [
    "search={trials: 4, epochs: 2, seeds_per_trial: 4, sampler: random, pruner: {name: wilcoxon, p_threshold: 0.3}, "
    "start_at: [{learning_rate: 0.03}, {learning_rate: 0.001}], "
    "spaces: {rnn: {learning_rate: {low: 1.0e-5, high: 3.0e-2, scale: log}}}}",
    "silencing=null",
]


def plan_in(folder: Path) -> StudyPlan:
    return small_plan(folder, *STUDY, text=ONE_CONDITION)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in_turn")
    assert conduct(plan_in(folder), folder / "results").complete
    return folder / "results"


def trials(root: Path) -> list[UnitRecords]:
    return [unit for unit in scan(root).units if unit.unit.stage == "search"]


def test_a_trial_is_stopped_after_a_whole_seed(root: Path) -> None:
    first, second, *_ = trials(root)
    assert first.result is not None
    assert second.result is not None
    assert (first.result.status, len(first.result.seeds)) == ("complete", 4)
    assert (second.result.status, len(second.result.seeds)) == (
        "pruned",
        WilcoxonPruner(name="wilcoxon", p_threshold=0.3).first_stop(),
    )
    for result in (first.result, second.result):
        assert [outcome.epochs for outcome in result.seeds] == [2] * len(result.seeds)
        assert [outcome.seed for outcome in result.seeds] == list(first.proposal.seeds[: len(result.seeds)])
        assert result.value == pytest.approx(sum(o.score for o in result.seeds) / len(result.seeds))
        assert result.seeds_in_batch == 1
    lines = (root / "units" / "search" / "RNN" / "0").glob("attempts/*/epochs.jsonl")
    text = next(lines).read_text()
    seeds = list(first.proposal.seeds)
    places = [seeds.index(int(line.split('"seed": ')[-1].split(",")[0].split("}")[0])) for line in text.splitlines()]
    assert places == [0, 0, 1, 1, 2, 2, 3, 3]


def test_seeds_in_turn_are_the_networks_that_seeds_together_are(root: Path, tmp_path: Path) -> None:
    """What stops a trial changes no number of it."""
    together = small_plan(tmp_path, *STUDY, "search.pruner=none", text=ONE_CONDITION)
    assert conduct(together, tmp_path / "results").complete
    (mine, *_), (other, *_) = trials(root), trials(tmp_path / "results")
    assert mine.result is not None
    assert other.result is not None
    assert [o.score for o in mine.result.seeds] == [o.score for o in other.result.seeds]


@pytest.mark.parametrize("polls", [1, 4, 7, 11])
def test_interrupted_it_ends_as_uninterrupted(root: Path, tmp_path: Path, polls: int) -> None:
    plan = plan_in(tmp_path)
    assert not conduct(plan, tmp_path / "results", StopAfter(polls)).complete
    assert conduct(plan, tmp_path / "results").complete
    assert published(tmp_path / "results", ["RNN"]) == published(root, ["RNN"])


def test_mirrors_know_its_steps(root: Path) -> None:
    import optuna

    body = scan(root).study
    study = optuna.load_study(storage=f"sqlite:///{mirror(scan(root))}", study_name=f"{body['name']} RNN")
    assert [sorted(t.intermediate_values) for t in study.trials][:2] == [[1, 2, 3, 4], [1, 2]]
    rows = epoch_rows(UnitId("search", "RNN", 0), trials(root)[0].epochs)
    assert [row["epoch"] for row in rows] == [1, 2]


def test_a_rebuilt_search_knows_seeds_and_no_epochs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    replay = ConditionSearch.replay

    def watched(self: ConditionSearch, past: object) -> None:
        given = list(past)  # type: ignore[call-overload]
        seen.extend(list(trial.scores) for trial in given)
        replay(self, given)

    monkeypatch.setattr(ConditionSearch, "replay", watched)
    conduct(plan_in(tmp_path), root)
    assert seen[:2] == [[1, 2, 3, 4], [1, 2]]
