"""Simulated looks: each study comes out as the looks of a results folder would, and errors are held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from records_factory import Synthetic, write_study

from analysis import load
from analysis.results.study import StudyInfo
from analysis.sequential.family import LookValues
from analysis.sequential.judge import judge_look
from analysis.simulation import look_rates
from analysis.simulation.families import PLANNED, effects
from analysis.simulation.look_rates import DESIGN, FIXED, SPENDINGS, costs, error_rates, families
from analysis.simulation.looks import DIFFERENT, EQUIVALENT, HOPELESS, OPEN, Rules, play
from analysis.simulation.nulls import NAMES, NULLS
from glifr.records import Look, LookDesign

DESIGN_OF_TEST = LookDesign(12, 6, 24)
BY_NAME = {null.name: null for null in NULLS}
_STATES = {"open": OPEN, "undecided": OPEN, "futile": HOPELESS}


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> StudyInfo:
    """A study of all conditions whose looks judge the planned contrasts and the effects."""
    looks = (DESIGN_OF_TEST.first, DESIGN_OF_TEST.step, DESIGN_OF_TEST.most)
    study = Synthetic(conditions=NAMES, seeds=1, trials=0, silencing=False, looks=looks)
    return load(write_study(tmp_path_factory.mktemp("study") / "results", study)).info


def one_by_one(study: np.ndarray, info: StudyInfo, margin: float) -> tuple[list[int], list[float]]:
    """States and p over all looks of a study's contrasts and effects, from look to look."""
    judged = replace(info, declaration=replace(info.declaration, smallest_effect=margin))
    looks: list[Look] = []
    for number, units in enumerate(DESIGN_OF_TEST.sizes, 1):
        values = pd.DataFrame(study[:units], columns=list(NAMES), index=range(1, units + 1))
        entries = judge_look(LookValues(values, ()), judged, number, looks)
        looks.append(Look(number, units, "", "", 0.0, 0.0, (), tuple(entries), {}))
    last = looks[-1].entries
    words = {"equivalent": EQUIVALENT}
    states = [_STATES[e.state] if e.state in _STATES else words.get(e.word, DIFFERENT) for e in last]
    return states, [e.value("p_total") for e in last]


@pytest.mark.parametrize("name", ["independent", "copies", "failing-some", "half-skewed"])
def test_many_studies_at_once_are_judged_as_each_alone(name: str, info: StudyInfo) -> None:
    values = BY_NAME[name].draw(np.random.default_rng(3), 4, DESIGN_OF_TEST.most)
    values[0, :, 5] += 1.5  # some with an effect
    values[1, :, 3:6] -= 1.0
    margin = 1.5 * float(values.std(axis=1).min(axis=1).mean())
    ended = play(values, (*PLANNED, *effects()), Rules(DESIGN_OF_TEST, margin))
    for s, study in enumerate(values):
        states, totals = one_by_one(study, info, margin)
        assert ended.state[s].tolist() == states
        decided = ended.state[s] == DIFFERENT
        assert ended.total[0, s][decided] == pytest.approx(np.array(totals)[decided])
    assert len(set(ended.state.ravel().tolist())) > 1


@pytest.mark.parametrize("name", ["independent", "copies", "sine"])
def test_the_error_over_all_looks_is_held(name: str) -> None:
    found = {rate.what: rate for rate in error_rates(BY_NAME[name], 300)}
    for family in families():
        low, _ = found[f"looks: fwer {family}"].limits
        assert low <= 0.06
        assert found[f"looks: covers least {family}"].share >= 0.92


def test_looks_that_are_not_corrected_would_err() -> None:
    """What the boundaries are for: the level of one look at each of eight."""
    values = NULLS[0].draw(np.random.default_rng(4), 300, DESIGN.most)
    contrasts = families()["pairs"]
    found = np.zeros((300, len(contrasts)), dtype=bool)
    for n in DESIGN.sizes:
        found |= play(values[:, :n], contrasts, Rules(LookDesign(n, 1, n), 1.0, exact=False)).state == DIFFERENT
    assert found.any(axis=1).mean() > 0.08


def test_large_effects_cost_a_fraction_of_the_fixed_design(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_rates, "FIXED", (12, 20, 40))
    monkeypatch.setattr(look_rates, "PLANTED", (0.0, 1.2, 2.0))
    monkeypatch.setattr(look_rates, "SPENDINGS", {"Pocock": SPENDINGS["Pocock"]})
    found = {(c.rule, c.family, c.effect): c for c in costs(40)}
    for effect in (1.2, 2.0):
        cost = found["Pocock", "pairs", effect]
        assert cost.networks <= 0.7
        assert cost.found >= 0.95
    assert found["Pocock", "pairs", 2.0].networks < found["Pocock", "pairs", 1.2].networks
    assert found["any time, t test", "pairs", 1.2].found > 0.9
    assert min(FIXED) < DESIGN.first


def test_the_command_writes_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_rates, "PLANTED", (2.0,))
    monkeypatch.setattr(look_rates, "FIXED", (12, 40))
    assert look_rates.main(["60", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "looks.csv").read_text().count("fwer") == 3 * len(NULLS)
    assert "Pocock,pairs,2.0" in (tmp_path / "looks_cost.csv").read_text()
