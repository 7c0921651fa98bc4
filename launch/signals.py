"""Ctrl-C and SIGTERM: the first asks the study to stop at its last checkpoints, the second leaves at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

_WATCHED = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A `StopRequest` while it is entered as a context. on_first: called once, with the signal's name."""

    def __init__(self, on_first: Callable[[str], None]) -> None:
        self._on_first = on_first
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    @property
    def requested(self) -> bool:
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in _WATCHED:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = signal.Signals(number)
        self._on_first(self.received.name)
