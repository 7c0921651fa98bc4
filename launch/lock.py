"""One driver per study: a lock that lives as long as its holder's heartbeat."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glifr.checkpoints import write_whole
from glifr.errors import InputError, Problem
from launch.ledger import publish

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


class LockLostError(RuntimeError):
    """Another driver has taken this study over; this one must not publish any more."""


class DriverLock:
    """Held while a driver runs. A lock without a heartbeat for 60 s, or of a process that is gone, is taken over.

    `took_over` says whose lock was replaced, if any.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = secrets.token_hex(8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="driver-lock", daemon=True)
        self.took_over: str | None = None

    def __enter__(self) -> Self:
        if not publish(self._path, self._content()):
            self._take_over_or_refuse()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self.held():
            self._path.unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether the lock is still ours; to be asked before anything is published."""
        return _read(self._path).get("token") == self._token

    def check(self) -> None:
        """Raises LockLostError if another driver has the study now."""
        if not self.held():
            raise LockLostError(f"{self._path}: another driver has taken this study over")

    def _content(self) -> bytes:
        body = {"token": self._token, "host": socket.gethostname(), "pid": os.getpid(), "beat": time.time()}
        return json.dumps(body).encode()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            if self.held():
                write_whole(self._path, self._content())

    def _take_over_or_refuse(self) -> None:
        holder = _read(self._path)
        age = time.time() - float(holder.get("beat", 0.0))
        if age < STALE_SECONDS and not _gone(holder):
            raise InputError(
                Problem(
                    "another driver is running this study",
                    str(self._path),
                    f"process {holder.get('pid')} on {holder.get('host')}, last heartbeat {age:.0f} s ago",
                    todo="wait for it, stop it, or choose another --results; "
                    f"its lock is taken over {STALE_SECONDS:.0f} s after its last heartbeat",
                )
            )
        self.took_over = f"process {holder.get('pid')} on {holder.get('host')}"
        write_whole(self._path, self._content())


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _gone(holder: dict[str, Any]) -> bool:
    """Whether the holder ran on this host and its process is no more."""
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, ValueError):
        return False
    return False
