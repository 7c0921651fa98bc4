"""Runs jobs under a clock of its own, on as many slots as one likes: a study of days is played in seconds.

The decider, its searchers and the ledger are the real ones. A job's steps are computed here, one after another, at the
moments at which they would end on a cluster.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from launch.jobs import Job, Scheduler, Step, StopRequest, Work


class Clock:
    """Simulated seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(order=True)
class _Due:
    """The next step of a running job. Ties are broken by the order in which steps were begun."""

    at: float
    number: int
    seconds: float = field(compare=False)
    job: Job = field(compare=False)
    steps: Generator[Step, None, None] = field(compare=False)


class SimulatedExecutor:
    """seconds: what one step of a job takes. overhead: what a slot stands still between two jobs."""

    def __init__(
        self,
        root: Path,
        slots: int,
        work: Work,
        seconds: Callable[[Job], float],
        clock: Clock,
        overhead: float = 0.0,
    ) -> None:
        self._root, self.slots, self._work, self._seconds = root, slots, work, seconds
        self._clock, self._overhead = clock, overhead
        self._due: list[_Due] = []
        self._begun = 0

    def run(self, decider: Scheduler, stop: StopRequest) -> None:
        """Runs until the decider has finished or a stop is requested."""
        while not (decider.finished or stop.requested):
            self._fill(decider)
            if not self._due:
                raise RuntimeError("nothing runs and nothing can start")
            due = heapq.heappop(self._due)
            self._clock.now = due.at
            self._take(due, decider)
        for due in self._due:
            due.steps.close()

    def _fill(self, decider: Scheduler) -> None:
        while len(self._due) < self.slots and not decider.finished:
            job = decider.next_job()
            if job is None:
                return
            self._begin(job, self._work(self._root, job.units, "disabled"), self._overhead)

    def _begin(self, job: Job, steps: Generator[Step, None, None], wait: float) -> None:
        self._begun += 1
        seconds = self._seconds(job)
        heapq.heappush(self._due, _Due(self._clock.now + wait + seconds, self._begun, seconds, job, steps))

    def _take(self, due: _Due, decider: Scheduler) -> None:
        step = replace(next(due.steps), seconds=due.seconds, cpu_seconds=due.seconds)
        if step.done or decider.step(due.job.key, step):
            due.steps.close()
            decider.ended(due.job.key, step)
        else:
            self._begin(due.job, due.steps, 0.0)
