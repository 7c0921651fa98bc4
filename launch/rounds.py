"""Runs a study's units, from look to look where it takes any: each look asks for more, until all is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console

from glifr.records import Look, Stage
from launch.code import code_version
from launch.jobs import Scheduler, StopRequest
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.looks import LookError, due, grown, look_words, obstacle, take
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import seed_batches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.utilisation import Meter
from launch.signals import StopSignals
from launch.terminal.progress import Progress, TimeLeft


class Executor(Protocol):
    """Where jobs run."""

    @property
    def slots(self) -> int:
        """How many run at once."""

    def run(self, decider: Scheduler, stop: StopRequest) -> None:
        """Runs until the decider has finished or a stop is requested."""


@dataclass
class Rounds:
    """A study that runs round by round, from look to look.

    Attributes:
        plan: The plan, with what the looks so far have asked for.
        only: The conditions that run now.
        last: The stage after which to stop now.
        alike: Pairs of conditions that are numerically one network.
        missing: Why a look that was due was not taken.
    """

    plan: StudyPlan
    ledger: Ledger
    executor: Executor
    console: Console
    stop: StopSignals
    may_publish: Callable[[], None]
    alike: Sequence[tuple[str, str]] | None = None
    only: tuple[str, ...] | None = None
    last: Stage | None = None
    missing: str = ""
    conductor: StudyScheduler = field(init=False)

    def __post_init__(self) -> None:
        self._begin(grown(self.plan, self.ledger.looks()))

    def run(self, meter: Meter, until: StopRequest) -> None:
        """Until nothing is left to run, or `until` says so: `stop`, or a limit. meter: of `conductor`."""
        while True:
            with Progress(self.console, self.conductor.snapshot, self._time_left), self.stop.asking():
                self.executor.run(meter, until)
            look = None if until.requested else self._look()
            if look is None or look.last or until.requested:
                return
            self._begin(grown(self.plan, (look,)))
            meter.follow(self.conductor)

    def slots_are(self, slots: int) -> None:
        """Hears that so many jobs may run at once from now on."""
        self._time_left.slots = slots

    @property
    def complete(self) -> bool:
        """True if every condition that runs now has all its networks, and no look is left to take."""
        return self.conductor.complete and not self.missing

    def _begin(self, plan: StudyPlan) -> None:
        self.plan, chosen = plan, plan.of(self.only)
        self._time_left = TimeLeft(chosen, self.executor.slots)
        batches = seed_batches(chosen, self.executor.slots)
        options = RunOptions(batches, plan.study.spec.resources.retries, code_version(), self.last)
        self.conductor = StudyScheduler(chosen, self.ledger, options, self.may_publish, self._time_left.worked)
        write_study(self.ledger.layout, plan, self.alike)

    def _look(self) -> Look | None:
        """Takes the look that is due; None where none is, or it has to wait."""
        number = due(self.plan, self.ledger.looks())
        if number is None or self.conductor.halted is not None:
            return None
        try:
            if reason := obstacle(self.plan, self.conductor.snapshot()):
                raise LookError(reason)
            self.may_publish()
            look = take(self.ledger, number)
        except LookError as error:
            self.missing = f"Look {number} was not taken: {error}"
            self.console.print(self.missing, markup=False, soft_wrap=True)
            return None
        for line in look_words(self.plan, look):
            self.console.print(line, markup=False, soft_wrap=True)
            self.ledger.event("look", line.strip(), look=number)
        return look
