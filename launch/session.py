"""One session of a study: from an accepted plan to the report.

The analysis is imported where it is used: it brings scipy and pandas, and no unit waits for them.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from glifr.definitions import definition_of
from glifr.engine.backends import uncompiled_words
from glifr.errors import InputError
from glifr.records import Layout, Stage, scan
from launch.budget.limits import BudgetedStop
from launch.budget.plan_words import IN_TIME, budget_words, refuse_too_small, too_small_words
from launch.budget.rehearsal import Machine, elsewhere_words, rehearse, share_there, timed_here
from launch.code import code_version
from launch.compiling import compile_ahead
from launch.continuing import interpreter, short, without_secrets
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.ledger.folder import create, keep_code, recorded_alike, refuse_foreign
from launch.ledger.lock import DriverLock
from launch.ledger.provenance import Sessions, recorded_share
from launch.ledger.reconcile import Choice, settle
from launch.ledger.repair import damaged_study, set_damaged_aside
from launch.ledger.spent import Spent, spent
from launch.ledger.units import Ledger
from launch.notice import Notifier
from launch.planning.alike_pairs import alike_words
from launch.planning.estimate import estimate
from launch.planning.gpu_share import GpuShare
from launch.planning.placement import Resources
from launch.planning.plan import StudyPlan
from launch.rounds import Rounds
from launch.scheduling.scheme import under_its_scheme
from launch.scheduling.spending import SearchBudget
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.utilisation import Meter
from launch.sharing import settle_share
from launch.signals import StopSignals
from launch.studyfile import StudySpec
from launch.terminal.budget_view import equal_words
from launch.terminal.end_summary import tell_end
from launch.terminal.plan_view import plan_view
from launch.terminal.progress import totals
from launch.tracking.local import asked_for
from launch.tracking.login import Decision, LoginFile, decide_mode, forget_key
from launch.tracking.queue import WANDB, Outage
from launch.tracking.wandb_run import mirror_report
from launch.workers.alike_ahead import AlikeLook
from launch.workers.calibration import calibrate
from launch.workers.data import FromFiles

if TYPE_CHECKING:
    from analysis import ReportPaths

COMPLETE, INCOMPLETE = 0, 1


@dataclass(frozen=True)
class SessionOptions:
    """What a session was asked for in addition to its study.

    Attributes:
        stale: What becomes of units of changed code, None to ask.
        last: The stage after which to stop, None for the end.
        only: The conditions that run now, None for all.
        report: Whether there is a report at the end, also where a limit has stopped the study.
    """

    stale: Choice | None = None
    last: Stage | None = None
    only: tuple[str, ...] | None = None
    report: bool = False


def run_study(
    plan: StudyPlan,
    root: Path,
    cluster: Cluster,
    console: Console,
    given: Sequence[str],
    stop: StopSignals,
    notifier: Notifier,
    asked: SessionOptions = SessionOptions(),
) -> int:
    """Runs, or continues, the study in `root`; returns the exit code. notifier: hears how the session ends.

    Where conditions are chosen, the code says whether these are complete.
    """
    spec = plan.study.spec
    tracking = decide_mode(spec.tracking.wandb.mode)
    forget_key()
    handover = LoginFile.at(root if cluster.address else None)
    console.print(_first_line(plan, root, cluster, tracking), markup=False, soft_wrap=True)
    lock = DriverLock(Layout(root).lock, console.print)
    stop.say = lambda text: console.print(text, markup=False, soft_wrap=True)
    stop.where = "no unit was begun"
    data = FromFiles(spec.task.settings())
    look = AlikeLook(plan, data, at_once=not Layout(root).study.exists())  # while Ray starts
    executor = RayExecutor(
        root,
        tracking.mode,
        _resources(plan),
        cluster,
        data=data,
        environment=handover.environment,
        on_lost=_leaving(stop),
        code=plan.study.code,
    )
    with executor:
        layout = create(root)
        stop.at_leave = notifier.leaving(lambda code: _give_up(lock, handover))
        with lock, handover.of(tracking.login):
            plan = _look_back(console, plan, layout, lock, asked.stale, asked.only)
            ledger, to_run = Ledger(root), (asked.only, asked.last)
            plan, share = _share(console, layout, executor, plan)
            for note in _uncompiled(plan):
                console.print(f"Note: {note}", markup=False)
                ledger.event("warning", note)
            _begin_records(layout, plan)
            alike = _alike_pairs(console, plan, layout, ledger, look)
            rounds = Rounds(plan, ledger, executor, console, stop, lock.check, alike, *to_run)
            earlier = spent(layout)
            sessions = Sessions(layout, _command(given), executor.differences, plan.study.hash, plan.study.code, share)
            _tell_small_budget(console, plan, executor, tracking.mode, ledger, earlier)
            meter = Meter(rounds.conductor, executor.slots)
            _listen(executor, meter, rounds, sessions, ledger, console)
            close = _closing(lock, sessions, meter, handover)
            compile_ahead(console, executor, plan, ledger, here=cluster.address is None)
            stop.where, stop.at_leave = "left with jobs still ending; nothing is lost", notifier.leaving(close)
            rounds.run(meter, BudgetedStop(stop, spec.budget, earlier, plan.gpus, meter))
            conductor = rounds.conductor
            code = stop.exit_code if stop.requested else COMPLETE if rounds.complete else INCOMPLETE
            close(code)
    stopped = _why_stopped(stop, conductor, asked)
    console.print(f"Used: {meter.utilisation}")
    snapshot = conductor.snapshot()
    tell_end(console, snapshot, stopped, given)
    if left := [name for name in plan.conditions if asked.only is not None and name not in asked.only]:
        console.print(f"Left as they were, without --only they run too: {', '.join(left)}.", markup=False)
    stop.where = "every result is kept, the report is not made"
    wanted = stopped is None or (asked.report and stop.received is None)
    report = _report(console, root, tracking) if wanted else None
    _tell_outages(console, root, spec)
    notifier.ending = "stopped" if stopped else "complete" if code == COMPLETE else "incomplete"
    notifier.answer = "{:,} of {:,} units done; nothing is lost".format(*totals(snapshot))
    if report is not None:
        notifier.answer, notifier.report = report.answer, short(report.report)
    return code if stopped is not None or report is not None else INCOMPLETE


def _first_line(plan: StudyPlan, root: Path, cluster: Cluster, tracking: Decision) -> str:
    ray = f"joining Ray at {cluster.address}" if cluster.address else "starting Ray"
    return f"{plan.study.spec.name} ({plan.study.profile}): results in {short(root)}; W&B {tracking}; {ray} ..."


def _why_stopped(stop: StopSignals, conductor: StudyScheduler, asked: SessionOptions) -> str | None:
    """Why the study ended before it was done; None if it did not."""
    if stop.requested:
        return "Stopped"
    if conductor.halted is None and asked.last is not None and not conductor.complete:
        return f"Stopped after the stage {asked.last}, as asked"
    return conductor.halted


def _listen(
    executor: RayExecutor, meter: Meter, rounds: Rounds, sessions: Sessions, ledger: Ledger, console: Console
) -> None:
    """Hears of nodes that join or leave, and of workers that grow too large; tells how large they were before."""

    def told(slots: int, kind: str, text: str) -> None:
        meter.slots_are(slots)
        rounds.slots_are(slots)
        ledger.event(kind, text)
        console.print(f"Nodes {text}." if kind == "nodes" else f"Memory: {text}.", markup=False, soft_wrap=True)

    executor.on_slots, executor.on_differences = told, sessions.note_differences
    executor.measured = rounds.conductor.peak_bytes


def _share(
    console: Console, layout: Layout, executor: RayExecutor, plan: StudyPlan
) -> tuple[StudyPlan, GpuShare | None]:
    """The plan with its trials' share of a GPU, told in a line; see `settle_share`."""
    kept = recorded_share(layout)
    return settle_share(plan, executor, _resources(plan), kept, lambda text: console.print(text, soft_wrap=True))


def _leaving(stop: StopSignals) -> Callable[[str], None]:
    return lambda reason: stop.leave(reason, INCOMPLETE)


def _give_up(lock: DriverLock, handover: LoginFile) -> None:
    handover.remove()
    lock.release()


def _uncompiled(plan: StudyPlan) -> list[str]:
    """Of each neuron model that cannot be compiled what that means, where the study does not say how it is computed."""
    if plan.study.spec.training.backend != "auto":
        return []
    models = (definition_of(own.condition).neuron(own.condition) for own in plan.conditions.values())
    return list(dict.fromkeys(uncompiled_words(m) for m in models if m is not None and m.unknown))


def _closing(lock: DriverLock, sessions: Sessions, meter: Meter, handover: LoginFile) -> Callable[[int], None]:
    """What closes the session on record, with its exit code, and gives the study free."""

    def close(code: int) -> None:
        handover.remove()
        if lock.held():
            with contextlib.suppress(OSError):  # on a full disk the session stays open on record
                sessions.finish(code, meter.utilisation.to_json())
            lock.release()

    return close


def refuse_looks(plan: StudyPlan) -> None:
    """Raises InputError for a study whose first look could decide nothing."""
    if plan.study.spec.looks is not None:
        from analysis import refuse_undecidable

        refuse_undecidable(plan.summary())


def show_plan(
    plan: StudyPlan, root: Path, cluster: Cluster, console: Console, machine: Machine | None, hours: float | None
) -> int:
    """Prints what would run and how long it would take, timed where it would run; returns the exit code.

    machine: another that is asked about. hours: a limit, in place of the study's budget.
    """
    plan = plan if machine is None else share_there(plan, machine)
    slots = None if machine is None else machine.trials_at_once(_resources(plan))
    timed = plan if machine is None else timed_here(plan)
    mode = "disabled" if decide_mode(plan.study.spec.tracking.wandb.mode).mode == "disabled" else "offline"
    status = console.status("timing a short trial of each condition")
    with status, RayExecutor(root, mode, _resources(timed), cluster, code=plan.study.code) as executor:
        timed, _ = _share(console, Layout(root), executor, timed)
        plan = timed if machine is None else plan
        measured = estimate(timed, executor, calibrate, mode)
        look = AlikeLook(plan, FromFiles(plan.study.spec.task.settings()))
        pairs = look.pairs(lambda text: console.print(text, markup=False))
    where = f"the Ray cluster at {cluster.address}" if cluster.address else "this machine"
    more = [*equal_words(plan, {name: SearchBudget(plan, name).most for name in plan.conditions})]
    if machine is not None and slots is not None:
        with console.status("playing the study"):
            played = rehearse(plan, measured.timings, slots)
        more += elsewhere_words(machine, played, timed is not plan, plan.gpu_share is not None)
    more += budget_words(plan, measured.timings, slots or measured.slots, hours, _units_needed(plan))
    from analysis import effects_to_test, smallest_p

    console.print(plan_view(timed, measured, smallest_p, effects_to_test, where, pairs or (), more))
    for note in _uncompiled(plan):
        console.print(f"Note: {note}", markup=False)
    return COMPLETE


def _units_needed(plan: StudyPlan) -> int:
    """The fewest seeds with which a planned contrast can be significant; 1 where none is tested."""
    declared = plan.study.spec.declaration()
    if not declared.contrasts or not plan.study.spec.evidence:
        return 1
    from analysis import units_needed

    return units_needed(len(declared.contrasts), declared.alpha)


def refuse_small_budget(plan: StudyPlan) -> None:
    """Raises InputError for a budget of epochs that is below what can be tested; hours are known once it is timed."""
    refuse_too_small(plan, _units_needed(plan))


def _begin_records(layout: Layout, plan: StudyPlan) -> None:
    """Keeps the code from outside, and forgets what went wrong with mirrors in earlier sessions."""
    keep_code(layout, plan.study.code)
    for mirror in _mirrors(plan.study.spec):
        Outage(layout, mirror).begin()


def _tell_small_budget(
    console: Console, plan: StudyPlan, executor: RayExecutor, mode: str, ledger: Ledger, earlier: Spent
) -> None:
    """Tells before the first unit that a limit in time is below what can be tested: nothing would be decided."""
    budget = plan.study.spec.budget
    if earlier != Spent() or budget is None or not set(budget.limits) & set(IN_TIME):
        return
    with console.status("timing a short trial of each condition"):
        measured = estimate(plan, executor, calibrate, mode if mode == "disabled" else "offline")
    told = list(too_small_words(plan, measured.timings, measured.slots, _units_needed(plan)))
    if told:
        console.print("\n".join(["Warning: " + told[0], *told[1:]]), markup=False)
        ledger.event("warning", "; ".join(line.strip() for line in told))


def _resources(plan: StudyPlan) -> Resources:
    given = plan.study.spec.resources
    return Resources(given.cpus, plan.gpus, given.max_concurrent, given.memory or 0.0)


def _look_back(
    console: Console,
    plan: StudyPlan,
    layout: Layout,
    lock: DriverLock,
    stale: Choice | None,
    only: tuple[str, ...] | None,
) -> StudyPlan:
    """Deals with what stands in the folder: damaged records, another study, other code or data.

    Returns the plan under the folder's own scheme of proposals.
    """
    ledger = Ledger(layout.root)
    if lock.took_over:
        ledger.event("warning", f"took the study over from {lock.took_over}")
    told = damaged_study(layout)
    refuse_foreign(layout)
    told += set_damaged_aside(ledger, list(plan.conditions))
    plan = under_its_scheme(layout, plan)
    told += settle(ledger, plan, code_version(), stale, only)
    for sentence in told:
        console.print(f"Note: {sentence}", markup=False)
    return plan


def _report(console: Console, root: Path, tracking: Decision) -> ReportPaths | None:
    """Makes the report and mirrors it; None if there was no room for it."""
    from analysis import as_text, load, summarise, write_report

    try:
        results = load(root)
        made = write_report(results)
    except (OSError, InputError) as error:
        console.print(f"No report: {error}\nMake it later with:", markup=False)
        console.print(f"  {interpreter()} -m analysis {short(root)}", markup=False, soft_wrap=True)
        return None
    mirror_report(scan(root), tracking.mode, tracking.login)
    console.print(f"\n{as_text(summarise(results))}\n\nReport: {short(made.report)}")
    return made


def _tell_outages(console: Console, root: Path, spec: StudySpec) -> None:
    """Says once what a mirror lacks and how it gets that."""
    for mirror in _mirrors(spec):
        outage = Outage(Layout(root), mirror)
        if failures := outage.failures:
            went_on = "; the session went on without it" if outage.over else ""
            when = "when W&B answers again" if mirror == WANDB else "when that is mended"
            repair = shlex.join([interpreter(), "-m", "launch.tracking", "sync", short(root)])
            text = f"Warning: {failures[0]}{went_on}. Nothing is lost; {when}:\n  {repair}"
            console.print(text, markup=False, soft_wrap=True)


def _mirrors(spec: StudySpec) -> list[str]:
    """The names of the mirrors that a study may have."""
    return [WANDB, *(local.name for _, local in asked_for(spec))]


def _alike_pairs(
    console: Console, plan: StudyPlan, layout: Layout, ledger: Ledger, look: AlikeLook
) -> Sequence[tuple[str, str]] | None:
    """Seen once for a study, told when it is seen."""
    known = recorded_alike(layout, plan)
    if known is not None:
        return known
    pairs = look.pairs(lambda text: ledger.event("warning", text))
    for line in alike_words(pairs or (), plan.study.spec.search is not None):
        console.print(f"Note: {line}", markup=False)
    return None if pairs is None else [pair.conditions for pair in pairs]


def _command(given: Sequence[str]) -> str:
    """The command for the record: absolute paths, which tell of the machine, are cut to their last part."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in without_secrets(given)]
    return shlex.join(["python", "launch/study.py", *words])
