"""The training recipe in a study: what is refused, what a trial may search, what a unit is identified by."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_texts import GOOD, load, refusal, write_study

from launch.planning.plan import StudyPlan, make_plan
from launch.planning.seed_batches import training_settings
from launch.scheduling.search import ConditionSearch, rules_of

WHOLE = GOOD[: GOOD.index("profiles:")]  # its quick profile trains for one epoch: no schedule fits in
TRAINING = "training: {epochs: 3, batch_size: 64}"
SPACE = "learning_rate: {low: 1e-3, high: 1e-2, scale: log}\n      after"  # of the GLIFR networks

BAD = {
    "unknown optimizer": ("optimizer: adamm", ["not one of the words", "training.optimizer (line 9)", "'adam'"]),
    "momentum with adam": (
        "sgd: {momentum: 0.9}",
        [
            "sgd.momentum has an effect only where optimizer is sgd, and here it is adam",
            "training.sgd.momentum (line 9)",
        ],
    ),
    "momentum in the section of adam": ("adam: {momentum: 0.9}", ["unknown key 'momentum'", "training.sgd.momentum"]),
    "adam's constants with sgd": (
        "optimizer: sgd, adam: {beta1: 0.5}",
        ["adam.beta1 has an effect only where optimizer is adam or adamw, and here it is sgd", "remove it"],
    ),
    "nesterov without momentum": (
        "optimizer: sgd, sgd: {nesterov: true}",
        [
            "nesterov looks ahead by the momentum, and there may be none",
            "training.sgd.nesterov (line 9)",
            "momentum: 0.9",
        ],
    ),
    "a momentum of one": ("optimizer: sgd, sgd: {momentum: 1}", ["too large", "training.sgd.momentum", "below 1"]),
    "adamw without decay": (
        "optimizer: adamw",
        ["adamw without weight decay is adam", "training.optimizer (line 9)", "adam: {weight_decay: 0.01}"],
    ),
    "negative clip": ("clip_norm: -1", ["the number is too small", "training.clip_norm (line 9)", "a number above 0"]),
    "clip of zero": ("clip_norm: 0", ["the number is too small", "training.clip_norm (line 9)"]),
    "unknown schedule": ("schedule: {name: cosin}", ["not one of the words", "schedule.name (line 9)", "'cosine'"]),
    "a schedule as a word": ("schedule: cosine", ["must be a mapping", "training.schedule (line 9)", "warmup_epochs"]),
    "a warm-up longer than the training": (
        "schedule: {warmup_epochs: 3}",
        ["the warm-up would not end within a training of 3 epochs (RNN, LSTM, LHet, LHetA)", "(line 9)", "below 3"],
    ),
    "a step after the training": (
        "schedule: {name: step, every: 3}",
        ["the first step of the schedule would not end within a training", "training.schedule.every (line 9)"],
    ),
    "an end that nothing comes to": (
        "schedule: {end: 0.1}",
        ["schedule.end has an effect only where schedule.name is cosine, and here it is constant", "`name: cosine`"],
    ),
    "a factor that grows": (
        "schedule: {name: step, factor: 2}",
        ["too large", "schedule.factor", "at most 1"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recipe_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    written, said = BAD[name]
    told = refusal(write_study(tmp_path, GOOD.replace(TRAINING, f"training: {{epochs: 3, batch_size: 64, {written}}}")))
    for words in said:
        assert words in told


def test_a_schedule_must_end_within_a_shorter_search_too(tmp_path: Path) -> None:
    text = WHOLE.replace(TRAINING, "training: {epochs: 9, batch_size: 64, schedule: {warmup_epochs: 2}}")
    told = refusal(write_study(tmp_path, text), overrides=["search.epochs=2"])
    assert "the warm-up would not end within a training of 2 epochs" in told
    load(tmp_path, text, overrides=["search.epochs=3"])


def test_a_condition_is_refused_what_its_own_optimizer_does_not_use(tmp_path: Path) -> None:
    own = GOOD.replace("LHet:  {delay: 1.0}", "LHet:  {delay: 1.0, training: {sgd: {momentum: 0.9}}}")
    told = refusal(write_study(tmp_path, own))
    assert "conditions.LHet.training.sgd.momentum (line 6)" in told
    load(tmp_path, own.replace("{sgd: {mom", "{optimizer: sgd, sgd: {mom"))


def test_the_studys_settings_of_an_optimizer_may_be_those_of_one_condition(tmp_path: Path) -> None:
    text = GOOD.replace(TRAINING, "training: {epochs: 3, batch_size: 64, sgd: {momentum: 0.9}}")
    study = load(tmp_path, text.replace("LHet:  {delay: 1.0}", "LHet:  {delay: 1.0, training: {optimizer: sgd}}"))
    assert study.spec.training_of("LHet").sgd.momentum == 0.9


def searched(folder: Path, dimensions: str, training: str = TRAINING) -> Path:
    text = WHOLE.replace(SPACE, f"learning_rate: {{low: 1e-3, high: 1e-2, scale: log}}\n{dimensions}      after", 1)
    return write_study(folder, text.replace(TRAINING, training))


def test_every_setting_can_be_searched_by_its_key_path(tmp_path: Path) -> None:
    dimensions = """\
      training.optimizer: {choices: [adamw, sgd]}
      training.adam.weight_decay: {low: 1e-4, high: 1e-2, scale: log}
      training.sgd.momentum: {low: 0.5, high: 0.95, scale: linear}
      training.sgd.nesterov: {choices: [true, false]}
      training.clip_norm: {low: 0.1, high: 10, scale: log}
      training.schedule.name: {choices: [constant, cosine, step]}
      training.schedule.warmup_epochs: {low: 0, high: 1, scale: linear}
      training.schedule.end: {low: 0, high: 0.5, scale: linear}
      training.schedule.every: {low: 1, high: 2, scale: linear, type: int}
      training.schedule.factor: {low: 0.1, high: 0.9, scale: linear}
"""
    text = searched(tmp_path, dimensions).read_text()
    plan = make_plan(load(tmp_path, text), "data")
    rules = rules_of(plan, "LHet")
    assert rules is not None
    search = ConditionSearch("LHet", plan.conditions["LHet"].space, rules)
    seen = set()
    for _ in range(8):
        _, values = search.ask()
        tried = training_settings(plan.at("LHet", values).training, 3)
        seen.add((tried.optimizer, tried.schedule.name))
        assert tried.clip_norm == values["training.clip_norm"]
        assert tried.schedule.every == values["training.schedule.every"]
        by_sgd = tried.optimizer == "sgd"
        assert (tried.weight_decay == values["training.adam.weight_decay"]) is not by_sgd
        assert tried.momentum == values["training.sgd.momentum"]
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("dimensions", "said"),
    [
        ("training.sgd.momentum: {low: 0, high: 0.9, scale: linear}", "optimizer is sgd, and here it is adam"),
        ("training.optimizer: {choices: [adam, adamw]}", "adamw without weight decay is adam"),
        ("training.optimizer: {choices: [adam, lion]}", "training.optimizer cannot be lion"),
        ("training.clip_norm: {low: -1, high: 1, scale: linear}", "training.clip_norm cannot be -1"),
        ("training.schedule.warmup_epochs: {low: 0, high: 3, scale: linear}", "the warm-up would not end"),
    ],
    ids=["momentum of adam", "adamw without decay", "no such optimizer", "a negative clip", "too long a warm-up"],
)
def test_a_searched_setting_that_cannot_be_is_refused_where_it_stands(
    tmp_path: Path, dimensions: str, said: str
) -> None:
    told = refusal(searched(tmp_path, f"      {dimensions}\n"))
    assert said in told
    assert f"search.spaces.glifr_homogeneous.{dimensions.split(':')[0]}" in told


def test_nesterov_is_refused_where_a_trial_may_have_no_momentum(tmp_path: Path) -> None:
    nesterov = "training: {epochs: 3, batch_size: 64, optimizer: sgd, sgd: {nesterov: true, momentum: 0.9}}"
    load(tmp_path, searched(tmp_path, "", nesterov).read_text())
    some = "      training.sgd.momentum: {low: 0, high: 0.9, scale: linear}\n"
    assert "nesterov looks ahead" in refusal(searched(tmp_path, some, nesterov))


# -- identities --------------------------------------------------------------------------------------------------------


def plan_of(folder: Path, recipe: str = "") -> StudyPlan:
    return make_plan(load(folder, WHOLE.replace(TRAINING, f"training: {{epochs: 3, batch_size: 64{recipe}}}")), "data")


def identity(folder: Path, recipe: str = "") -> str:
    return plan_of(folder, recipe).identity("final", "LHetA", {"learning_rate": 1e-3}, (1,))


def test_the_defaults_written_out_leave_every_hash_as_it_is(tmp_path: Path) -> None:
    written = (
        ", optimizer: adam, sgd: {momentum: 0, nesterov: false, weight_decay: 0}, clip_norm: null"
        ", schedule: {name: constant, warmup_epochs: 0}"
    )
    assert plan_of(tmp_path, written).study.hash == plan_of(tmp_path).study.hash
    assert identity(tmp_path, written) == identity(tmp_path)
    assert set(plan_of(tmp_path, written).training_identity("final", "LHetA")) == {
        *("task", "epochs", "batch_size", "adam", "dropout")
    }


def test_each_setting_is_part_of_a_units_identity(tmp_path: Path) -> None:
    each = (
        "",
        ", optimizer: adamw, adam: {weight_decay: 0.1}",
        ", adam: {weight_decay: 0.1}",
        ", optimizer: sgd",
        ", optimizer: sgd, sgd: {momentum: 0.9}",
        ", optimizer: sgd, sgd: {momentum: 0.9, nesterov: true}",
        ", optimizer: sgd, sgd: {weight_decay: 0.1}",
        ", clip_norm: 1",
        ", schedule: {warmup_epochs: 1}",
        ", schedule: {name: cosine}",
        ", schedule: {name: cosine, end: 0.1}",
        ", schedule: {name: step, every: 2}",
        ", schedule: {name: step, every: 1}",
        ", schedule: {name: step, factor: 0.5}",
    )
    found = {recipe: identity(tmp_path, recipe) for recipe in each}
    assert len(set(found.values())) == len(each)
    decoupled = identity(tmp_path, ", adam: {weight_decay: 0.1, decoupled: true}")
    assert decoupled == found[", optimizer: adamw, adam: {weight_decay: 0.1}"]  # the older way to ask for the same


def test_conditions_may_differ_in_their_recipe_and_say_so(tmp_path: Path) -> None:
    own = "LHet:  {delay: 1.0, training: {optimizer: sgd, clip_norm: 1, schedule: {name: cosine}}}"
    plan = make_plan(load(tmp_path, GOOD.replace("LHet:  {delay: 1.0}", own)), "data")
    told = plan.conditions["LHet"].difference
    assert "optimizer sgd instead of adam" in told
    assert "clip_norm 1 instead of none" in told
    assert "schedule.name cosine instead of constant" in told
    assert training_settings(plan.conditions["LHetA"].training, 3).optimizer == "adam"
