"""Decides what runs next over all searches. Deciding is here, executing in `executors`, recording in `ledger`.

There is no barrier: trials of all conditions are interleaved, and each repeat of a condition goes on to its next stage
as soon as its own units allow. A searcher's or a ledger's error ends the repeat it hit, never the study.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from glifr.records import STAGES, Stage, search_name
from launch.failures import Failure
from launch.full_disk import disk_is_full, full_disk
from launch.jobs import Job, Snapshot, StageCount, Step
from launch.ledger.lock import LockLostError
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.condition_run import ConditionRun, RunOptions
from launch.scheduling.memory_pressure import MemoryPressure
from launch.scheduling.unit_states import State


@dataclass
class _Running:
    job: Job
    run: ConditionRun
    stopped_early: bool = False
    done: float = 0.0  # units' worth of epochs
    since: float = field(default_factory=time.monotonic)  # the last step


class StudyScheduler:
    """A `Scheduler`. Its methods may be called from the executor's thread while another asks for a snapshot.

    on_work: called after each step with condition, stage, units' worth of work and wall seconds (for the time left).
    """

    def __init__(
        self,
        plan: StudyPlan,
        ledger: Ledger,
        options: RunOptions,
        may_publish: Callable[[], None],
        on_work: Callable[[str, Stage, float, float], None] = lambda *_: None,
    ) -> None:
        self._plan, self._ledger, self._on_work = plan, ledger, on_work
        self._runs: list[ConditionRun] = []
        for name in sorted(plan.conditions, key=lambda name: plan.conditions[name].start_from is not None):
            for repeat in range(plan.conditions[name].repeats):
                start = (plan.conditions[name].start_from, repeat)
                source = next((run for run in self._runs if (run.name, run.repeat) == start), None)
                self._runs.append(ConditionRun(plan, name, ledger, options, may_publish, source, repeat))
        self._sources = {c.start_from for c in plan.conditions.values()}
        self._running: dict[str, _Running] = {}
        self._lock = threading.RLock()
        self._pressure = MemoryPressure()
        self.halted: str | None = None

    @property
    def finished(self) -> bool:
        with self._lock:
            if self.halted is not None:
                return not self._running
            return all(run.finished for run in self._runs)

    def halt(self, reason: str) -> None:
        """Starts no further job, for a reason that is no condition's own. What is done stays done."""
        with self._lock:
            self.halted = self.halted or reason

    @property
    def complete(self) -> bool:
        """True if every condition has all its final networks and their silencing."""
        with self._lock:
            return all(run.complete for run in self._runs)

    def next_job(self) -> Job | None:
        """The job of the search that is furthest on; among equals, of one that others wait for, or least runs of."""
        with self._lock:
            if not self._pressure.allows(len(self._running)):
                return None
            while self.halted is None and (run := self._choose()) is not None:
                if not self._affords(run):
                    return None
                job: Job | None = None
                try:
                    job = run.next_job()
                except Exception as error:
                    self._give_up(run, error)
                if job is not None:
                    self._running[job.key] = _Running(job, run)
                    return job
            return None

    def step(self, key: str, step: Step) -> bool:
        with self._lock:
            running = self._running[key]
            run = running.run
            self._note_work(running)
            try:
                running.stopped_early = run.step(running.job, step)
                return running.stopped_early
            except Exception as error:
                self._give_up(run, error)
                return False

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        with self._lock:
            if lost is not None and lost.kind == "out of memory":  # of a node; of a GPU a worker itself tells
                self._ledger.event("warning", self._pressure.killed(len(self._running)))
            elif step is not None and step.failure is None:
                self._pressure.ended_well()
            running = self._running.pop(key)
            run = running.run
            try:
                run.ended(running.job, step, running.stopped_early, lost)
            except Exception as error:
                self._give_up(run, error)
                run.states.update({u: State.FAILED for u in running.job.units if run.states[u] is State.RUNNING})
            self._advance_dependents(run)
            if step is not None and step.failure is not None and step.failure.kind == "disk full":
                self.halt(step.failure.words)
            if step is not None and step.done and step.failure is None:
                self._note_work(running)

    def _advance_dependents(self, source: ConditionRun) -> None:
        """Makes due what waited for a network of `source`, or has waited in vain."""
        for run in self._runs:
            if run.source is source:
                try:
                    run.advance()
                except Exception as error:
                    self._give_up(run, error)

    def _note_work(self, running: _Running) -> None:
        """One more step of a job: an epoch of all its units, or the silencing of one."""
        stage, units = running.job.units[0].stage, len(running.job.units)
        work = 1.0 if stage == "silencing" else units / self._plan.steps_of_unit(stage, running.run.name)
        running.done += work
        started, running.since = running.since, time.monotonic()
        self._on_work(running.run.name, stage, work, running.since - started)

    def _under_way(self, condition: str, stage: Stage) -> float:
        jobs = [r for r in self._running.values() if r.run.name == condition and r.job.units[0].stage == stage]
        return sum(running.done for running in jobs)

    def snapshot(self) -> Snapshot:
        with self._lock:
            runs = {name: [run for run in self._runs if run.name == name] for name in self._plan.conditions}
            return Snapshot(
                counts={name: {s: _count(own, s) for s in STAGES} for name, own in runs.items()},
                under_way={name: {s: self._under_way(name, s) for s in STAGES} for name in runs},
                best={name: _best(own) for name, own in runs.items()},
                errors={name: _errors(own) for name, own in runs.items() if _errors(own)},
                failures={unit: why for run in self._runs for unit, why in run.failures.items()},
                failed_attempts=sum(run.failed_attempts for run in self._runs),
                moved={unit: kinds for run in self._runs for unit, kinds in run.moved.items()},
            )

    @property
    def peak_bytes(self) -> int:
        """The most memory that a worker is on record to have taken; 0 if there is no record."""
        return max((r.peak_bytes for run in self._runs for r in run.results.values()), default=0)

    def _choose(self) -> ConditionRun | None:
        ready = [run for run in self._runs if run.ready]
        return min(ready, key=self._urgency, default=None)

    def _affords(self, run: ConditionRun) -> bool:
        """True if the study's budget of epochs has room for the next job; without jobs that could leave some, halts."""
        budget = self._plan.study.spec.budget
        if budget is None or budget.epochs is None:
            return True
        spent = sum(each.epochs_spent for each in self._runs)
        if spent + run.next_epochs <= budget.epochs:
            return True
        if not self._running:
            self.halt(f"The budget of {budget.epochs:,} epochs (budget.epochs) is spent, as far as it goes: {spent:,}")
        return False

    def _urgency(self, run: ConditionRun) -> tuple[int, bool, int, int]:
        running = sum(r.run is run for r in self._running.values())
        return (-STAGES.index(run.stage), run.name not in self._sources, running, len(run.states))

    def _give_up(self, run: ConditionRun, error: Exception) -> None:
        """Ends one search, for an error of its searcher or its records; the study, if there is nowhere to write."""
        if isinstance(error, LockLostError):
            return self.halt(str(error))
        if disk_is_full(error):
            return self.halt(full_disk(error, self._ledger.layout.root))
        trace = traceback.format_exc()
        run.error = trace.strip().splitlines()[-1]
        self._ledger.event("error", f"{search_name(run.name, run.repeat)}: cannot go on\n{trace}")


def _count(runs: Sequence[ConditionRun], stage: Stage) -> StageCount:
    """Over the repeats of a condition."""
    begun = (State.RUNNING, State.COMPLETE, State.PRUNED, State.FAILED)
    running, complete, pruned, failed = (sum(run.count(stage, state) for run in runs) for state in begun)
    lost = sum(max(0, run.expected(stage) - run.count(stage, *begun)) for run in runs if run.error is not None)
    return StageCount(sum(run.expected(stage) for run in runs), running, complete, pruned, failed, lost)


def _errors(runs: Sequence[ConditionRun]) -> str:
    """Why repeats of a condition cannot go on; '' if all can."""
    found = [(run.repeat, run.error) for run in runs if run.error is not None]
    return "; ".join(error if len(runs) == 1 else f"repeat {repeat}: {error}" for repeat, error in found)


def _best(runs: Sequence[ConditionRun]) -> float | None:
    results = [pair for run in runs for pair in run.results.items()]
    values = [r.value for u, r in results if u.stage in ("search", "confirm") and r.status == "complete"]
    return min((v for v in values if v is not None), default=None)
