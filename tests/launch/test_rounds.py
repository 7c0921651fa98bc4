"""A study that adds seeds until it is decided: looks are taken once, published first, and resumed as they stand."""

from __future__ import annotations

import contextlib
import io
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from command_run import Run, begin
from rich.console import Console
from small_study import NOT_COMPILED, TINY, published, small_plan

from analysis import assess, load
from glifr.records import InputError, Layout, Look, read_looks, read_sealed
from launch import cli, looks
from launch.executors.in_process import InProcessExecutor
from launch.jobs import Scheduler, StageCount, StopRequest
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.looks import LookError, grown, obstacle, refuse_changed
from launch.planning.plan import StudyPlan
from launch.rounds import Rounds
from launch.scheduling.utilisation import Meter
from launch.signals import StopSignals

__all__ = ["begin"]  # a fixture

CONDITIONS = ("RNN", "narrow", "wide")
TEXT = (
    TINY.replace("reference: LHetA", "reference: RNN")
    .replace("  RNN:   {delay: one_step}\n", "")
    .replace(
        "  LHetA: {delay: 1.0}\n",
        "  RNN: {hidden_size: 16, fixed: {learning_rate: 0.003}}\n"
        "  narrow: {base: RNN, hidden_size: 2, fixed: {learning_rate: 0.003}}\n"
        "  wide: {base: RNN, hidden_size: 22, fixed: {learning_rate: 0.003}}\n",
    )
    .replace("final: {seeds: 2}", "final: {seeds: {first: 8, step: 2, most: 12}}")
    .replace("evidence: false\n", "")
)
NO_SEARCH = ("search=null", "confirm=null", "silencing=null", NOT_COMPILED)
CONTRASTS = "{narrower: {of: narrow, minus: RNN}, wider: {of: wide, minus: RNN}}"
FAMILY = f"analysis={{smallest_effect: 0.02, contrasts: {CONTRASTS}}}"


def plan_of(folder: Path, *more: str) -> StudyPlan:
    return small_plan(folder, *NO_SEARCH, FAMILY, *more, text=TEXT)


class Stop:
    """Asks to stop after so many polls; never, for None."""

    def __init__(self, polls: int | None = None) -> None:
        self._left = polls

    @property
    def requested(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        yield


def rounds_of(plan: StudyPlan, root: Path, polls: int | None = None, only: tuple[str, ...] | None = None) -> Rounds:
    """Runs the study as a session does, in this process; returns how it ended."""
    root.mkdir(parents=True, exist_ok=True)
    said = Console(file=io.StringIO(), width=200)
    stop = cast(StopSignals, Stop(polls))
    rounds = Rounds(plan, Ledger(root), InProcessExecutor(root), said, stop, lambda: None, only=only)
    rounds.run(Meter(rounds.conductor, 1), stop)
    return rounds


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "results"
    assert rounds_of(plan_of(root.parent), root).complete
    return root


def records(root: Path) -> list[bytes]:
    return [Layout(root).look(look.number).read_bytes() for look in read_looks(Layout(root))]


def test_a_study_runs_from_look_to_look_and_what_is_decided_stops(whole: Path) -> None:
    taken = read_looks(Layout(whole))
    assert taken[0].units == 8
    assert taken[-1].last
    assert next(e for e in taken[0].entries if e.name == "narrower").word == "worse"
    counts = {name: len(Ledger(whole).units("final", name)) for name in CONDITIONS}
    assert counts == dict(taken[-1].asks)
    assert counts["narrow"] == 8, "decided at the first look"
    assert counts["wide"] > 8, "open after it"
    planned = read_sealed(Layout(whole).study)["planned"]
    assert {name: own["final"] for name, own in planned.items()} == counts
    assert load(whole).complete
    words = {j.contrast.name: j.verdict.word for j in assess(load(whole)).planned}
    assert words == {e.name: e.word for e in taken[-1].entries}
    said = [event["message"] for event in Ledger(whole).events() if event["kind"] == "look"]
    assert said[0].startswith("Look 1 of 3 at 8 seeds")


@pytest.mark.program
@pytest.mark.parametrize("polls", [3, 31, 55, 62])
def test_an_interrupted_study_takes_the_same_looks(whole: Path, tmp_path: Path, polls: int) -> None:
    plan, root = plan_of(tmp_path), tmp_path / "results"
    rounds_of(plan, root, polls)
    assert settle(Ledger(root), plan, "test", "keep") is not None
    assert rounds_of(plan, root).complete
    assert records(root) == records(whole)
    assert published(root, CONDITIONS) == published(whole, CONDITIONS)


@pytest.mark.program
def test_a_look_stands_though_the_driver_dies_before_it_proposes(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, root = plan_of(tmp_path), tmp_path / "results"
    began = Rounds._begin

    def dies(self: Rounds, plan: StudyPlan) -> None:
        if read_looks(self.ledger.layout):
            raise KeyboardInterrupt
        began(self, plan)

    with monkeypatch.context() as killed:
        killed.setattr(Rounds, "_begin", dies)
        with pytest.raises(KeyboardInterrupt):
            rounds_of(plan, root)
    first = records(root)
    assert len(first) == 1
    numbers: list[int] = []
    take = looks.take
    monkeypatch.setattr("launch.rounds.take", lambda ledger, n: numbers.append(n) or take(ledger, n))
    assert rounds_of(plan, root).complete
    assert 1 not in numbers, "resuming never decides again"
    assert records(root) == records(whole)
    assert published(root, CONDITIONS) == published(whole, CONDITIONS)


def test_a_look_that_stands_is_not_replaced(whole: Path) -> None:
    look = read_looks(Layout(whole))[0]
    before = records(whole)
    assert Ledger(whole).keep_look(replace(look, data="0" * 64)) == look
    assert records(whole) == before


@pytest.mark.program
def test_a_look_whose_judgement_fails_leaves_the_study_incomplete(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, root = plan_of(tmp_path), tmp_path / "results"
    with monkeypatch.context() as broken:
        broken.setattr(looks, "_JUDGE", "analysis.nothing_of_this_name")
        ended = rounds_of(plan, root)
    assert not ended.complete
    assert "Look 1 was not taken" in ended.missing
    assert not records(root)
    assert rounds_of(plan, root).complete
    assert records(root) == records(whole)


def test_conditions_left_out_keep_a_look_waiting(tmp_path: Path) -> None:
    plan, root = plan_of(tmp_path), tmp_path / "results"
    ended = rounds_of(plan, root, only=("narrow",))
    assert not ended.complete
    assert "RNN, wide did not run now (--only)" in ended.missing
    assert not records(root)


def test_networks_that_were_given_up_have_ended_and_others_are_waited_for(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    snapshot = Rounds(
        plan, Ledger(tmp_path), InProcessExecutor(tmp_path), Console(file=io.StringIO()), cast(StopSignals, Stop()),
        lambda: None,
    ).conductor.snapshot()  # fmt: skip

    def with_finals(complete: int, failed: int) -> str:
        count = StageCount(8, 0, complete, 0, failed)
        return obstacle(plan, replace(snapshot, counts={n: {**c, "final": count} for n, c in snapshot.counts.items()}))

    assert with_finals(7, 1) == ""
    assert "final networks of RNN, narrow, wide are still to come" in with_finals(7, 0)
    assert "RNN could not go on" in obstacle(plan, replace(snapshot, errors={"RNN": "why"}))


@pytest.mark.parametrize(
    "change",
    [
        "analysis.alpha=0.01",
        "analysis.smallest_effect=0.06",
        "analysis.contrasts.more={of: wide, minus: narrow}",
        "final.seeds.most=14",
        "final.seeds=8",
    ],
)
def test_a_declaration_that_changes_after_a_look_is_refused(whole: Path, tmp_path: Path, change: str) -> None:
    refuse_changed(plan_of(tmp_path), whole)
    with pytest.raises(InputError, match="what it is judged by has changed") as caught:
        refuse_changed(plan_of(tmp_path, change), whole)
    assert "set them back" in str(caught.value)


def test_before_the_first_look_a_declaration_may_change(tmp_path: Path) -> None:
    refuse_changed(plan_of(tmp_path, "analysis.alpha=0.01"), tmp_path / "nothing")


def command(study: Path, results: Path, *more: str) -> int:
    settings = [word for value in (*NO_SEARCH, FAMILY, "tracking.wandb.mode=disabled") for word in ("--set", value)]
    return cli.main([str(study), "--results", str(results), *settings, *more])


@pytest.mark.parametrize("how", ["--plan", "--check"])
def test_a_first_look_that_can_decide_nothing_is_refused_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    study = tmp_path / "small.yaml"
    study.write_text(TEXT)
    assert command(study, tmp_path / "results", "--set", "final.seeds.first=5", how) == 2
    said = capsys.readouterr().err
    for words in ("a first look at 5 seeds can decide nothing", "for 2 tests", "write `first: 7`"):
        assert words in said
    assert command(study, tmp_path / "results", "--set", "final.seeds.first=7", "--check") == 0


def test_the_command_refuses_a_changed_declaration_before_it_starts(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "small.yaml"
    study.write_text(TEXT)
    root = tmp_path / "results" / "small" / "full"
    root.parent.mkdir(parents=True)
    root.symlink_to(whole)
    assert command(study, tmp_path / "results", "--set", "analysis.alpha=0.04") == 2
    said = capsys.readouterr()
    assert "judged on the way (look 1)" in said.err
    assert "starting Ray" not in said.out


def test_looks_at_repeats_run_their_searches(tmp_path: Path) -> None:
    text = TEXT.replace("trials: 2", "trials: 1").replace(", fixed: {learning_rate: 0.003}", "")
    text = text.replace("  wide: {base: RNN, hidden_size: 22}\n", "")
    given = ("search.repeats=7", "final.seeds={first: 7, step: 2, most: 9}", "silencing=null", NOT_COMPILED)
    family = "analysis={smallest_effect: 0.0001, contrasts: {same: {of: narrow, minus: RNN}}}"
    plan, root = small_plan(tmp_path, *given, family, "training.epochs=1", text=text), tmp_path / "results"
    ended = rounds_of(plan, root)
    assert ended.complete
    taken = read_looks(Layout(root))
    assert taken[0].units == 7
    for name, asked in taken[-1].asks.items():
        for stage in ("search", "confirm", "final"):
            assert {unit.repeat for unit in Ledger(root).units(stage, name)} == set(range(asked))


def test_the_plan_grows_as_looks_ask(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert grown(plan, ()) is plan
    look = Look(1, 8, "", "", 0.03, 0.01, (), (), {"RNN": 10, "narrow": 8, "wide": 10})
    assert {name: own.planned["final"] for name, own in grown(plan, (look,)).conditions.items()} == dict(look.asks)


@pytest.mark.program
def test_the_real_command_is_stopped_after_a_look_and_goes_on(begin: Callable[..., Run], whole: Path) -> None:
    settings = [word for value in (*NO_SEARCH, FAMILY, "tracking.wandb.mode=disabled") for word in ("--set", value)]
    first = begin(text=TEXT, limit=settings)
    first.wait_for(lambda: "Look 1 of 3" in first.text, "a look")
    first.wait_for(lambda: len(list(first.root.glob("units/final/wide/*/proposal.json"))) > 8, "what it asked for")
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 143
    before = records(first.root)
    assert len(before) >= 1
    again = begin(text=TEXT, limit=settings)
    assert again.end() == 0, again.text
    assert "Look 1 of 3" not in again.text, "resuming reads it"
    assert records(again.root)[: len(before)] == before
    assert records(again.root) == records(whole)
    assert "Looks: seeds until it is decided" in Layout(again.root).report.read_text()


class Silent:
    """An executor that runs nothing."""

    slots = 1

    def run(self, decider: Scheduler, stop: StopRequest) -> None:
        """Runs nothing."""


def test_a_look_that_is_due_waits_for_its_networks(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    said = Console(file=io.StringIO(), width=200)
    stop = cast(StopSignals, Stop())
    rounds = Rounds(plan, Ledger(tmp_path), Silent(), said, stop, lambda: None)
    rounds.run(Meter(rounds.conductor, 1), stop)
    assert "still to come" in rounds.missing
    with pytest.raises(LookError, match="no result of RNN"):
        looks.take(Ledger(tmp_path), 1)
