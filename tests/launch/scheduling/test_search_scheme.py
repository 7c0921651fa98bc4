"""What was begun, or written down, before searches were repeated stands: hashes, identities, proposals.

golden/begun_under_scheme_1.json was made by commit ecac53f, the last of the old scheme: a study's hashes and proposals,
and the files of that study, stopped in the midst of its search.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paths import GOLDEN
from small_study import StopAfter, conduct, small_plan

from glifr.errors import InputError
from glifr.records import STAGES, Layout, UnitId, read_sealed, seal
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.plan import SCHEME, SCHEME_BY_CONDITION, StudyPlan
from launch.scheduling.scheme import under_its_scheme
from launch.scheduling.search import ConditionSearch, SearchRules
from launch.studyfile import Dimension, Sampler
from launch.studyfile.search.pruners import NonePruner
from launch.studyfile.search.samplers import RandomSampler, TpeSampler

OLD: dict[str, Any] = json.loads((GOLDEN / "begun_under_scheme_1.json").read_text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder as the old version left it."""
    for name, text in OLD["files"].items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "results"


def plan_of(folder: Path, *overrides: str) -> StudyPlan:
    return small_plan(folder, *overrides, text=OLD["text"])


def test_a_study_with_one_search_has_the_hashes_that_it_had(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert plan.study.hash == OLD["hash"]
    assert plan_of(tmp_path, "search.repeats=1").study.hash == OLD["hash"]
    assert plan_of(tmp_path, "search.repeats=2").study.hash != OLD["hash"]
    assert plan.study.spec.declaration().hash == OLD["declaration"]


def test_a_unit_of_the_first_repeat_has_the_identity_that_it_had(tmp_path: Path) -> None:
    """Also in a study that repeats its search: its search is then extended, not begun anew."""
    for plan in (plan_of(tmp_path), plan_of(tmp_path, "search.repeats=2", "final.seeds=4")):
        spec = plan.study.spec
        seeds = {"search": spec.search_seeds(), "confirm": spec.confirm_seeds()}
        for name, identity in OLD["identities"].items():
            unit = UnitId.parse(name)
            found = OLD["proposals"][f"search/{unit.condition}/{_chosen(unit)}"]
            assert plan.identity(unit.stage, unit.condition, found, seeds.get(unit.stage, (unit.number,))) == identity
    assert {UnitId.parse(name).stage for name in OLD["identities"]} == set(STAGES)


def _chosen(unit: UnitId) -> int:
    confirmed = (UnitId.parse(name) for name in OLD["identities"] if name.startswith("confirm/"))
    mine = {u.condition: u.number for u in confirmed}
    return unit.number if unit.stage in ("search", "confirm") else mine[unit.condition]


@pytest.mark.parametrize(
    "sampler", [TpeSampler(name="tpe", startup_trials=4), RandomSampler(name="random")], ids=lambda s: s.name
)
def test_the_old_scheme_proposes_what_it_did(sampler: Sampler) -> None:
    space = {
        "learning_rate": Dimension(low=1e-4, high=1e-2, scale="log"),
        "neuron_spread": Dimension(low=0.0, high=2.0, scale="linear"),
    }
    rules = SearchRules(sampler, NonePruner(name="none"), 7, SCHEME_BY_CONDITION)
    search = ConditionSearch("RHet", space, rules)
    for number, wanted in enumerate(OLD["asked"][sampler.name]):
        assert search.ask() == (number, wanted)
        search.tell(number, "complete", abs(wanted["neuron_spread"] - 1.5))


def test_a_folder_begun_under_the_old_scheme_goes_on_under_it(root: Path, tmp_path: Path) -> None:
    plan = under_its_scheme(Layout(root), plan_of(tmp_path))
    assert plan.scheme == SCHEME_BY_CONDITION
    done = {name for name in OLD["files"] if name.startswith("units/search") and name.endswith("proposal.json")}
    assert 0 < len(done) < len(OLD["proposals"])
    conduct(plan, root, StopAfter(10))
    ledger = Ledger(root)
    for condition in plan.conditions:
        units = ledger.units("search", condition)
        first_new = next(u for u in units if f"units/{u}/proposal.json" not in done)
        for unit in units[: first_new.number + 1]:  # the later ones depend on this machine's last bits
            found = ledger.proposal(unit)
            assert found is not None
            assert found.hyperparameters == OLD["proposals"][str(unit)]
    assert read_sealed(ledger.layout.study)["scheme"] == SCHEME_BY_CONDITION
    assert under_its_scheme(Layout(root), plan_of(tmp_path)).scheme == SCHEME_BY_CONDITION  # and again


def test_the_scheme_is_known_though_the_study_is_damaged(root: Path, tmp_path: Path) -> None:
    """study.json is then set aside and written anew; what was proposed tells."""
    (root / "study.json").unlink()
    assert under_its_scheme(Layout(root), plan_of(tmp_path)).scheme == SCHEME_BY_CONDITION


def test_a_new_folder_has_the_new_scheme_and_keeps_it(tmp_path: Path) -> None:
    layout, plan = Layout(tmp_path / "new"), plan_of(tmp_path)
    layout.root.mkdir()
    assert under_its_scheme(layout, plan).scheme == SCHEME
    write_study(layout, plan)
    assert read_sealed(layout.study)["scheme"] == SCHEME
    conduct(plan, layout.root, StopAfter(4))
    layout.study.unlink()
    assert under_its_scheme(layout, replace(plan, scheme=0)).scheme == SCHEME


def test_a_search_cannot_be_repeated_under_the_old_scheme(root: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "search.repeats=2")
    with pytest.raises(InputError, match="the search cannot be repeated here") as refused:
        under_its_scheme(Layout(root), plan)
    for words in ("search.repeats", "another --results folder"):
        assert words in str(refused.value)
    body = read_sealed(root / "study.json")
    (root / "study.json").write_bytes(seal({**body, "scheme": SCHEME}))
    assert under_its_scheme(Layout(root), plan).study.spec.repeats == 2
