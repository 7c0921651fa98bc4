"""What a study declares beforehand: defaults, rules, hash, and that a change after results is on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import small_plan
from study_texts import GOOD, load, refusal, write_study

from glifr.conditions import CONDITIONS, Condition, NetworkKind
from glifr.records import Declaration, Layout, default_contrasts, default_smallest_effect, read_sealed
from launch.ledger import folder

DECLARED = (
    GOOD + "analysis: {contrasts: {currents: {of: LHetA, minus: [LHet]}, networks: {of: [LHet, LHetA], minus: RNN}}}\n"
)


def test_the_ten_conditions_have_twelve_contrasts() -> None:
    """Nine against the reference, GLIFR as a whole against RNN and LSTM, and these two."""
    contrasts = default_contrasts(list(CONDITIONS), "LHetA")
    assert len(contrasts) == 12
    assert [c.minus for c in contrasts[:9]] == [("LHetA",)] * 9
    assert contrasts[9].of == tuple(n for n, c in CONDITIONS.items() if c.architecture == "GLIFR")
    assert [c.name for c in contrasts[9:]] == ["GLIFR − RNN", "GLIFR − LSTM", "LSTM − RNN"]


@pytest.mark.parametrize(("names", "reference", "wanted"), [
    (["LHetA"], "LHetA", []),
    (["RNN", "LSTM"], "RNN", ["LSTM − RNN"]),
    (["RNN", "LHetA"], "LHetA", ["RNN − LHetA"]),
    (["LHet", "RNN"], "LHetA", []),
])  # fmt: skip
def test_defaults_name_only_what_the_study_has(names: list[str], reference: str, wanted: list[str]) -> None:
    assert [c.name for c in default_contrasts(names, reference)] == wanted


GRU = NetworkKind(keys=())
ADAPTIVE = NetworkKind(keys=(), parameters=("thresh", "decay"))
OWN = {
    **CONDITIONS,
    **{name: Condition(name, "lab:gru", outside=GRU) for name in ("gru", "gru_wide")},
    **{
        name: Condition(name, "lab:adaptive", 0, "homogeneous", True, outside=ADAPTIVE) for name in ("own", "own_fixed")
    },
}


@pytest.mark.parametrize(("names", "reference", "wanted"), [
    # several of the reference's network, which has no neuron parameters
    (["gru", "gru_wide", "LSTM", "RNN"], "gru",
     ["gru_wide − gru", "LSTM − gru", "RNN − gru", "lab:gru − RNN", "lab:gru − LSTM", "LSTM − RNN"]),
    # two neuron models, and a network beside
    (["own", "own_fixed", "Hom", "LHet", "RNN"], "own",
     ["own_fixed − own", "Hom − own", "LHet − own", "RNN − own", "GLIFR − lab:adaptive", "GLIFR − RNN",
      "lab:adaptive − RNN"]),
    # one condition each: by the reference alone
    (["gru", "own", "LSTM"], "LSTM", ["gru − LSTM", "own − LSTM"]),
    (["RNN", "Hom", "LHet"], "RNN", ["Hom − RNN", "LHet − RNN", "GLIFR − RNN"]),
])  # fmt: skip
def test_defaults_follow_from_what_the_networks_are(names: list[str], reference: str, wanted: list[str]) -> None:
    assert [c.name for c in default_contrasts(names, reference, OWN)] == wanted


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    declared = load(tmp_path).spec.declaration()
    assert (declared.primary, declared.smallest_effect, declared.alpha) == ("accuracy", 0.005, 0.05)
    assert declared.contrasts == default_contrasts(["RNN", "LSTM", "LHet", "LHetA"], "LHetA")
    assert default_smallest_effect("loss", 2.0) == pytest.approx(0.02)


def test_contrasts_of_the_file_replace_the_defaults(tmp_path: Path) -> None:
    currents, networks = load(tmp_path, DECLARED).spec.declaration().contrasts
    assert (currents.name, currents.of, currents.minus) == ("currents", ("LHetA",), ("LHet",))
    assert networks.conditions == ("LHet", "LHetA", "RNN")


def test_the_declaration_has_its_own_hash_and_leaves_that_of_the_study(tmp_path: Path) -> None:
    plain, other = load(tmp_path), load(tmp_path, overrides=["analysis.alpha=0.01"])
    assert plain.hash == other.hash
    assert plain.spec.declaration().hash != other.spec.declaration().hash
    assert Declaration.from_json(plain.spec.declaration().to_json()) == plain.spec.declaration()


BAD = {
    "unknown condition": ("contrasts={a: {of: LHetX, minus: RNN}}", "did you mean 'LHet'?"),
    "not in the study": ("contrasts={a: {of: HomA, minus: RNN}}", "names a condition that is not in the study"),
    "both sides": ("contrasts={a: {of: [RNN, LHet], minus: RNN}}", "stands on both sides"),
    "twice": ("contrasts={a: {of: [RNN, RNN], minus: LHet}}", "a condition is given twice"),
    "no side": ("contrasts={a: {of: RNN}}", "the key 'minus' is missing"),
    "alpha": ("alpha=0.7", "the number is too large"),
    "percent": ("smallest_effect=2", "write 0.01 for one percentage point"),
    "measure": ("primary=precision", "has no measure 'precision'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_declaration_is_refused(case: str, tmp_path: Path) -> None:
    override, words = BAD[case]
    assert words in refusal(write_study(tmp_path), overrides=[f"analysis.{override}"])


def test_a_change_after_results_exist_is_on_record(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "results")
    layout.root.mkdir()
    folder.write_study(layout, small_plan(tmp_path))
    folder.write_study(layout, small_plan(tmp_path))
    result = layout.units / "final" / "RNN" / "1" / "result.json"
    result.parent.mkdir(parents=True)
    result.touch()
    folder.write_study(layout, small_plan(tmp_path, "final.seeds=4"))
    assert [d["final_results"] for d in read_sealed(layout.study)["declarations"]] == [0], "seeds are no declaration"
    folder.write_study(layout, small_plan(tmp_path, "analysis.smallest_effect=0.02"))
    body = read_sealed(layout.study)
    assert [d["final_results"] for d in body["declarations"]] == [0, 1]
    assert body["declarations"][-1]["hash"] == Declaration.from_json(body["declaration"]).hash
