"""The roles around an executor. Both executors ask a `Decider` for jobs, pass on each step and report each end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from glifr.records import UnitId
from launch.trial import Step

Result = TypeVar("Result")  # of a function that an executor calls


@dataclass(frozen=True)
class Job:
    """Units of one stage and condition that one worker computes together."""

    key: str
    units: tuple[UnitId, ...]


@dataclass(frozen=True)
class Resources:
    """What one trial takes, and how many may run at once (None: as many as fit)."""

    cpus: float
    gpus: float
    max_concurrent: int | None


class StopRequest(Protocol):
    """Whether the user has asked to stop."""

    @property
    def requested(self) -> bool:
        """True from the first signal on."""


class Decider(Protocol):
    """Says what runs next and hears what came of it. Its methods do not raise."""

    @property
    def finished(self) -> bool:
        """Whether there will be no further job."""

    def next_job(self) -> Job | None:
        """A job to start now, or None if none can start before another ends."""

    def step(self, key: str, step: Step) -> bool:
        """Hears of an epoch; returns whether the job is to be stopped early."""

    def ended(self, key: str, step: Step | None) -> None:
        """Hears of a job's end: its last step, or None if its worker was lost."""
