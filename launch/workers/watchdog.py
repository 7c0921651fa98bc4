"""Ends a worker process whose epoch takes too long, and keeps where it hung."""

from __future__ import annotations

import faulthandler
from pathlib import Path
from types import TracebackType
from typing import Self


class Watchdog:
    """While entered: unless paused or restarted in time, the stack goes to `path` and the process ends.

    Python's fault handler does it from a thread in C, so that code which never gives up the interpreter is ended too.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds

    def __enter__(self) -> Self:
        self._file = self._path.open("w")
        self.restart()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.pause()
        self._file.close()
        self._path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Begins to count anew."""
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def pause(self) -> None:
        """Stops counting."""
        faulthandler.cancel_dump_traceback_later()
