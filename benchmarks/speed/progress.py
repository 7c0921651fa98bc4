"""Progress of a run and its time left, one line on stderr.

Each part of the run says beforehand about how many seconds it takes; how wrong that is so far scales what is left.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO


class Progress:
    """costs: part -> expected seconds, in the order of the run."""

    def __init__(self, costs: Mapping[str, float], out: TextIO | None = None) -> None:
        self._costs, self._out = dict(costs), out or sys.stderr
        self._started, self._before, self._part = time.monotonic(), 0.0, ""

    def begin(self, part: str) -> None:
        """The parts before it are done, or are left out."""
        names = list(self._costs)
        self._part, self._before = part, sum(self._costs[name] for name in names[: names.index(part)])
        self.tick(0.0, "")

    def tick(self, share: float, what: str) -> None:
        """share: of the present part that is done."""
        done, whole = self._before + share * self._costs[self._part], sum(self._costs.values())
        spent = time.monotonic() - self._started
        # until enough is done to judge by, the expectation counts as if some of it had come true
        pace = (spent + _TRUST * whole) / (done + _TRUST * whole)
        number = list(self._costs).index(self._part) + 1
        words = f"[{number}/{len(self._costs)}] {self._part}" + (f": {what}" if what else "")
        left = f"about {_duration(pace * (whole - done))} left"
        if self._out.isatty():
            self._out.write(f"\r\x1b[K{words}, {left}")
        else:
            self._out.write(f"{words}, {left}\n")
        self._out.flush()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._out.write(f"\r\x1b[K{line}\n" if self._out.isatty() else f"{line}\n")

    def end(self) -> None:
        self.say(f"done in {_duration(time.monotonic() - self._started)}")


_TRUST = 0.05


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
