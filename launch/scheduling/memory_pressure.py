"""After a worker was ended because its node ran low on memory, fewer jobs run at once, and the next one waits."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_WAIT, _LONGEST_WAIT = 10.0, 300.0


class MemoryPressure:
    """How many jobs may run at once, and when the next may start.

    The limit holds for the session: what was too much once will be so again. The wait doubles with every kill, up to
    five minutes, and begins anew after a job that ended well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.limit: int | None = None
        self._wait, self._not_before = 0.0, float("-inf")

    def killed(self, running: int) -> str:
        """Hears that one of so many running jobs was ended; returns what follows, for the study's log."""
        self.limit = max(1, min(running, self.limit or running) - 1)
        now = self._clock()
        if now >= self._not_before:  # jobs that are ended together are one event
            self._wait = min(max(_FIRST_WAIT, 2 * self._wait), _LONGEST_WAIT)
            self._not_before = now + self._wait
        return (
            f"a worker was ended because its node ran low on memory: from now on {self.limit} at once, "
            f"the next in {self._not_before - now:.0f} s"
        )

    def ended_well(self) -> None:
        """Hears of a job that had the memory it needed."""
        self._wait = 0.0

    def allows(self, running: int) -> bool:
        """True if another job may start beside so many."""
        return (self.limit is None or running < self.limit) and self._clock() >= self._not_before
