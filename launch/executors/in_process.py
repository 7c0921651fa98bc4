"""Runs jobs one after another in this process: for tests, under the same contract as Ray's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from glifr.records import Layout
from launch.jobs import Job, Result, Scheduler, StopRequest
from launch.tracking.queue import FINISH_SECONDS, START_SECONDS, settle
from launch.workers.trial import run_job


class InProcessExecutor:
    """An executor without workers."""

    def __init__(self, root: Path, tracking_mode: str = "disabled") -> None:
        self._root, self._mode = root, tracking_mode

    @property
    def slots(self) -> int:
        return 1

    def map(self, function: Callable[..., Result], items: Sequence[tuple[object, ...]]) -> list[Result]:
        """`function` of each item's values."""
        return [function(*item) for item in items]

    def run(self, decider: Scheduler, stop: StopRequest) -> None:
        """Runs until the decider has finished or a stop is requested."""
        while not (decider.finished or stop.requested):
            job = decider.next_job()
            if job is not None:
                self._run(job, decider, stop)
            elif not decider.finished:
                raise RuntimeError("nothing runs and nothing can start")
        settle(Layout(self._root), START_SECONDS + FINISH_SECONDS)  # nothing ends this process meanwhile

    def _run(self, job: Job, decider: Scheduler, stop: StopRequest) -> None:
        with closing(run_job(self._root, job.units, self._mode)) as steps:
            for step in steps:
                if step.done or decider.step(job.key, step):
                    return decider.ended(job.key, step)
                if stop.requested:
                    return None
