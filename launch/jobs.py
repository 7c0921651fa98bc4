"""The roles around an executor. Both executors ask a `Scheduler` for jobs, pass on each step and report each end."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from glifr.records import Stage, UnitId
from launch.failures import Failure

if TYPE_CHECKING:
    from glifr.tasks import Split, TaskData, TaskDefinition

Result = TypeVar("Result")  # of a function that an executor runs


@dataclass(frozen=True)
class Job:
    """Units of one stage and condition that one worker computes together.

    Attributes:
        out_of_memory: How often they ran out of memory; each time their share of a GPU is doubled.
    """

    key: str
    units: tuple[UnitId, ...]
    out_of_memory: int = 0


@dataclass(frozen=True)
class Step:
    """What a worker reports after each epoch.

    Attributes:
        scores: From the unit to its epoch and the mean score over its seeds.
        done: Whether the job has ended.
        failure: Why it ended, if without results.
        seconds: Wall time since the step before, as the executor measured it.
        cpu_seconds: Processor time, likewise.
        peak_bytes: Most memory that the worker has taken so far; 0 where it was not measured.
    """

    scores: dict[str, tuple[int, float]]
    done: bool = False
    failure: Failure | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class DataSource(Protocol):
    """A study's task and its data. The test split is apart: only the final and the silencing stage ask for it."""

    @property
    def task(self) -> TaskDefinition:
        """The task as the study sets it."""

    def tuning(self) -> TaskData:
        """What tuning may see."""

    def test(self) -> Split:
        """The test split."""


class Work(Protocol):
    """What a worker does with a job's units: `workers.trial.run_job`, or something that costs nothing, to be timed."""

    def __call__(
        self, root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
    ) -> Generator[Step, None, None]:
        """Runs the units to their end; yields after every epoch."""


class StopRequest(Protocol):
    """True if the user has asked to stop."""

    @property
    def requested(self) -> bool:
        """True from the first signal on."""


class Scheduler(Protocol):
    """Says what runs next and hears what came of it. Its methods do not raise."""

    @property
    def finished(self) -> bool:
        """True if there will be no further job."""

    def next_job(self) -> Job | None:
        """A job to start now, or None if none can start before another ends, or yet: ask again."""

    def step(self, key: str, step: Step) -> bool:
        """Hears of an epoch; returns whether the job is to be stopped early."""

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        """Hears of a job's end: its last step, or None if its worker was lost, and then how."""

    def halt(self, reason: str) -> None:
        """Hears that nothing more can be done, as on a full disk."""


@dataclass(frozen=True)
class StageCount:
    """Counts of the units of one condition and stage.

    Attributes:
        planned: 0 if the study has no such stage.
        out_of_reach: Units of those planned that an error keeps from ever being begun.
    """

    planned: int
    running: int
    complete: int
    pruned: int
    failed: int
    out_of_reach: int = 0

    @property
    def ended(self) -> int:
        return self.complete + self.pruned + self.failed


@dataclass(frozen=True)
class Snapshot:
    """The progress of the study at one moment.

    Attributes:
        under_way: Epochs that running jobs have done, in units.
        best: Lowest search or confirm score so far.
        errors: Why a condition cannot go on.
        failures: Failures of the units that were given up.
        failed_attempts: Failed attempts of this session, given up or not.
        moved: Units that were tried again on another kind of processor, with the kinds.
    """

    counts: dict[str, dict[Stage, StageCount]]
    under_way: dict[str, dict[Stage, float]]
    best: dict[str, float | None]
    errors: dict[str, str]
    failures: dict[UnitId, Failure]
    failed_attempts: int = 0
    moved: Mapping[UnitId, tuple[str, ...]] = field(default_factory=dict)
