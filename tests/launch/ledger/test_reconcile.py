"""What stands in a results folder when a study comes back to it: damaged, of another study, of other code or data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import TINY, conduct, published, small_plan

from glifr.errors import InputError
from glifr.records import ForeignPathError, UnitId, scan
from launch.ledger.reconcile import Choice, settle
from launch.ledger.repair import set_damaged_aside
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.study_scheduler import StudyScheduler

CODE = "test"  # what tests/support/small_study.py writes into its proposals


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "results"
    assert conduct(small_plan(root.parent, text=TINY), root).complete
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A finished study of one's own."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def plan_of(tmp_path: Path, *overrides: str, text: str = TINY) -> StudyPlan:
    return small_plan(tmp_path, *overrides, text=text)


def names(root: Path) -> set[str]:
    return {str(u.unit) for u in scan(root).units if u.result is not None}


def same(a: Path, b: Path) -> bool:
    return published(a, ("RNN", "LHetA")) == published(b, ("RNN", "LHetA"))


def test_the_same_study_stands(root: Path, tmp_path: Path) -> None:
    assert settle(Ledger(root), plan_of(tmp_path), CODE, None) == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("training.batch_size=150", "training.batch_size"),
        ("training.epochs=2", "training.epochs"),
        ("search.spaces.rnn.learning_rate.high=0.02", "search.spaces.rnn.learning_rate.high"),
        ("search.pruner.name=median", "search.pruner.name"),
    ],
)
def test_another_study_under_the_same_name_is_refused_and_the_difference_shown(
    root: Path, tmp_path: Path, change: str, key: str
) -> None:
    with pytest.raises(InputError, match="another study") as refused:
        settle(Ledger(root), plan_of(tmp_path, change), CODE, None)
    message = str(refused.value)
    assert f"where:   {key}" in message
    assert "as it was" in message


@pytest.mark.parametrize("change", ["resources.retries=5", "final.seeds=3", "training.checkpoint_every=2"])
def test_what_changes_no_result_may_change(root: Path, tmp_path: Path, change: str) -> None:
    assert settle(Ledger(root), plan_of(tmp_path, change), CODE, None) == []


def test_units_of_other_code_are_named_and_the_choice_is_the_users(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="code of glifr") as refused:
        settle(Ledger(root), plan_of(tmp_path), "new code", None)
    assert "14 units: search/" in str(refused.value)
    assert "--keep" in str(refused.value)
    assert "--fresh" in str(refused.value)
    assert len(names(root)) == 14


def test_kept_units_stand_and_unfinished_ones_of_other_code_begin_again(
    root: Path, finished: Path, tmp_path: Path
) -> None:
    ledger, unit = Ledger(root), UnitId("final", "RNN", 2)
    ledger.layout.result(unit).unlink()
    before = {p: p.stat().st_mtime_ns for p in root.glob("units/*/*/*/result.json")}
    told = settle(ledger, plan_of(tmp_path), "new code", "keep")
    assert any("kept" in sentence and "13 units" in sentence for sentence in told)
    assert not ledger.layout.unit(unit).exists()
    assert conduct(plan_of(tmp_path), root).complete
    after = {p: p.stat().st_mtime_ns for p in root.glob("units/*/*/*/result.json")}
    assert before.items() <= after.items()
    assert same(root, finished)


def test_fresh_runs_stale_units_and_all_that_came_of_them_again(root: Path, finished: Path, tmp_path: Path) -> None:
    ledger = Ledger(root)
    plan = plan_of(tmp_path)
    told = settle(ledger, plan, "new code", "fresh")
    assert any("14 units" in sentence for sentence in told)
    assert names(root) == set()
    assert len(list((root / "aside").glob("*/*/*"))) == 14
    assert conduct(plan, root).complete
    assert same(root, finished)


@pytest.mark.parametrize("choice", ["keep", "fresh"])
def test_other_data_make_units_stale(root: Path, tmp_path: Path, choice: str) -> None:
    ledger, other = Ledger(root), replace(plan_of(tmp_path), fingerprint="f" * 64)
    with pytest.raises(InputError, match="or the data, have changed"):
        settle(ledger, other, CODE, None)
    settle(ledger, other, CODE, choice)  # type: ignore[arg-type]
    assert len(names(root)) == (14 if choice == "keep" else 0)
    if choice == "keep":
        assert conduct(other, root).complete
        assert settle(ledger, other, CODE, "keep")


def test_a_longer_search_with_a_new_winner_puts_the_old_winners_units_aside(tmp_path: Path) -> None:
    """An edited study runs what is missing: also final networks, where the added trial wins."""
    root = tmp_path / "results"
    one = conduct(plan_of(tmp_path, "search.trials=1"), root)
    assert one.complete
    conductor = conduct(plan_of(tmp_path, "search.trials=6", "search.sampler.startup_trials=6"), root)
    assert conductor.complete
    fresh = tmp_path / "fresh"
    assert conduct(plan_of(tmp_path, "search.trials=6", "search.sampler.startup_trials=6"), fresh).complete
    changed = [c for c in ("RNN", "LHetA") if winner(fresh, c) != f"confirm/{c}/0"]
    assert changed, "the first trial won in every condition: the test shows nothing"
    for condition in ("RNN", "LHetA"):
        assert winner(root, condition) == winner(fresh, condition)
    mine, theirs = published(root, ("RNN", "LHetA")), published(fresh, ("RNN", "LHetA"))
    assert {u: mine[u] for u in theirs} == theirs


def winner(root: Path, condition: str) -> str | None:
    proposal = Ledger(root).proposal(UnitId("final", condition, 1))
    return proposal.source if proposal else None


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


DAMAGE = {
    "search proposal": "units/search/RNN/0/proposal.json",
    "search result": "units/search/RNN/1/result.json",
    "confirm proposal": "units/confirm/LHetA/*/proposal.json",
    "final proposal": "units/final/LHetA/1/proposal.json",
    "final result": "units/final/RNN/1/result.json",
    "network": "units/final/RNN/2/attempts/*/network.pt",
    "silencing result": "units/silencing/LHetA/2/result.json",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_record_is_set_aside_and_its_unit_runs_again(
    what: str, root: Path, finished: Path, tmp_path: Path
) -> None:
    (path,) = root.glob(DAMAGE[what])
    flip(path)
    told = set_damaged_aside(Ledger(root), ["RNN", "LHetA"])
    assert len(told) == 1
    assert str(path) in told[0]
    conductor: StudyScheduler = conduct(plan_of(tmp_path), root)
    assert conductor.complete
    assert same(root, finished)
    assert set_damaged_aside(Ledger(root), ["RNN", "LHetA"]) == []


def test_two_damaged_records_of_one_unit(root: Path, finished: Path, tmp_path: Path) -> None:
    for name in ("proposal.json", "result.json"):
        flip(root / "units/search/LHetA/1" / name)
    assert len(set_damaged_aside(Ledger(root), ["RNN", "LHetA"])) == 2
    assert conduct(plan_of(tmp_path), root).complete
    assert same(root, finished)


def test_a_result_that_names_a_file_outside_the_folder_is_not_followed(root: Path) -> None:
    layout = Ledger(root).layout
    with pytest.raises(ForeignPathError, match="leads out"):
        layout.inside("../../secret.pt")
    assert layout.inside("units/x.pt") == root / "units/x.pt"


def test_networks_annealed_in_equal_ratios_are_of_another_study(tmp_path: Path) -> None:
    """As earlier versions annealed: their identities had no schedule. No other unit's identity has changed."""
    annealed, plain = plan_of(tmp_path, "training.sigma_v={start: 1.0, end: 0.001}"), plan_of(tmp_path)
    before = {**plain.training_identity("final", "LHetA"), "sigma_v": [1.0, 0.001]}
    found = annealed.training_identity("final", "LHetA")
    assert found != before
    assert {**found, "sigma_v": [1.0, 0.001]} == before
    assert set(plain.training_identity("final", "LHetA")) == {"task", "epochs", "batch_size", "adam", "dropout"}


@pytest.mark.parametrize("choice", ["keep", "fresh"])
def test_an_edited_step_makes_units_stale_and_its_neuron_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice
) -> None:
    plan, ledger = plan_of(tmp_path), Ledger(root)
    monkeypatch.setattr("glifr.definitions.build.changed_digest", lambda c: "ab" * 32 if c.name == "LHetA" else "")
    with pytest.raises(InputError, match="step of the neuron glifr has") as refused:
        settle(ledger, plan, "test", None)
    assert "LHetA" in str(refused.value)
    assert "/RNN/" not in str(refused.value)
    told = settle(ledger, plan, "test", choice)
    assert len(told) == 1
    assert conduct(plan, root).complete
    made = {ledger.proposal(u).neuron for u in ledger.units("final", "LHetA")}  # type: ignore[union-attr]
    assert made == ({""} if choice == "keep" else {"ab" * 32})
