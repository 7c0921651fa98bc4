"""Samplers, pruners and known points that a study cannot have: each refused with rule, place and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_texts import GOOD, load, refusal, write_study

from launch.studyfile import StudySpec
from launch.studyfile.search.known import LEARNING_RATES
from launch.studyfile.search.pruners import PRUNERS
from launch.studyfile.search.samplers import SAMPLERS, name_of

TPE, MEDIAN = "sampler: {name: tpe, startup_trials: 2}", "pruner: {name: median}"
SPREAD = "after_spike_spread: {low: 0.1, high: 10, scale: log}"
ASCS = "low: 1, high: 3, scale: linear, type: int"
# the study without its profile, and with one short trial of several seeds
PLAIN = GOOD[: GOOD.index("profiles:")]


def spoilt(*changes: tuple[str, str]) -> str:
    text = PLAIN
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


GRID = [
    (TPE, "sampler: grid"),
    ("  trials: 4\n", ""),
    ("spaces/plain.yaml\n    lstm", "&s {learning_rate: {low: 1e-3, high: 1e-2, scale: log, points: 3}}\n    lstm"),
    ("lstm: spaces/plain.yaml", "lstm: *s"),
    ("      learning_rate: {low: 1e-3, high: 1e-2, scale: log}\n", "      learning_rate: {choices: [1e-3, 1e-2]}\n"),
    (SPREAD, f"num_ascs: {{{ASCS}}}"),
    ("  LHet:  {delay: 1.0}\n", ""),
]

BAD: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "unknown sampler": (
        [(TPE, "sampler: tep")],
        ["there is no sampler 'tep'", "search.sampler (line 19)", "one of tpe, random, gp, cmaes, qmc, grid", "'tpe'?"],
    ),
    "unknown pruner in full": (
        [(MEDIAN, "pruner: {name: hyperbend}")],
        ["there is no pruner 'hyperbend'", "search.pruner.name (line 20)", "'hyperband'?"],
    ),
    "unknown pruner within a pruner": (
        [(MEDIAN, "pruner: {name: patient, patience: 1, pruner: hyperband}")],
        ["there is no pruner 'hyperband'", "search.pruner.pruner (line 20)", "one of none, median, percentile"],
    ),
    "no name": (
        [(TPE, "sampler: {startup_trials: 2}")],
        ["the key 'name' is missing", "search.sampler", "one of tpe, random"],
    ),
    "a setting of another sampler": (
        [(TPE, "sampler: {name: gp, candidates: 3}")],
        ["the sampler gp has no setting 'candidates'", "name, startup_trials, deterministic", "or choose tpe"],
    ),
    "a setting that only hashes know": (
        [(TPE, "sampler: {name: random, candidates: 3}")],
        ["the sampler random has no setting 'candidates'", "search.sampler.candidates", "or choose tpe"],
    ),
    "a setting of another pruner": (
        [(MEDIAN, "pruner: {name: none, percentile: 3}")],
        ["the pruner none has no setting 'percentile'", "or choose percentile"],
    ),
    "a misspelt setting": (
        [(TPE, "sampler: {name: tpe, startup_trails: 2}")],
        ["the sampler tpe has no setting 'startup_trails'", "did you mean 'startup_trials'?"],
    ),
    "no number of trials": ([("  trials: 4\n", "")], ["the key 'trials' is missing", "search.trials"]),
    "margin of separable": (
        [(TPE, "sampler: {name: cmaes, separable: true, margin: true}")],
        ["separable and margin exclude each other", "search.sampler.margin"],
    ),
    "a grid without end": (
        [(TPE, "sampler: grid"), ("  trials: 4\n", "")],
        ["a grid cannot have every number of a range", "after_spike_spread", "add `points: 5`"],
    ),
    "a grid with trials": (
        [*GRID[:1], *GRID[2:]],
        ["a grid tries each of its combinations once", "search.trials", "remove it"],
    ),
    "points without a grid": (
        [(SPREAD, SPREAD.replace("log", "log, points: 3"))],
        ["only a grid has points", "after_spike_spread.points", "sampler: grid"],
    ),
    "points closer than whole numbers": (
        [*GRID[:5], (SPREAD, f"num_ascs: {{{ASCS}, points: 9}}"), GRID[6]],
        ["some points would be the same whole number", "num_ascs.points", "at most 3"],
    ),
    "more confirmed than a grid has": (
        [*GRID, ("confirm: {top: 2", "confirm: {top: 7")],
        ["more configurations would be confirmed than are tried", "1 to 3 (the grid of RNN)"],
    ),
    "points to begin a grid": (
        [*GRID, ("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: [{learning_rate: 1e-3}]")],
        ["a grid tries its own points alone", "search.start_at"],
    ),
    "wilcoxon with one seed": (
        [(MEDIAN, "pruner: wilcoxon"), ("seeds_per_trial: 2", "seeds_per_trial: 1")],
        ["with one seed per trial wilcoxon can stop none early", "search.seeds_per_trial", "at least 5"],
    ),
    "wilcoxon with a threshold out of reach": (
        [(MEDIAN, "pruner: {name: wilcoxon, p_threshold: 0.01}"), ("seeds_per_trial: 2", "seeds_per_trial: 7")],
        ["with 7 seeds per trial wilcoxon can stop none early", "at least 8", "2^-n"],
    ),
    "hyperband with too few epochs": (
        [(MEDIAN, "pruner: {name: hyperband, reduction_factor: 4}")],
        ["hyperband needs trials of at least", "= 4 epochs for two brackets", "search.pruner.name"],
    ),
    "halving that begins too late": (
        [(MEDIAN, "pruner: {name: successive_halving, min_early_stopping_rate: 1}")],
        ["successive_halving stops no trial before epoch 4, and a trial has 3"],
    ),
    "too much patience": (
        [(MEDIAN, "pruner: {name: patient, patience: 5}")],
        ["patient stops no trial before epoch 7, and a trial has 3"],
    ),
    "a point outside its range": (
        [("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: [{learning_rate: 0.5}]")],
        ["the value lies outside the search space of rnn", "search.start_at[0].learning_rate", "0.001 to 0.01"],
    ),
    "a point of no dimension": (
        [("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: [{learning_rte: 0.005}]")],
        ["the study searches no dimension 'learning_rte'", "did you mean 'learning_rate'?"],
    ),
    "a word that is no point": (
        [("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: publishd")],
        ["this must be a list of points", "search.start_at"],
    ),
    "more points than trials": (
        [("trials: 4", "trials: 1\n  start_at: [{learning_rate: 2e-3}, published]"), ("{top: 2", "{top: 1")],
        ["there are more points to begin with than trials", "at most 1 (search.trials)"],
    ),
    "a task without published networks": (
        [
            ("task: {name: line_mnist}", "task: {name: realizable}"),
            ("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: published"),
        ],
        ["no networks of the task realizable were published"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_with_rule_place_and_remedy(tmp_path: Path, name: str) -> None:
    changes, said = BAD[name]
    message = refusal(write_study(tmp_path, spoilt(*changes)))
    for words in said:
        assert words in message, message


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.studyfile.rules.samplers.find_spec", lambda name: None)
    message = refusal(write_study(tmp_path, spoilt((TPE, "sampler: cmaes"))))
    assert "the sampler cmaes needs the package cmaes, which is not installed" in message
    assert "python -m pip install cmaes" in message


def spec_of(folder: Path, *changes: tuple[str, str], overrides: tuple[str, ...] = ()) -> StudySpec:
    return load(folder, spoilt(*changes), overrides=overrides).spec


def chosen(folder: Path, *overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = load(folder, PLAIN, overrides=overrides).resolved["search"]
    return found


def test_a_name_alone_is_the_sampler_with_its_defaults(tmp_path: Path) -> None:
    for key, kinds in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        for name in (name_of(kind) for kind in kinds):
            if name in ("grid", "patient", "wilcoxon", "hyperband"):  # with other settings of the study
                continue
            short = chosen(tmp_path, f"search.{key}={name}")
            assert short == chosen(tmp_path, f"search.{key}={{name: {name}}}")


def test_a_changed_name_leaves_settings_of_the_old_one_behind(tmp_path: Path) -> None:
    assert chosen(tmp_path, "search.sampler.name=gp")["sampler"] == {
        "name": "gp", "startup_trials": 2, "deterministic": False,
    }  # fmt: skip
    assert chosen(tmp_path, "search.sampler.name=qmc")["sampler"] == {
        "name": "qmc", "sequence": "sobol", "scramble": True,
    }  # fmt: skip
    assert chosen(tmp_path, "search.pruner.name=successive_halving")["pruner"]["min_epochs"] == 1
    message = refusal(
        write_study(tmp_path, PLAIN), overrides=["search.sampler.name=qmc", "search.sampler.startup_trials=3"]
    )
    assert "the sampler qmc has no setting 'startup_trials'" in message


def test_a_grid_says_how_many_trials_there_are(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, *GRID)
    assert {name: spec.trials(name) for name in spec.conditions} == {"RNN": 3, "LSTM": 3, "LHetA": 6}
    rates = spec.space_for("RNN")["learning_rate"].grid()
    assert rates == (1e-3, 0.00316227766017, 1e-2)
    assert spec.space_for("LHetA")["num_ascs"].grid() == (1, 2, 3)


def test_points_to_begin_with_are_those_of_each_condition(tmp_path: Path) -> None:
    begin = ("  seeds_per_trial: 2", "  seeds_per_trial: 2\n  start_at: [published, {after_spike_spread: 2}]")
    spec = spec_of(tmp_path, begin)
    assert spec.first_points("RNN") == ({"learning_rate": 1e-3, "weight_spread": 1.0}, {})
    assert spec.first_points("LHetA") == (
        {"learning_rate": 1e-3, "after_spike_spread": 1.0}, {"after_spike_spread": 2.0},
    )  # fmt: skip


def test_published_learning_rates_are_those_of_the_published_settings() -> None:
    import json

    from paths import ROOT

    settings = json.loads((ROOT / "analysis" / "published" / "settings.json").read_text())["tasks"]
    assert {name: task["learning_rate"] for name, task in settings.items()} == dict(LEARNING_RATES)
