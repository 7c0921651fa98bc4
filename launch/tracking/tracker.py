"""The mirrors of a job: which there are, and what feeds each beside the work, after the local record is written.

Nothing that goes wrong in a mirror touches the study, or another mirror.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, UnitId
from launch.ledger.attempts import Lease
from launch.tracking.queue import ActionQueue, Outage
from launch.tracking.rows import TrackedStudy


class Run(Protocol):
    """A mirror's run of one attempt at a unit."""

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """Writes one row an epoch, each with its epoch number."""

    def outcomes(self, outcomes: Sequence[SeedOutcome]) -> None:
        """Writes the final numbers, and the parameters' histograms."""

    def finish(self, exit_code: int) -> None:
        """Ends it. exit_code: 0 if nothing went wrong."""


@dataclass(frozen=True)
class JobMirror:
    """A mirror as a job sees it.

    Attributes:
        name: Its name in words.
        start: Begins the run of a proposal's attempt, which a lease token names.
        first: Called before, in the mirror's own thread.
    """

    name: str
    start: Callable[[Proposal, str], Run]
    first: Callable[[], object] | None = None


class Trackers:
    """One job in all its mirrors; as `Tracker`."""

    def __init__(
        self,
        layout: Layout,
        tracked: TrackedStudy,
        proposals: Sequence[Proposal],
        leases: Sequence[Lease],
        mirrors: Sequence[JobMirror],
    ) -> None:
        self._each = [Tracker(layout, tracked, proposals, leases, mirror) for mirror in mirrors]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for tracker in self._each:
            self._stack.enter_context(tracker)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def epochs(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        """Logs one row per unit and epoch, each with its epoch number."""
        for tracker in self._each:
            tracker.epochs(records)

    def summary(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        """Puts the final numbers into the runs."""
        for tracker in self._each:
            tracker.summary(unit, outcomes)


class Tracker:
    """The runs of one job in one mirror, one per unit; used as a context so that a stopped job closes its runs.

    Its methods return at once.
    """

    def __init__(
        self,
        layout: Layout,
        tracked: TrackedStudy,
        proposals: Sequence[Proposal],
        leases: Sequence[Lease],
        mirror: JobMirror,
    ) -> None:
        units = zip(proposals, leases, strict=True)
        self._units = [u for u in units if tracked.has_run(u[0].unit)]
        self._layout, self._mirror = layout, mirror
        self._runs: dict[UnitId, Run] = {}
        self._beside: ActionQueue | None = None

    def __enter__(self) -> Self:
        if self._units:
            outage = Outage(self._layout, self._mirror.name)
            self._beside = ActionQueue(outage, ", ".join(str(p.unit) for p, _ in self._units))
            if self._mirror.first is not None:
                self._beside.do(self._mirror.first)
            for proposal, lease in self._units:
                self._beside.do(partial(self._start, self._mirror, proposal, lease))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._beside is None:
            return
        code = 1 if error is not None and not isinstance(error, GeneratorExit) else 0
        for proposal, _ in self._units:
            self._beside.do(partial(self._finish, proposal.unit, code))
        self._beside.close()

    def epochs(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        """Logs one row per unit and epoch, each with its epoch number."""
        if self._beside is not None:
            self._beside.do(partial(self._log, {unit: tuple(own) for unit, own in records.items()}))

    def summary(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        """Puts the final numbers into the run's summary."""
        if self._beside is not None:
            self._beside.do(partial(self._summarise, unit, tuple(outcomes)))

    def _start(self, mirror: JobMirror, proposal: Proposal, lease: Lease) -> None:
        self._runs[proposal.unit] = mirror.start(proposal, lease.token)

    def _log(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        for unit, own in records.items():
            if unit in self._runs:
                self._runs[unit].epochs(own)

    def _summarise(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        if unit in self._runs:
            self._runs[unit].outcomes(outcomes)

    def _finish(self, unit: UnitId, code: int) -> None:
        if (run := self._runs.pop(unit, None)) is not None:
            run.finish(exit_code=code)
