"""Measures how far a session used its slots, from the jobs that went out and came back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from launch.failures import Failure
from launch.jobs import Job, Scheduler, Step


@dataclass(frozen=True)
class Utilisation:
    """The use of slots in one session. A slot is what one trial takes: its CPUs and its share of a GPU.

    Attributes:
        slots: Their number, on average where nodes joined or left.
        seconds: Wall time from the first job handed out to the last that ended.
        occupied: Slot-seconds that a job held a slot.
        computing: Slot-seconds inside the jobs; the rest of `occupied` is the launcher's own overhead.
        cpu_seconds: Processor time that the jobs used.
        jobs: How many ended.
    """

    slots: float
    seconds: float
    occupied: float
    computing: float
    cpu_seconds: float
    jobs: int

    @property
    def share_occupied(self) -> float:
        return self.occupied / (self.slots * self.seconds) if self.seconds else 0.0

    @property
    def share_computing(self) -> float:
        return self.computing / (self.slots * self.seconds) if self.seconds else 0.0

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        if not self.jobs:
            return f"{self.slots:g} slots, no job"
        what = "slot" if self.slots == 1 else "slots"
        return (
            f"{self.slots:.3g} {what} for {self.seconds:.0f} s: {self.share_occupied:.0%} occupied, "
            f"{self.share_computing:.0%} computing; {self.cpu_seconds / self.seconds:.1f} CPU cores busy on average"
        )


class Meter:
    """A `Scheduler` that passes everything on and counts. clock: seconds, of the executor's own time."""

    def __init__(self, decider: Scheduler, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._decider, self._slots, self._clock = decider, slots, clock
        self._open: dict[str, float] = {}
        self._first = self._last = self._occupied = self._computing = self._cpu = 0.0
        self._jobs = 0
        self._capacity, self._since = (
            0.0,
            float("-inf"),
        )  # slot-seconds before the slots last changed, and when that was
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        return self._decider.finished

    def next_job(self) -> Job | None:
        job = self._decider.next_job()
        if job is not None:
            with self._lock:
                self._first = self._first if self._jobs or self._open else self._clock()
                self._open[job.key] = self._clock()
        return job

    def step(self, key: str, step: Step) -> bool:
        self._count(step)
        return self._decider.step(key, step)

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        with self._lock:
            self._last = self._clock()
            self._occupied += self._last - self._open.pop(key)
            self._jobs += 1
        if step is not None and step.done:
            self._count(step)  # a job that was stopped ends with a step that was heard already
        self._decider.ended(key, step, lost)

    def halt(self, reason: str) -> None:
        self._decider.halt(reason)

    def slots_are(self, slots: int) -> None:
        """Hears that so many slots are there from now on."""
        with self._lock:
            now = self._clock()
            if self._jobs or self._open:
                self._capacity += self._slots * (now - max(self._first, self._since))
            self._slots, self._since = slots, now

    def _mean_slots(self, last: float) -> float:
        begun = max(self._first, self._since)
        if begun == self._first or last <= self._first:
            return self._slots
        return (self._capacity + self._slots * max(0.0, last - begun)) / (last - self._first)

    def follow(self, decider: Scheduler) -> None:
        """Counts on with another `Scheduler`, once the first has finished."""
        self._decider = decider

    def _count(self, step: Step) -> None:
        with self._lock:
            self._computing += step.seconds
            self._cpu += step.cpu_seconds

    @property
    def utilisation(self) -> Utilisation:
        """Until now; jobs that still run count as occupying their slots."""
        with self._lock:
            now = self._clock()
            last = now if self._open else self._last
            occupied = self._occupied + sum(now - since for since in self._open.values())
            return Utilisation(
                self._mean_slots(last), last - self._first, occupied, self._computing, self._cpu, self._jobs
            )
