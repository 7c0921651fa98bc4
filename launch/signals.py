"""Signals: the first asks the study to stop at its last checkpoints, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

# SIGUSR1 is what Slurm can be asked to send before it takes a node away
_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
LEAVE_SECONDS = 25.0


class StopSignals:
    """A `StopRequest` while it is entered as a context.

    on_first: called once, with the signal's name. on_overdue: called if the study has not left 25 s after that; then
    the process ends. The ledger is consistent at any moment, so neither way of leaving loses more than running epochs.
    """

    def __init__(self, on_first: Callable[[str], None], on_overdue: Callable[[], None]) -> None:
        self._on_first, self._on_overdue = on_first, on_overdue
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}
        self._timer = threading.Timer(LEAVE_SECONDS, self._leave)
        self._timer.daemon = True

    @property
    def requested(self) -> bool:
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after a request to end."""
        return 130 if self.received is signal.SIGINT else 143

    def __enter__(self) -> Self:
        for number in _WATCHED:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(self.exit_code)
        self.received = signal.Signals(number)
        self._timer.start()
        self._on_first(self.received.name)

    def _leave(self) -> None:
        try:
            self._on_overdue()
        finally:
            os._exit(self.exit_code)
