"""Factors in a study file: the conditions that a crossing makes, the levels that written ones have, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT
from study_texts import refusal

from glifr.records import Declaration, declaration_hash
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import Study, load_study, read_resolved

HEAD = """\
name: own
reference: {reference}
task: {{name: sine}}
training: {{epochs: 2, batch_size: 6}}
final: {{seeds: 2}}
"""
FIXED = "fixed: {learning_rate: 1.0e-3}"
DELAYS = "delay: [0.5, 1.0, 2.0]"
CURRENTS = "currents: {none: {num_ascs: 0}, two: {num_ascs: 2}}"
BASE = f"start: {{base: LHetA, delay: 1.5, num_ascs: 3, training: {{dropout: 0.1}}, {FIXED}}}"


def text(
    *factors: str,
    conditions: tuple[str, ...] = (BASE,),
    reference: str = "start",
    rest: str = "crossing: {base: start}",
) -> str:
    found = HEAD.format(reference=reference)
    found += "conditions:\n" + "".join(f"  {line}\n" for line in conditions) if conditions else ""
    found += "factors:\n" + "".join(f"  {line}\n" for line in factors) if factors else ""
    return f"{found}{rest}\n"


def written(folder: Path, study: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(study)
    return path


def read(folder: Path, study: str, *overrides: str) -> Study:
    return load_study(written(folder, study), overrides=overrides)


def plan_of(folder: Path, study: str) -> StudyPlan:
    return make_plan(read(folder, study), "data")


def crossed(folder: Path, *factors: str, **more: Any) -> StudyPlan:
    return plan_of(folder, text(*factors, **more))


def test_each_combination_of_levels_is_a_condition(tmp_path: Path) -> None:
    plan = crossed(tmp_path, "delay: [0.5, 2.0]", CURRENTS)
    made = [name for name in plan.conditions if name != "start"]
    assert made == ["delay0p5-none", "delay0p5-two", "delay2-none", "delay2-two"]
    assert [(plan.conditions[n].delay, plan.conditions[n].condition.num_ascs) for n in made] == [
        (0.5, 0), (0.5, 2), (2.0, 0), (2.0, 2),
    ]  # fmt: skip
    assert plan.conditions["delay2-none"].levels == {"delay": "2", "currents": "none"}
    assert plan.conditions["start"].levels is None


def test_made_conditions_are_those_that_would_be_written(tmp_path: Path) -> None:
    """The same values have the same identities and study hash; default contrasts, too."""
    by_hand = text(
        conditions=(
            BASE,
            "delay0p5-none: {base: start, delay: 0.5, num_ascs: 0}",
            "delay0p5-two: {base: start, delay: 0.5, num_ascs: 2}",
            "delay2-none: {base: start, delay: 2.0, num_ascs: 0}",
            "delay2-two: {base: start, delay: 2.0, num_ascs: 2}",
        ),
        rest="",
    )
    (tmp_path / "hand").mkdir()
    hand, made = plan_of(tmp_path / "hand", by_hand), crossed(tmp_path, "delay: [0.5, 2.0]", CURRENTS)
    assert hand.study.hash == made.study.hash
    assert hand.study.spec.declaration().contrasts == made.study.spec.declaration().contrasts
    for name in hand.conditions:
        values = {"learning_rate": 1e-3}
        assert hand.identity("final", name, values, (1,)) == made.identity("final", name, values, (1,))


def test_colours_follow_the_first_factor_and_markers_differ(tmp_path: Path) -> None:
    plan = crossed(tmp_path, DELAYS, CURRENTS)
    looks = {name: (own.condition.color, own.condition.marker) for name, own in plan.conditions.items() if own.levels}
    by_delay = {delay: {color for name, (color, _) in looks.items() if name.startswith(delay)} for delay in
                ("delay0p5-", "delay1-", "delay2-")}  # fmt: skip
    assert all(len(colors) == 1 for colors in by_delay.values())
    assert len(set.union(*by_delay.values())) == 3
    assert len({marker for _, marker in looks.values()}) == 6


def test_a_part_of_the_cells_can_be_listed(tmp_path: Path) -> None:
    plan = crossed(
        tmp_path, DELAYS, CURRENTS, rest="crossing: {base: start, cells: [[0.5, none], [1.0, two], [2.0, none]]}"
    )
    assert [name for name in plan.conditions if name != "start"] == ["delay0p5-none", "delay1-two", "delay2-none"]


def test_factors_are_declared_and_come_back_from_the_record(tmp_path: Path) -> None:
    study = read(tmp_path, text("delay: {levels: [0.5, 1.0, 2.0], scale: log}", CURRENTS))
    delay, currents = study.spec.declaration().factors
    assert (delay.ordered, delay.numbers, delay.scale) == (True, (0.5, 1.0, 2.0), "log")
    assert [level.name for level in currents.levels] == ["none", "two"]
    assert currents.levels[0].conditions == ("delay0p5-none", "delay1-none", "delay2-none")
    assert not currents.ordered
    back = read_resolved(json.loads(json.dumps(study.resolved)))
    assert back.declaration() == study.spec.declaration()
    body = json.loads(json.dumps(make_plan(study, "").summary()["declaration"]))
    assert Declaration.from_json(body) == study.spec.declaration()


def test_the_declaration_is_hashed_with_its_factors_and_the_study_without(tmp_path: Path) -> None:
    plain, log = (
        read(tmp_path, text(f"delay: {{levels: [0.5, 1.0, 2.0], scale: {scale}}}", CURRENTS))
        for scale in ("linear", "log")
    )
    assert plain.hash == log.hash
    assert plain.spec.declaration().hash != log.spec.declaration().hash


PUBLISHED = (
    "currents: {none: [Hom, LHet], two: [HomA, LHetA]}",
    "neurons: {fixed: [Hom, HomA], learned: [LHet, LHetA]}",
)
FOUR = tuple(f"{name}: {{{FIXED}}}" for name in ("Hom", "HomA", "LHet", "LHetA"))


def test_declaring_what_was_taken_for_granted_changes_no_hash(tmp_path: Path) -> None:
    with_, without = (
        read(tmp_path, text(*factors, conditions=FOUR, reference="LHetA", rest="")) for factors in (PUBLISHED, ())
    )
    assert len(with_.spec.declaration().factors) == 2
    assert with_.spec.declaration().hash == without.spec.declaration().hash
    learned = text("neurons: {fixed: [Hom], learned: [LHetA]}", conditions=FOUR, reference="LHetA", rest="")
    other = read(tmp_path, learned)
    assert other.spec.declaration().hash != without.spec.declaration().hash
    assert declaration_hash(other.spec.declaration().to_json()) == other.spec.declaration().hash


def test_values_tell_which_written_conditions_have_a_level(tmp_path: Path) -> None:
    conditions = (*FOUR, *(f"{name}_slow: {{base: {name}, delay: 2.0}}" for name in ("Hom", "HomA", "LHet", "LHetA")))
    factors = ("delay: [1.0, 2.0]", "num_ascs: [0, 2]", "learned: [false, true]")
    declared = read(tmp_path, text(*factors, conditions=conditions, reference="LHetA", rest="")).spec.declaration()
    delay, currents, learned = declared.factors
    assert delay.levels[1].conditions == ("Hom_slow", "HomA_slow", "LHet_slow", "LHetA_slow")
    assert currents.levels[0].conditions == ("Hom", "LHet", "Hom_slow", "LHet_slow")
    assert learned.levels[1].conditions == ("LHet", "LHetA", "LHet_slow", "LHetA_slow")


def test_levels_of_training_and_of_fixed_values(tmp_path: Path) -> None:
    """Learning rate x dropout x batch size, as public projects run it."""
    plan = crossed(
        tmp_path,
        "fixed.learning_rate: [1e-3, 1e-2]",
        "training.dropout: [0.0, 0.4]",
        "training.batch_size: [3, 6]",
        rest="crossing: {base: start}\nvary: [training.batch_size]",
    )
    own = plan.conditions["learning_rate0p01-dropout0p4-batch_size3"]
    assert own.fixed == {"learning_rate": 0.01}
    assert (own.training.dropout, own.training.batch_size) == (0.4, 3)
    assert len(plan.conditions) == 9


def test_values_that_all_made_conditions_have(tmp_path: Path) -> None:
    rest = f"crossing: {{base: LHetA, values: {{hidden_size: 9, {FIXED}}}}}"
    plan = crossed(tmp_path, DELAYS, conditions=(), reference="delay1", rest=rest)
    assert {(own.hidden_size, own.fixed["learning_rate"]) for own in plan.conditions.values()} == {(9, 1e-3)}
    wrong = text(DELAYS, conditions=(), reference="delay1", rest=rest.replace("hidden_size", "hiden_size"))
    assert "own.yaml: crossing.values.hiden_size (line 8)" in refusal(written(tmp_path, wrong))


def test_architecture_and_width_with_given_seeds(tmp_path: Path) -> None:
    study = text(
        f"network: {{LSTM: {{base: LSTM, {FIXED}}}, tanh: {{base: RNN, {FIXED}}}}}",
        "hidden_size: [10, 25, 50, 100]",
        conditions=(),
        reference="tanh-hidden_size50",
        rest="crossing: {}",
    ).replace("seeds: 2", "seeds: [11, 12, 13, 14, 15]")
    plan = plan_of(tmp_path, study)
    assert len(plan.conditions) == 8
    assert (
        plan.conditions["LSTM-hidden_size25"].condition.architecture,
        plan.conditions["LSTM-hidden_size25"].hidden_size,
    ) == ("LSTM", 25)
    assert plan.study.spec.final_seeds() == (11, 12, 13, 14, 15)


def test_a_profile_and_an_override_change_factors(tmp_path: Path) -> None:
    study = text(DELAYS, CURRENTS) + "profiles: {quick: {factors: {delay: [0.5, 2.0]}}}\n"
    path = written(tmp_path, study)
    assert len(load_study(path).spec.conditions) == 7
    assert len(load_study(path, profile="quick").spec.conditions) == 5
    assert list(load_study(path, overrides=["factors.delay=[1.5, 2.5]"]).spec.conditions)[1] == "delay1p5-none"


THREE = ("currents: {none: [Hom, LHet], two: [HomA]}", "neurons: {fixed: [Hom, HomA], learned: [LHet]}")
BAD = {
    "unknown base": (
        text(DELAYS, rest="crossing: {base: LHetB}"),
        ["there is no condition 'LHetB' that could be a base", "own.yaml: crossing.base (line 10)", "did you mean"],
    ),
    "no base": (text(DELAYS, rest="crossing: {}"), ["have no base", "own.yaml: crossing (line 10)"]),
    "a base set twice": (
        text("network: {a: {base: RNN}, b: {base: LHet}}", rest="crossing: {base: start}"),
        ["the base is set twice", "own.yaml: crossing.base (line 10)", "remove it here"],
    ),
    "a value that the base lacks": (
        text(CURRENTS, conditions=(f"start: {{base: LSTM, {FIXED}}}",)),
        ["an LSTM network has no num_ascs", "own.yaml: factors.currents.none.num_ascs (line 9)", "remove it"],
    ),
    "a setting that does not exist": (
        text("currents: {none: {num_asc: 0}, two: {num_asc: 2}}"),
        ["unknown key 'num_asc'", "own.yaml: factors.currents.none.num_asc (line 9)"],
    ),
    "a level that is no value": (
        text("delay: [0.5, fast]"),
        ["this is not a delay", "own.yaml: factors.delay[1] (line 9)", "one_step, none, or a number"],
    ),
    "one level": (text("delay: [0.5]"), ["a factor needs two levels or more", "own.yaml: factors.delay", "(line 9)"]),
    "a level twice": (text("delay: [0.5, 0.5]"), ["a level is given twice", "own.yaml: factors.delay"]),
    "levels that are the same": (
        text("currents: {none: {num_ascs: 0}, nil: {num_ascs: 0}}"),
        ["the levels none and nil are the same", "own.yaml: factors.currents (line 9)"],
    ),
    "a cell twice": (
        text(DELAYS, rest="crossing: {base: start, cells: [[0.5], [1.0], [2.0], [0.5]]}"),
        ["a cell is listed twice", "own.yaml: crossing.cells[3] (line 10)", "list it once"],
    ),
    "a cell with an unknown level": (
        text(DELAYS, rest="crossing: {base: start, cells: [[0.5], [1.5], [2.0]]}"),
        ["the factor delay has no level '1.5'", "own.yaml: crossing.cells[1] (line 10)", "one of 0.5, 1, 2"],
    ),
    "a cell that is too short": (
        text(DELAYS, CURRENTS, rest="crossing: {base: start, cells: [[0.5], [1.0]]}"),
        ["a cell has a level of each of 2 factors, in their order: delay, currents", "crossing.cells[0] (line 11)"],
    ),
    "a level in no cell": (
        text(DELAYS, rest="crossing: {base: start, cells: [[0.5], [1.0]]}"),
        ["no cell has the level '2' of delay", "own.yaml: crossing.cells (line 10)"],
    ),
    "a name that is taken": (
        text(DELAYS, conditions=(BASE, "delay1: {base: start, delay: 3.0}")),
        ["makes a condition 'delay1', and one of that name is written by hand", "own.yaml: conditions.delay1 (line 8)"],
    ),
    "two factors for one value": (
        text(DELAYS, "late: {no: {delay: 1.0}, yes: {delay: 2.0}}"),
        ["delay is set twice: by delay and by late", "own.yaml: factors.late (line 10)", "let one of them set it"],
    ),
    "a value that all have and a factor sets": (
        text(DELAYS, rest="crossing: {base: start, values: {delay: 3.0}}"),
        ["delay is set twice: by crossing.values and by delay", "own.yaml: factors.delay (line 9)"],
    ),
    "levels that list conditions": (
        text("currents: {none: [start], two: [start]}"),
        ["these levels list conditions", "own.yaml: factors.currents (line 9)"],
    ),
    "a crossing of nothing": (
        text(),
        ["a crossing needs factors to cross", "own.yaml: crossing", "add `factors:`"],
    ),
    "mixed levels": (
        text("currents: {none: [start], two: {num_ascs: 2}}"),
        ["some levels are values and others list conditions", "own.yaml: factors.currents"],
    ),
    "a scale that no text has": (
        text("currents: {levels: {none: {num_ascs: 0}, two: {num_ascs: 2}}, scale: log}"),
        ["not all numbers above 0", "own.yaml: factors.currents.scale (line 9)", "linear"],
    ),
    "not crossed completely": (
        text(*THREE, conditions=FOUR[:3], reference="Hom", rest=""),
        [
            "the factors are not crossed completely: no condition has currents two, neurons learned",
            "own.yaml: factors (line 10)",
            "a condition at every combination of levels",
        ],
    ),
    "a condition that is not there": (
        text(*PUBLISHED, conditions=FOUR[:3], reference="Hom", rest=""),
        ["the level two of currents lists a condition that is not in the study", "LHetA", "own.yaml: factors.currents"],
    ),
    "two levels of a factor": (
        text("currents: {none: [Hom, LHet], two: [LHet, HomA]}", conditions=FOUR, reference="LHetA", rest=""),
        ["LHet has two levels of currents: none and two", "own.yaml: factors.currents (line 12)"],
    ),
    "a level of one factor alone": (
        text(PUBLISHED[0], THREE[1], conditions=FOUR, reference="LHetA", rest=""),
        ["LHetA has a level of currents and none of neurons", "own.yaml: factors.neurons (line 13)"],
    ),
    "two conditions in a cell": (
        text("num_ascs: [0, 2]", conditions=FOUR, reference="LHetA", rest=""),
        ["only one condition can be a cell", "Hom and LHet (num_ascs 0)", "own.yaml: factors (line 11)"],
    ),
    "a value that no condition has": (
        text("delay: [1.0, 2.0]", conditions=FOUR[:1], reference="Hom", rest=""),
        ["no condition has the level 2 of delay", "crossing: {base: LHetA}", "own.yaml: factors.delay (line 9)"],
    ),
    "far too many": (
        text(*(f"training.adam.beta{i}: [{', '.join(f'0.{k:03}' for k in range(1, 41))}]" for i in (1, 2))),
        ["the crossing makes 1,600 conditions", "at most 1,000", "list the cells"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    study, said = BAD[name]
    told = refusal(written(tmp_path, study))
    for words in said:
        assert words in told
    places = [line for line in told.splitlines() if "where:" in line]
    assert all("own.yaml: factors" in place or "own.yaml: c" in place for place in places), told


def test_taking_a_cell_out_of_declared_factors_is_refused(tmp_path: Path) -> None:
    path = ROOT / "studies" / "sigma_v_annealing.yaml"
    assert "lists a condition that is not in the study" in refusal(path, overrides=["conditions.Hom=null"])
    assert load_study(path, overrides=["conditions.Hom=null", "factors=null"]).spec.declaration().factors == ()
