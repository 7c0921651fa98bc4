"""One driver per study: a lock that lives as long as its holder's heartbeat.

The heartbeat touches the lock file. No process compares its own clock with another's: the file system stamps both the
lock and the probe that a newcomer writes, and where those stamps make no sense the newcomer watches for a heartbeat.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glifr.errors import InputError, Problem
from glifr.records.atomic import temporary_beside, write_whole
from launch.ledger.durable import publish

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 1.0


class LockLostError(RuntimeError):
    """Another driver has taken this study over; this one must not publish any more."""


class DriverLock:
    """Held while a driver runs. A lock without a heartbeat for 60 s, or of a process that is gone, is taken over.

    Attributes:
        took_over: Whose lock was replaced, if any.
    """

    def __init__(self, path: Path, on_wait: Callable[[str], None] = lambda _: None) -> None:
        self._path, self._on_wait = path, on_wait
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
        self.release()

    def release(self) -> None:
        """Gives the study free, if it is ours."""
        if self.held():
            self._path.unlink(missing_ok=True)

    def held(self) -> bool:
        """True if the lock is still ours; to be asked before anything is published."""
        return _read(self._path).get("token") == self._token

    def check(self) -> None:
        """Raises LockLostError if another driver has the study now."""
        if not self.held():
            raise LockLostError(f"{self._path}: another driver has taken this study over")

    def _content(self) -> bytes:
        return json.dumps({"token": self._token, **this_process()}).encode()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # the next one may succeed; a full disk does not hinder it
                if self.held():
                    os.utime(self._path)

    def _take_over_or_refuse(self) -> None:
        holder = _read(self._path)
        who = f"process {holder.get('pid')} on {holder.get('host')}"
        if not is_gone(holder) and self._beats(holder, who):
            raise self._refusal(who)
        self.took_over = who
        write_whole(self._path, self._content())
        time.sleep(_SETTLE_SECONDS)  # of several newcomers the last one to write has it
        if not self.held():
            raise self._refusal("a driver that came at the same moment")

    def _refusal(self, who: str) -> InputError:
        return InputError(
            Problem(
                "another driver is running this study",
                str(self._path),
                who,
                todo="wait for it, stop it, or choose another --results; "
                f"its lock is taken over {STALE_SECONDS:.0f} s after its last heartbeat",
            )
        )

    def _beats(self, holder: dict[str, Any], who: str) -> bool:
        """True if the holder is alive. Its process on this machine is; else it is watched until its lock is stale."""
        age = self._age()
        if holder.get("machine") == _machine() and 0 <= age < STALE_SECONDS:
            return True
        # An age that is negative (the clock was set back) says nothing; nor need a great one (it was set forward).
        patience = max(STALE_SECONDS - age if age >= 0 else STALE_SECONDS, 1.5 * HEARTBEAT_SECONDS)
        self._on_wait(f"the lock of {who} stands; waiting up to {patience:.0f} s for its heartbeat")
        return _changes(self._path, patience)

    def _age(self) -> float:
        return _age(self._path)


def has_driver(path: Path) -> bool:
    """True if a driver holds the lock at `path`, by no clock of this host: it may be wrong.

    A holder on this machine is asked for itself. One elsewhere has a heartbeat, younger than a minute by the file
    system's clock; who may not write there to read that clock waits for the next beat.
    """
    if not path.exists():
        return False
    holder = _read(path)
    if holder.get("machine") == _machine():
        return not is_gone(holder)
    try:
        age = _age(path)
    except OSError:
        age = -1.0
    if age >= STALE_SECONDS:
        return False
    return age >= 0 or _changes(path, 1.5 * HEARTBEAT_SECONDS)


def _changes(path: Path, patience: float) -> bool:
    """True if the lock gets a heartbeat, or another holder, within so many seconds."""
    before, until = _stamp(path), time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(min(_POLL_SECONDS, patience))
        if _stamp(path) != before:
            return _read(path) != {}
    return False


def _stamp(path: Path) -> tuple[int, str]:
    """Changes with every heartbeat and every holder."""
    try:
        with path.open("rb") as stream:  # opened, so that a network file system asks its server
            return os.fstat(stream.fileno()).st_mtime_ns, str(_parse(stream.read()).get("token"))
    except FileNotFoundError:
        return 0, ""


def _age(path: Path) -> float:
    """Seconds since the last heartbeat by the file system's own clock."""
    probe = temporary_beside(path)
    try:
        probe.touch()
        return (probe.stat().st_mtime_ns - _stamp(path)[0]) / 1e9
    finally:
        probe.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return {}


def _parse(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _machine() -> str:
    """This boot of this machine, and the space in which process ids count (containers share host names)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()


def this_process() -> dict[str, Any]:
    """What tells this process from all others, on this and other machines."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "machine": _machine(), "pid": pid, "started": _started(pid)}


def is_gone(holder: dict[str, Any]) -> bool:
    """True if the holder ran on this machine and its process is no more."""
    if holder.get("machine") != _machine():
        return False
    return _started(holder.get("pid")) != holder.get("started")


def _started(pid: object) -> str | None:
    """When a living process started, in clock ticks of this boot: a process id is given again. None if it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
