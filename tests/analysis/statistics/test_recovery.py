"""Parameters found beside those that were to be found: by hand, and from a study of the task that knows them."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from outside_networks import LAB
from small_study import conduct, small_plan

from analysis.figures.drawing.drawing import Drawing, MissingFigure
from analysis.figures.recovery import parameter_recovery
from analysis.load import load
from analysis.statistics.recovery import recovered, recoveries
from analysis.tables import recovery_sheet
from glifr.errors import InputError
from glifr.networks import BNNFC
from glifr.tasks import recovery_task
from launch.planning.plan import make_plan
from launch.studyfile import load_study

TARGET = {"thresh": [-0.5], "k_m": [0.05], "k_j": [2.0, 2.5], "r_j": [-0.1, 0.1], "a_j": [0.05, -0.05]}
PERFECT = {"thresh": [-0.5], "k_m": [0.05], "k_j": [2.5, 2.0], "r_j": [0.1, -0.1], "a_j": [-0.05, 0.05]}  # renumbered
OFF = {**PERFECT, "thresh": [-0.524], "k_m": [0.0526], "r_j": [0.1, -0.108]}  # 4.8 %, 5.2 %, 0 and 8 %
PLAIN = {"thresh": [-0.5], "k_m": [0.05]}


def parameters(*networks: tuple[str, int, dict[str, list[float]] | None]) -> pd.DataFrame:
    rows = []
    for condition, seed, found in networks:
        for when, values in (("target", TARGET), ("end", found or {})):
            rows += [
                {"stage": "final", "condition": condition, "seed": seed, "parameter": name, "index": j, "when": when,
                 "mean": value} for name, own in values.items() for j, value in enumerate(own)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def test_currents_are_matched_whatever_their_numbers() -> None:
    values = recoveries(parameters(("LHetA", 1, PERFECT)))
    assert len(values) == 8
    assert values["error"].tolist() == [0.0] * 8
    assert values["found"].tolist() == values["target"].tolist()


def test_errors_are_shares_of_the_target() -> None:
    values = recoveries(parameters(("LHetA", 1, OFF))).set_index(["parameter", "index"])["error"]
    assert values["thresh", 0] == pytest.approx(0.048)
    assert values["k_m", 0] == pytest.approx(0.052)
    assert (values["r_j", 0], values["r_j", 1]) == (pytest.approx(0.08), pytest.approx(0))


def test_a_network_has_recovered_what_it_has_all_values_of() -> None:
    found = {r.parameter: r for r in recovered(recoveries(parameters(("LHetA", 1, OFF), ("LHetA", 2, PERFECT))))}
    assert {name: (row.networks, row.recovered) for name, row in found.items()} == {
        "thresh": (2, 2),
        "k_m": (2, 1),
        "k_j": (2, 2),
        "r_j": (2, 1),
        "a_j": (2, 2),
    }
    assert found["r_j"].error == pytest.approx(0.02)  # (0 + 8) / 2 % and 0
    # exact interval of 1 of 2: (1 -+ sqrt(.95)) / 2
    assert (found["k_m"].low, found["k_m"].high) == pytest.approx((0.012579, 0.987421), abs=1e-6)


def test_a_diverged_network_has_recovered_nothing_and_a_model_without_currents_has_none_to_recover() -> None:
    values = recoveries(parameters(("LHet", 1, PLAIN), ("LHet", 2, PLAIN), ("LHetA", 1, PERFECT), ("LHetA", 2, None)))
    found = {(r.condition, r.parameter): r for r in recovered(values)}
    assert {parameter for condition, parameter in found if condition == "LHet"} == {"thresh", "k_m"}
    assert (found["LHet", "thresh"].networks, found["LHet", "thresh"].recovered) == (2, 2)
    assert (found["LHetA", "a_j"].networks, found["LHetA", "a_j"].recovered) == (2, 1)
    assert math.isinf(values[(values["condition"] == "LHetA") & (values["seed"] == 2)]["error"].min())


STUDY = """
name: small
reference: LHetA
evidence: false
conditions:
  LHet:  {delay: 1.0, hidden_size: 1, fixed: {learning_rate: 1.0e-2}}
  LHetA: {delay: 1.0, hidden_size: 1, fixed: {learning_rate: 1.0e-2}}
task: {name: realizable}
training: {epochs: 1, batch_size: 8}
final: {seeds: 2}
"""


def test_a_study_of_known_neurons_has_table_and_figure(tmp_path: Path) -> None:
    root = tmp_path / "results"
    assert conduct(small_plan(tmp_path, text=STUDY), root).complete
    loaded = load(root)
    sheet = recovery_sheet(loaded)
    assert sheet is not None
    assert [(row[0].text, row[1].text) for row in sheet.rows] == [
        ("LHet", "thresh"), ("LHet", "k_m"),
        *(("LHetA", name) for name in ("thresh", "k_m", "k_j", "r_j", "a_j")),
    ]  # fmt: skip
    assert {row[2].text for row in sheet.rows} == {"2"}
    drawn = parameter_recovery(loaded)
    assert isinstance(drawn, Drawing)
    assert len(drawn.data) == 2 * (2 + 8)


def test_other_studies_have_neither(tmp_path: Path) -> None:
    assert conduct(
        small_plan(tmp_path, text=STUDY.replace("realizable", "sine").replace("8}", "6}")), tmp_path / "r"
    ).complete
    loaded = load(tmp_path / "r")
    assert recovery_sheet(loaded) is None
    assert isinstance(parameter_recovery(loaded), MissingFigure)


def test_parts_are_matched_however_many_there_are_and_whatever_they_are_called() -> None:
    """Two compartments of an own model, two parameters each; beside them one that every neuron has once."""
    target = {"gain": [1.0], "tau": [2.0, 8.0], "weight": [0.5, -0.5]}

    def errors(found: dict[str, list[float]]) -> dict[tuple[str, int], float]:
        rows = [
            {
                "stage": "final",
                "condition": "own",
                "seed": 1,
                "parameter": name,
                "index": j,
                "when": when,
                "mean": value,
            }
            for when, values in (("target", target), ("end", found))
            for name, own in values.items()
            for j, value in enumerate(own)
        ]
        values = recoveries(pd.DataFrame(rows)).set_index(["parameter", "index"])["error"]
        return {key: value for key, value in values.items() if value}

    assert errors({"gain": [1.0], "tau": [8.0, 2.0], "weight": [-0.5, 0.5]}) == {}
    assert errors({"gain": [1.1], "tau": [8.0, 2.0], "weight": [-0.4, 0.5]}) == {
        ("gain", 0): pytest.approx(0.1),
        ("weight", 1): pytest.approx(0.2),
    }
    # three parts, of which two are the target's; and one, which is the second of them
    assert errors({"gain": [1.0], "tau": [5.0, 8.0, 2.0], "weight": [0.1, -0.5, 0.5]}) == {}
    assert errors({"gain": [1.0], "tau": [8.0], "weight": [-0.5]}) == {("tau", 0): math.inf, ("weight", 0): math.inf}


OWN_RECOVERY = """
import torch

from glifr.definitions import BuildOptions, NeuronNetwork
from glifr.tasks import recovery_task
from launch.planning.plan import make_plan
from launch.studyfile import load_study
from lab import adaptive


def target(problem):
    drawn = torch.Generator().manual_seed(problem)
    options = BuildOptions(1, 1, 1, 0.05, 1, output_weight=False, backend="reference", generator=drawn)
    return NeuronNetwork(adaptive, options, heterogeneous=True).double()


TASK = recovery_task("adaptive recovery", target)
"""


def test_an_own_neuron_has_recovery_of_its_own_parameters(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_RECOVERY)
    (tmp_path / "lab.py").write_text(LAB)
    own = "{network: 'lab:adaptive', hidden_size: 1, fixed: {learning_rate: 1.0e-2}}"
    text = (
        STUDY.replace("reference: LHetA", "reference: own\ncode: [own, lab]")
        .replace("LHet:  {delay: 1.0, hidden_size: 1, fixed: {learning_rate: 1.0e-2}}", f"own: {own}")
        .replace("{name: realizable}", "{name: 'own:TASK'}")
    )
    (tmp_path / "own.yaml").write_text(text)
    study, root = load_study(tmp_path / "own.yaml"), tmp_path / "results"
    task = study.spec.task
    assert conduct(make_plan(study, task.definition.fingerprint(task.settings())), root).complete
    loaded = load(root)
    sheet = recovery_sheet(loaded)
    assert sheet is not None
    assert [(row[0].text, row[1].text) for row in sheet.rows if row[0].text == "own"] == [
        ("own", "thresh"), ("own", "decay"), ("own", "rise")
    ]  # fmt: skip
    drawn = parameter_recovery(loaded)
    assert isinstance(drawn, Drawing)
    assert set(drawn.data["parameter"]) == {"thresh", "decay", "rise"}


def test_a_target_that_is_not_one_neuron_is_refused() -> None:
    with pytest.raises(InputError, match=r"the target of parameter recovery is one neuron(.|\n)*neurons 2"):
        recovery_task("two", lambda problem: BNNFC(1, 2, 2, 0.05, output_weight=False).double())
