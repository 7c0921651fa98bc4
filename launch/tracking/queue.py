"""Tells a mirror beside the work: nothing waits for it, and after two failures in a session nothing is told any more.

Each job has a thread of its own for each mirror, which does what it is given in order. What W&B then lacks is brought
up later, from the records, by `python -m launch.tracking sync RESULTS`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from glifr.records import Layout
from launch.ledger.durable import append
from launch.ledger.units import Ledger

WANDB = "W&B"
MOST_FAILURES = 2
START_SECONDS = 15.0  # for a run to start
FINISH_SECONDS = 15.0  # for a run to be sent to its end
SETTLE_SECONDS = 8.0  # for what is left when a worker ends; Tune ends it after 10 s

_Action = Callable[[], object]


class Outage:
    """A mirror's failures in a session of a study: a line each in a file that all its processes see."""

    def __init__(self, layout: Layout, mirror: str = WANDB) -> None:
        folder = layout.wandb if mirror == WANDB else layout.root / mirror.lower()
        self._layout, self._path, self.mirror = layout, folder / "failures.log", mirror
        self._over = False

    def begin(self) -> None:
        """Forgets those of earlier sessions."""
        self._path.unlink(missing_ok=True)

    @property
    def failures(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    @property
    def over(self) -> bool:
        """True if the mirror has failed too often to be told anything more."""
        self._over = self._over or len(self.failures) >= MOST_FAILURES
        return self._over

    def note(self, what: str, reason: str) -> None:
        """Puts a failure on record, for the session and in the study's log."""
        line = " ".join(f"{what}: {self.mirror} failed ({reason})".split())
        Ledger(self._layout.root).event("warning", line)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append(self._path, line + "\n")

    def guarded(self, what: str, action: _Action) -> None:
        """Calls unless the mirror has failed too often. An error is put on record and no more: the ledger has all."""
        if self.over:
            return
        try:
            action()
        except Exception as error:
            self.note(what, f"{type(error).__name__}: {error}")


class ActionQueue:
    """A thread that does one action after another. what: whose they are, for the record of a failure."""

    def __init__(self, outage: Outage, what: str) -> None:
        self._outage, self._what = outage, what
        self._actions: queue.SimpleQueue[_Action | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        _AT_WORK[self._thread] = outage
        self._thread.start()

    def do(self, action: _Action) -> None:
        """Has it done after all that was given before; returns at once."""
        self._actions.put(action)

    def close(self) -> None:
        """Nothing more will come."""
        self._actions.put(None)

    def _work(self) -> None:
        while (action := self._actions.get()) is not None:
            self._outage.guarded(self._what, action)
        _AT_WORK.pop(self._thread, None)


_AT_WORK: dict[threading.Thread, Outage] = {}  # of this process


def settle(layout: Layout, seconds: float = SETTLE_SECONDS) -> None:
    """Waits until each mirror has been told all that this process had for it, and no longer than so many seconds."""
    until = time.monotonic() + seconds
    for thread in list(_AT_WORK):
        thread.join(max(0.0, until - time.monotonic()))
    left = [outage for thread, outage in list(_AT_WORK.items()) if thread.is_alive()]
    for mirror in dict.fromkeys(outage.mirror for outage in left):
        own, outage = sum(o.mirror == mirror for o in left), Outage(layout, mirror)
        if not outage.over:
            outage.note(f"the runs of {own} jobs", f"not sent {seconds:g} s after the end")


def within(seconds: float, action: _Action) -> None:
    """Calls, in a thread that is left behind when it takes longer, and then raises TimeoutError."""
    errors: list[Exception] = []

    def call() -> None:
        try:
            action()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="wandb", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if errors:
        raise errors[0]
