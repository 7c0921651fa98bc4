"""Ends a study early: on a signal, of which a second one leaves at once, or at a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Self

from launch.continuing import continue_command

# SIGUSR1 is what Slurm can be asked to send before it takes a node away, SIGHUP what a closed terminal sends
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
LEAVE_SECONDS = 25.0
ONE_REQUEST_SECONDS = 1.0  # batch systems and terminals send several signals for one request
_FAREWELL_SECONDS = 5.0  # a results folder that hangs must not hold the process


def _to_stderr(text: str) -> None:
    os.write(2, f"{text}\n".encode())  # no lock that the thread which prints could hold


def _watched() -> set[signal.Signals]:
    """Without SIGHUP where `nohup` has it ignored; a blocked signal would arrive all the same."""
    return {n for n in WATCHED if not (n is signal.SIGHUP and signal.getsignal(n) is signal.SIG_IGN)}


class StopSignals:
    """A `StopRequest`, entered as a context before anything else of the program is imported.

    The signals are blocked in all threads, and one thread waits for them: whatever handlers Ray and Tune install, and
    whatever the main thread is doing, they arrive here alone. Processes started from here inherit the block, so that a
    batch system that signals every process of a job stops the driver and not the Ray below it. The ledger is consistent
    at any moment, so no way of leaving loses more than running epochs.

    Attributes:
        say: Prints a sentence.
        where: What becomes of the study if it is left now.
        at_leave: Called with the exit code before the process leaves at once.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._given = given
        self.received: signal.Signals | None = None
        self.say: Callable[[str], None] = _to_stderr
        self.where = "nothing was started"
        self.at_leave: Callable[[int], None] = lambda code: None
        self._asks, self._left = False, False
        self._received_at = 0.0
        self._guard = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._overdue = threading.Timer(LEAVE_SECONDS, self._leave, ["jobs are still ending"])
        self._overdue.daemon = True
        self._limit: threading.Timer | None = None
        self._limit_reached = False
        self._watched: set[signal.Signals] = set()
        self._before: dict[signal.Signals, object] = {}

    @property
    def requested(self) -> bool:
        return self.received is not None or self._limit_reached

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after any other signal to end, 1 at the time limit."""
        if self.received is None:
            return 1
        return 130 if self.received is signal.SIGINT else 143

    def limit(self, hours: float) -> None:
        """Asks the study to stop in so many hours, as a first signal would; a report that is being made is finished."""
        self._limit = threading.Timer(3600 * hours, self.reach, [f"{hours:g} hours are over"])
        self._limit.daemon = True
        self._limit.start()

    def reach(self, what: str) -> None:
        """Stops as a first signal would, at a limit, which is told."""
        with self._guard:
            if self.requested:
                return
            self._limit_reached = True
            if self._asks:
                self._overdue.start()
                self._say(f"{what}: stopping at the last checkpoints ...")

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """While trials run: a first signal only sets `requested`. Afterwards, and before, it leaves at once."""
        self._asks = True
        try:
            yield
        finally:
            with self._guard:
                self._asks = False

    def __enter__(self) -> Self:
        self._watched = _watched()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        self._thread.start()
        with contextlib.suppress(ValueError):  # handlers can be set in the main thread only
            for number in self._watched:  # for threads that were there before, which block nothing
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._overdue.cancel()
        if self._limit is not None:
            self._limit.cancel()
        signal.pthread_kill(self._thread.ident or 0, signal.SIGUSR1)
        self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _wait(self) -> None:
        while True:
            number = signal.sigwait(self._watched)
            if self._closed.is_set():
                return
            self._handle(number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        with self._guard:
            if self.received is None:
                self.received, self._received_at = signal.Signals(number), time.monotonic()
                if self._asks and not self._limit_reached:
                    self._overdue.start()
                    self._say(f"{self.received.name}: stopping at the last checkpoints; another one leaves at once ...")
                    return
            elif time.monotonic() - self._received_at < ONE_REQUEST_SECONDS:
                return
        self._leave(self.received.name)

    def _say(self, text: str) -> None:
        try:
            self.say(text)
        except OSError:  # the terminal is gone: what is still to be said goes nowhere
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)

    def _leave(self, reason: str) -> None:
        self.leave(reason, self.exit_code)

    def leave(self, reason: str, code: int) -> None:
        """Ends the process at once, from any thread, with the command that goes on with the study."""
        with self._guard:
            if self._left:
                return
            self._left = True
        hangs = threading.Timer(_FAREWELL_SECONDS, os._exit, [code])
        hangs.daemon = True
        hangs.start()
        try:
            self._say(f"{reason}: {self.where}. To continue:\n  {continue_command(self._given)}")
            self.at_leave(code)
        finally:
            os._exit(code)
