"""One session of a study: from an accepted plan to the report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from analysis import as_text, load, summarise, write_report
from glifr.errors import InputError, Problem
from glifr.records import RecordError
from glifr.seed_batches import Seconds
from launch.condition_run import RunOptions
from launch.conductor import Conductor, Snapshot
from launch.executors import RayExecutor, Resources
from launch.folder import create, refuse_foreign, write_study
from launch.ledger import Ledger
from launch.lock import DriverLock
from launch.plan import StudyPlan
from launch.progress import Progress, TimeLeft, totals
from launch.provenance import Sessions, code_version
from launch.seed_batches import Measurement, SeedBatches, decide
from launch.signals import StopSignals
from launch.tracking import decide_mode

COMPLETE, INCOMPLETE = 0, 1


def run_study(plan: StudyPlan, root: Path, address: str | None, console: Console, given: Sequence[str]) -> int:
    """Runs, or continues, the study in `root`; returns the exit code."""
    spec = plan.study.spec
    mode = decide_mode(spec.tracking.wandb.mode)
    resources = Resources(spec.resources.cpus, spec.resources.gpus, spec.resources.max_concurrent)
    ray = f"joining Ray at {address}" if address else "starting Ray"
    console.print(f"{spec.name} ({plan.study.profile}): results in {_short(root)}, W&B {mode}; {ray} ...")
    with RayExecutor(root, mode, resources, address) as executor:
        layout = create(root)
        with DriverLock(layout.lock) as lock:
            refuse_foreign(layout, plan)
            time_left = TimeLeft(plan, executor.slots)
            batches = seed_batches(plan, Ledger(root), executor, console)
            conductor = _conductor(plan, root, lock, time_left, batches)
            write_study(layout, plan)
            sessions = Sessions(layout, _command(given))
            _note_history(console, Ledger(root), lock, sessions)
            with (
                StopSignals(lambda name: console.print(f"{name}: stopping at the last checkpoints ...")) as stop,
                Progress(console, conductor.snapshot, time_left),
            ):
                executor.run(conductor, stop)
            code = stop.exit_code if stop.requested else COMPLETE if conductor.complete else INCOMPLETE
            sessions.finish(code)
    _tell_end(console, conductor.snapshot(), stop.requested, given)
    if not stop.requested:
        results = load(root)
        report = write_report(results).report
        console.print(f"\n{as_text(summarise(results))}\n\nReport: {_short(report)}")
    return code


def _conductor(plan: StudyPlan, root: Path, lock: DriverLock, time_left: TimeLeft, batches: SeedBatches) -> Conductor:
    options = RunOptions(batches, plan.study.spec.resources.retries, code_version())
    try:
        return Conductor(plan, Ledger(root), options, lock.check, time_left.worked)
    except RecordError as error:
        todo = "move that unit's folder away and give the same command: it runs that unit again, and only that"
        raise InputError(Problem("a record of this study cannot be trusted", str(error), todo=todo)) from None


def seed_batches(plan: StudyPlan, ledger: Ledger, executor: RayExecutor, console: Console) -> SeedBatches:
    """How many seeds are trained at once; one where that cannot be measured, which ends no study."""

    def call(measurement: Measurement) -> Mapping[str, Seconds]:
        console.print("timing a few training steps: how many seeds to train at once ...")
        try:
            # For a GPU on a worker: this machine may have none. A CPU is here, and a worker takes seconds to start.
            return executor.call(measurement.run) if measurement.gpus > 0 else measurement.run()
        except Exception as error:
            cause = getattr(error, "cause", None) or error  # Ray wraps what a worker raised
            first_line = next(iter(str(cause).splitlines()), "")
            text = f"{type(cause).__name__}: {first_line}; seeds are trained one by one"
            ledger.event("warning", f"how many seeds to train at once could not be measured: {text}")
            return {}

    return decide(plan, executor.slots, ledger.proposed, call)


def _note_history(console: Console, ledger: Ledger, lock: DriverLock, sessions: Sessions) -> None:
    if lock.took_over:
        ledger.event("warning", f"took the study over from {lock.took_over}")
    if sessions.code_changed:
        ledger.event("warning", "the code of glifr changed since an earlier session; finished units are kept")
        console.print("Note: the code of glifr changed since an earlier session; finished units are kept.")


def _tell_end(console: Console, snapshot: Snapshot, interrupted: bool, given: Sequence[str]) -> None:
    for name, error in snapshot.errors.items():
        console.print(f"{name} could not go on: {error}", style="red")
    ended, planned = totals(snapshot)
    if interrupted:
        console.print(f"Stopped with {ended} of {planned} units done; nothing is lost. To go on:\n  {_continue(given)}")
    else:
        console.print(f"{ended} of {planned} units done.")


def _continue(given: Sequence[str]) -> str:
    return shlex.join(["python", "launch/study.py", *given])


def _command(given: Sequence[str]) -> str:
    """The command for the record: absolute paths, which tell of the machine, are cut to their last part."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in given]
    return shlex.join(["python", "launch/study.py", *words])


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
