"""Ends a session when the study's budget of hours is spent; a budget of epochs is the scheduler's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from launch.ledger.spent import Spent
from launch.scheduling.utilisation import Utilisation
from launch.studyfile.cost import Budget


class _Stop(Protocol):
    """What is asked to stop, as `StopSignals` is."""

    @property
    def requested(self) -> bool:
        """True if there is a reason to stop."""

    def reach(self, what: str) -> None:
        """Stops at a limit, which is told."""


class _Meter(Protocol):
    """What says how far the session is, as `scheduling.utilisation.Meter` does."""

    @property
    def finished(self) -> bool:
        """True if there will be no further job."""

    @property
    def utilisation(self) -> Utilisation:
        """Until now."""


class BudgetedStop:
    """A `StopRequest` that also comes when hours or GPU-hours are spent, counted over all sessions.

    Args:
        stop: The request that it extends.
        budget: The study's budget, None for none.
        earlier: What earlier sessions have cost.
        gpus: GPUs that one trial takes.
        meter: Measures this session.
        clock: Seconds.
    """

    def __init__(
        self,
        stop: _Stop,
        budget: Budget | None,
        earlier: Spent,
        gpus: float,
        meter: _Meter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop, self._budget, self._earlier, self._gpus = stop, budget, earlier, gpus
        self._meter, self._clock, self._began = meter, clock, clock()

    @property
    def requested(self) -> bool:
        if not self._stop.requested and (over := self.over) and not self._meter.finished:
            self._stop.reach(over)
        return self._stop.requested

    @property
    def over(self) -> str:
        """Which budget is spent, in words; '' for none."""
        if self._budget is None:
            return ""
        hours, gpu_hours = self._budget.hours, self._budget.gpu_hours
        if hours is not None and self._earlier.hours + (self._clock() - self._began) / 3600 >= hours:
            return f"the budget of {hours:g} hours is spent over all sessions (raise budget.hours)"
        if gpu_hours is not None:
            slot_hours = self._earlier.slot_hours + self._meter.utilisation.occupied / 3600
            if slot_hours * self._gpus >= gpu_hours:
                return f"the budget of {gpu_hours:g} GPU-hours is spent over all sessions (raise budget.gpu_hours)"
        return ""
