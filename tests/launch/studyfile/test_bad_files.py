"""What cannot be read, or is wrong in overrides, profiles, space files or sizes, is refused before the start."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from study_texts import GOOD, PLAIN_SPACE, load, refusal, spoilt, write_study

from glifr.errors import InputError

WHOLE_FILES = {
    "empty": (b"", ["the file is empty", "study.yaml", "copy an example"]),
    "only a comment": (b"# name: x\n", ["the file is empty"]),
    "a list": (b"- name: x\n", ["a study is a mapping", "study.yaml", "begin with `name:"]),
    "not UTF-8": (b"name: x\ndescription: caf\xe9\n", ["not UTF-8", "study.yaml (line 2)", "0xe9", "save the file as"]),
    "UTF-16": ("name: x\n".encode("utf-16"), ["not UTF-8", "0xff"]),
    "a control character": (b"name: x\x07\n", ["malformed", "remove that character"]),
    "too deep": (b"a: " + b"[" * 200 + b"]" * 200, ["nested too deeply", "at most 50 levels"]),
    "far too deep": (b"a: " + b"[" * 100_000, ["nested too deeply"]),
    "alias bomb": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))),
        ["too many repeats by YAML aliases", "at most 1000"],
    ),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    raw, said = WHOLE_FILES[name]
    message = refusal(write_study(tmp_path, raw))
    for words in said:
        assert words in message, message


OVERRIDES = {
    "trainng.epochs=3": ["no setting 'trainng'", "--set trainng.epochs", "did you mean 'training.epochs'?"],
    "epochs=3": ["no setting 'epochs'", "did you mean 'training.epochs' or 'search.epochs'"],
    "final.seeds.0=3": ["no setting '0'", "--set final.seeds.0", "did you mean 'final.seeds'?"],
    "conditions.LHetB.delay=1": ["no condition 'LHetB'", "--set conditions.LHetB", "did you mean 'LHet'?"],
    "training.epochs": ["the override has no =", "--set training.epochs", "write --set training.epochs=VALUE"],
    "training.epochs=many": ["must be a whole number", "--set training.epochs", "found:   many"],
    "training.epochs=": ["must be a whole number", "--set training.epochs", "found:   null"],
    "training.epochs=[": ["malformed", "--set training.epochs"],
    "training.epochs=010": ["octal", "--set training.epochs", "write 10"],
    "name=../x": ["would leave the results folder", "--set name"],
    "profiles.quick.seed=3": ["acts after the profile", "--set profiles.quick.seed", "set the value itself"],
    "search.spaces.rnn.learning_rate.low=0": ["must lie above 0", "--set search.spaces.rnn.learning_rate.low"],
    "search.spaces.rnn=spaces/plan.yaml": ["does not exist", "--set search.spaces.rnn", "did you mean 'plain.yaml'?"],
    "silencing=5": ["must be a mapping", "--set silencing", "a mapping with fractions, masks, or null"],
    "task.data_root=5": ["must be text", "--set task.data_root", "a folder, or null", "put quotes around it"],
    "search.epochs=0": ["too small", "--set search.epochs", "a whole number from 1 to 10000000, or null"],
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_bad_override_is_refused(tmp_path: Path, override: str) -> None:
    message = refusal(write_study(tmp_path), overrides=[override])
    for words in OVERRIDES[override]:
        assert words in message, message
    assert message.count("  where:") == 1, message


def test_a_refused_override_is_all_that_is_said_of_its_condition(tmp_path: Path) -> None:
    """Without the setting that was refused the condition would equal its base."""
    overrides = ["conditions.slow.base=LHetA", "conditions.slow.delai=2"]
    message = refusal(write_study(tmp_path), overrides=overrides)
    assert "no setting 'delai'" in message
    assert message.count("  where:") == 1, message


def test_unknown_profile_is_refused_with_the_nearest(tmp_path: Path) -> None:
    message = refusal(write_study(tmp_path), profile="quik")
    for words in ("no such profile", "--profile", "'quik'", "allowed: quick", "did you mean 'quick'?"):
        assert words in message


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write_study(tmp_path)
    message = refusal(tmp_path / "stduy.yaml")
    assert "the study file does not exist" in message
    assert "where:   stduy.yaml" in message
    assert "did you mean 'study.yaml'?" in message
    assert "does not exist" in refusal(tmp_path / "study.yaml" / "below.yaml")


def test_folder_and_overlong_path_are_refused(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    assert "this is a folder, not a file" in refusal(tmp_path / "studies")
    assert "the file cannot be read" in refusal(tmp_path / ("x" * 5000))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (b"", ["the file is empty", "spaces/plain.yaml"]),
        (b"{}", ["search space of RNN is empty", "spaces/plain.yaml"]),
        (b"- 1", ["must be a mapping", "spaces/plain.yaml"]),
        (
            PLAIN_SPACE.replace("0.5", "3").encode(),
            ["low must be below high", "spaces/plain.yaml: weight_spread (line 2)"],
        ),
        (
            PLAIN_SPACE.replace("low: 0.5", "lo: 0.5").encode(),
            ["unknown key 'lo'", "plain.yaml: weight_spread.lo (line 2)"],
        ),
        (PLAIN_SPACE.replace(", scale: log", "").encode(), ["'scale' is missing", "plain.yaml: learning_rate.scale"]),
    ],
)
def test_fault_in_a_space_file_names_that_file(tmp_path: Path, space: bytes, said: list[str]) -> None:
    message = refusal(write_study(tmp_path, space=space))
    for words in said:
        assert words in message, message


def test_study_without_search_needs_learning_rates_that_fit(tmp_path: Path) -> None:
    fixed = "RNN: {delay: one_step, fixed: {neuron_spread: 1, learning_rate: 0}}, LSTM: {delay: none}"
    text = f"name: x\nreference: RNN\nconditions: {{{fixed}}}\ntask: {{name: line_mnist}}\n"
    message = refusal(write_study(tmp_path, text + "training: {epochs: 1, batch_size: 1}\nfinal: {seeds: 1}\n"))
    for words in (
        "a study without search needs a learning rate for LSTM",
        "add `fixed: {learning_rate: 1e-3}`",
        "the learning rate must be above 0",
        "RNN has no neuron_spread",
        "conditions.RNN.fixed.neuron_spread (line 3)",
    ):
        assert words in message, message
    assert message.count("  where:") == 3


def test_sigma_v_without_glifr_is_refused(tmp_path: Path) -> None:
    text = "name: x\nreference: RNN\nconditions:\n  RNN: {delay: one_step, fixed: {learning_rate: 0.1}}\n"
    text += (
        "task: {name: sine}\ntraining: {epochs: 1, batch_size: 6, sigma_v: {start: 1, end: 0.1}}\nfinal: {seeds: 1}\n"
    )
    message = refusal(write_study(tmp_path, text))
    assert "no network of this study has a sigma_v" in message
    assert "training.sigma_v (line 6)" in message


def test_a_task_whose_outputs_are_neurons_takes_as_many(tmp_path: Path) -> None:
    text = "name: x\nreference: RNN\nconditions:\n  RNN: {delay: one_step, fixed: {learning_rate: 0.1}}\n"
    text += "task: {name: realizable}\ntraining: {epochs: 1, batch_size: 8}\nfinal: {seeds: 1}\n"
    message = refusal(write_study(tmp_path, text))
    for words in (
        "the outputs of the task realizable are its networks' neurons",
        "conditions.RNN.hidden_size",
        "size: 1`",
    ):
        assert words in message, message
    assert message.count("  where:") == 1


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = spoilt("epochs: 3", "epochs: 0").replace("low: 0.1", "low: 0").replace("reference: LHetA", "reference: Hom")
    text = text.replace("{seeds: [7, 8]}", "{seeds: [7, 7]}").replace("masks: 2", "masks: 010")
    message = refusal(write_study(tmp_path, text), overrides=["nmae=x"], profile="none_such")
    for words in ("too small", "above 0", "not among", "given twice: 7", "octal", "'nmae'", "'none_such'"):
        assert words in message, message
    assert message.count("  where:") == 7, message


def test_learning_rate_in_scientific_notation_is_a_number(tmp_path: Path) -> None:
    assert yaml.safe_load("1e-3") == "1e-3", "what PyYAML makes of it, and why the reader exists"
    assert load(tmp_path).spec.space_for("LHetA")["learning_rate"].low == 0.001


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
PLACES = [line.split(":")[0] for line in GOOD.splitlines() if line and not line.startswith(" ")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), below=st.sampled_from([None, *"abc", "name", "delay", "spaces"]), junk=JUNK)
def test_no_junk_brings_the_reader_down(tmp_path: Path, place: str, below: str | None, junk: object) -> None:
    study = yaml.safe_load(GOOD)
    study[place] = junk if below is None else {below: junk}
    text = yaml.safe_dump(study, allow_unicode=True)
    told = ""
    try:
        load(tmp_path, text.encode(errors="surrogatepass"))
    except InputError as error:
        told = str(error)
        incomplete = [problem for problem in error.problems if not (problem.rule and problem.place)]
        if incomplete:
            pytest.fail(f"a problem without rule or place: {incomplete}")
    assert "Input should" not in told


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["search.seeds_per_trial=[3,4,6]"],
            ["3 seeds cannot be shared equally by the 5", "search.seeds_per_trial", "[3, 4, 6]", "a multiple of 5"],
        ),
        (["confirm.seeds=[3,4]"], ["2 seeds cannot be shared equally by the 5", "confirm.seeds", "give 5"]),
        (["final.seeds=12"], ["12 seeds cannot be shared equally by the 5", "final.seeds", "give 15"]),
        (
            ["search.seeds_per_trial=1001"],
            ["too many seeds for each of several", "search.seeds_per_trial", "at most 1000 for each of the 5"],
        ),
        (["final.seeds=5005"], ["too many seeds for each of several", "final.seeds", "at most 1000"]),
    ],
)
def test_seeds_that_repeats_cannot_share(tmp_path: Path, overrides: list[str], words: list[str]) -> None:
    message = refusal(write_study(tmp_path), overrides=["search.repeats=5", *overrides])
    for word in words:
        assert word in message


def test_without_a_search_there_is_nothing_to_repeat(tmp_path: Path) -> None:
    message = refusal(write_study(tmp_path), overrides=["search=null", "confirm=null", "search.repeats=2"])
    assert "search.sampler" in message  # a section that names repeats is a search, and lacks the rest


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = write_study(tmp_path, GOOD + "#" * 10_000_000)
    began = time.monotonic()
    told = refusal(path)
    assert "too large for a study" in told
    assert "at most 1,000,000 bytes" in told
    assert time.monotonic() - began < 2


def test_a_search_space_that_never_ends_is_not_read(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    for endless in ("/dev/zero", "pipe"):
        if endless == "pipe":
            os.mkfifo(tmp_path / "pipe")
        told = refusal(path, overrides=[f"search.spaces.rnn={endless}"])
        assert "a device or a pipe" in told


@pytest.mark.parametrize("name", ["x" * 100_000, "evil\x1b[2J\x07", "line\nbreak", "\u202egnp"])
def test_what_a_user_wrote_is_shown_short_and_escaped(tmp_path: Path, name: str) -> None:
    path = write_study(tmp_path)
    for key in ("name", "reference", "task.name", f"conditions.{name}"):
        told = refusal(path, overrides=[f"{key}={name}"])
        assert len(told) < 12_000
        assert all(c.isprintable() or c == "\n" for c in told)


TOO_LARGE = {
    "training.epochs": 2**63,
    "training.batch_size": 2**63,
    "training.checkpoint_every": 2**63,
    "training.seeds_per_batch": 2**63,
    "conditions.RNN.hidden_size": 10**12,
    "conditions.RNN.delay": 1e300,
    "search.trials": 2**63,
    "search.sampler.candidates": 2**63,
    "search.pruner.warmup_epochs": 2**63,
    "confirm.top": 2**63,
    "final.seeds": 2**63,
    "silencing.masks": 2**63,
    "resources.timeout_minutes": 1e15,
    "resources.cpus": 1e300,
    "resources.gpus": 1e300,
    "resources.retries": 2**63,
    "resources.max_concurrent": 2**63,
    "training.adam.epsilon": 1e300,
}


@pytest.mark.parametrize("key", TOO_LARGE)
def test_what_no_study_needs_is_refused_before_the_start(tmp_path: Path, key: str) -> None:
    told = refusal(
        write_study(
            tmp_path, GOOD.replace("final: {seeds: 5}", "final: {seeds: 5}\nsilencing: {fractions: [0, 1], masks: 1}")
        ),
        overrides=[f"{key}={TOO_LARGE[key]}"],
    )
    assert f"--set {key}" in told
    assert "allowed:" in told


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((10, 3, 40), ["whole repeats of the search, each with 2 seeds", "final.seeds.step", "give 4"]),
        ((10, 4, 41), ["whole repeats of the search", "final.seeds.most", "give 42"]),
        ((10, 20, 220), ["a search can be repeated 99 times", "final.seeds.most", "at most 198"]),
        ((12, 4, 40), ["12 seeds cannot be shared equally by the 5", "final.seeds"]),
    ],
)
def test_looks_add_whole_repeats(tmp_path: Path, overrides: tuple[int, int, int], words: list[str]) -> None:
    first, step, most = overrides
    given = f"final.seeds={{first: {first}, step: {step}, most: {most}}}"
    message = refusal(write_study(tmp_path), overrides=["search.repeats=5", given])
    assert all(word in message for word in words), message


def test_looks_that_add_repeats_need_numbers_of_seeds(tmp_path: Path) -> None:
    given = ["search.repeats=5", "final.seeds={first: 10, step: 2, most: 40}", "confirm.seeds=[1,2,3,4,5]"]
    assert "need seeds of their own" in refusal(write_study(tmp_path), overrides=given)
