"""Searches that begin with another study's trials: what is taken, what is counted, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import ONE_CONDITION, StopAfter, conduct, small_plan

from analysis import load
from analysis.judgement import fairness
from analysis.pack.make import pack
from analysis.report.sentences import design
from analysis.results.summaries import tunings
from glifr.errors import InputError
from glifr.records import Layout, UnitId, read_sealed
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.search import ConditionSearch, rules_of

FIRST = ["search.trials=3", "search.sampler={name: tpe, startup_trials: 3}", "silencing=null", "final.seeds=1"]
LEARNS = [*FIRST, "search.trials=2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    assert conduct(small_plan(folder, *FIRST, text=ONE_CONDITION), folder / "results").complete
    return folder / "results"


def learning(folder: Path, source: Path, *overrides: str) -> StudyPlan:
    return small_plan(folder, *LEARNS, f"search.learn_from={source}", *overrides, text=ONE_CONDITION)


def test_its_trials_teach_the_sampler_and_are_none_of_the_study(source: Path, tmp_path: Path) -> None:
    plan = learning(tmp_path, source)
    rules = rules_of(plan, "RNN")
    assert rules is not None
    assert len(rules.learned) == 3
    alone = small_plan(tmp_path, *LEARNS, text=ONE_CONDITION)
    first = [
        ConditionSearch("RNN", p.conditions["RNN"].space, r).ask() for p in (plan, alone) if (r := rules_of(p, "RNN"))
    ]
    assert first[0][0] == first[1][0] == 0
    assert first[0][1] != first[1][1], "the start-up is over: the model proposes"
    assert plan.planned("search") == 2
    assert plan.study.hash != alone.study.hash


def test_the_study_tells_from_whom_it_learned(source: Path, tmp_path: Path) -> None:
    plan = learning(tmp_path, source)
    assert conduct(plan, tmp_path / "results").complete
    body = read_sealed(Layout(tmp_path / "results").study)["learned"]
    assert (body["study"], len(body["trials"]["RNN"])) == ("small", 3)
    results = load(tmp_path / "results")
    assert dict(results.info.learned) == {"RNN": 3}
    assert "Its sampler had learned from 3 trials of small (full), which come to its budget." in design(results.info)
    assert not [text for text in fairness.unequal_budgets(results, tunings(results)) if "learned" in text]


def test_an_interrupted_study_goes_on_with_them(source: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert conduct(learning(tmp_path, source), whole).complete
    assert not conduct(learning(tmp_path, source), parts, StopAfter(3)).complete
    assert conduct(learning(tmp_path, source), parts).complete
    found = [[Ledger(root).proposal(UnitId("search", "RNN", n)) for n in range(2)] for root in (whole, parts)]
    assert [p and p.hyperparameters for p in found[0]] == [p and p.hyperparameters for p in found[1]]


def test_where_they_lie_decides_nothing(source: Path, tmp_path: Path) -> None:
    """A moved folder and a pack are the same study: its results stand."""
    moved, packed = tmp_path / "moved", tmp_path / "small.tar.xz"
    shutil.copytree(source, moved)
    pack(source, packed)
    plans = [learning(tmp_path, place) for place in (source, moved, packed)]
    assert len({plan.study.hash for plan in plans}) == 1
    assert plans[0].study.learned == plans[2].study.learned
    root = tmp_path / "results"
    conduct(plans[0], root, StopAfter(3))
    assert settle(Ledger(root), plans[1], "test", None) == []
    other = small_plan(tmp_path, *LEARNS, text=ONE_CONDITION)
    with pytest.raises(InputError, match=r"search\.learn_from"):
        settle(Ledger(root), other, "test", None)


def test_trials_outside_the_ranges_are_left_out(source: Path, tmp_path: Path) -> None:
    rates = sorted(
        float(t.hyperparameters["learning_rate"]) for t in rules_of(learning(tmp_path, source), "RNN").learned
    )  # type: ignore[union-attr]
    narrow = f"search.spaces.rnn={{learning_rate: {{low: {rates[0] * 1.01}, high: 0.03, scale: log}}}}"
    learned = learning(tmp_path, source, narrow).study.learned
    assert learned is not None
    assert (len(learned.trials["RNN"]), learned.left_out) == (2, {"RNN": 1})


def _emptied(source: Path, folder: Path) -> Path:
    copy = folder / "copy"
    shutil.copytree(source, copy)
    (copy / "units" / "search" / "RNN" / "1" / "result.json").unlink()
    return copy


def _torn(source: Path, folder: Path) -> Path:
    path = folder / "torn.pack"
    path.write_bytes(b"\xfd7zXZ no pack")
    return path


Spoil = Callable[[Path, Path], Path]
BAD: dict[str, tuple[Spoil, list[str], str]] = {
    "nothing there": (lambda s, f: f / "nowhere", [], "cannot be read: this is not a results folder"),
    "no pack": (_torn, [], "cannot be read: this is no pack"),
    "a search that goes on": (_emptied, [], "the search of RNN in the results to learn from has not ended"),
    "another task": (lambda s, f: s, ["task={name: sine}", "training.batch_size=6"], "are of another task"),
    "a condition that is not there": (
        lambda s, f: s,
        ["conditions.other={base: RNN, delay: 0.5}"],
        "lacks conditions: other",
    ),
    "other dimensions": (
        lambda s, f: s,
        ["search.spaces.rnn.weight_spread={low: 0.5, high: 2, scale: log}"],
        "the trials of RNN to learn from have other dimensions",
    ),
    "another length": (lambda s, f: s, ["search.epochs=1"], "have another length"),
    "nothing within the ranges": (
        lambda s, f: s,
        ["search.spaces.rnn={learning_rate: {low: 1.0e-9, high: 1.0e-8, scale: log}}"],
        "none of the trials of RNN to learn from lies within its search space",
    ),
    "more searches than there were": (
        lambda s, f: s,
        ["search.repeats=2", "final.seeds=2"],
        "fewer independent searches to learn from",
    ),
    "a sampler that learns nothing": (
        lambda s, f: s,
        ["search.sampler=random"],
        "the sampler random learns from no trial",
    ),
    "a pruner over seeds": (
        lambda s, f: s,
        ["search.pruner=wilcoxon", "search.seeds_per_trial=6"],
        "wilcoxon compares trials on the same seeds",
    ),
    "a separable covariance": (
        lambda s, f: s,
        ["search.sampler={name: cmaes, separable: true}"],
        "a separable CMA-ES cannot begin from other trials",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_it_cannot_learn_from_is_refused(source: Path, tmp_path: Path, name: str) -> None:
    spoil, overrides, said = BAD[name]
    with pytest.raises(InputError) as refused:
        learning(tmp_path, spoil(source, tmp_path), *overrides)
    assert said in str(refused.value)
    assert "search.learn_from" in str(refused.value)
