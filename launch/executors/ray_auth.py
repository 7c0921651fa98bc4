"""Ray's token authentication, which Ray turns on by itself only for clusters that it starts or finds by itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from pathlib import Path

from launch.ledger.durable import publish

_MODE = "RAY_AUTH_MODE"
_ASK_SECONDS = 60


def answers_without_token(address: str) -> tuple[bool | None, str]:
    """True if the cluster serves callers who show no token; None, with the reason, if there is none.

    Asked in a process of its own, since the mode belongs to the whole process.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        done = subprocess.run(
            command, env={**os.environ, _MODE: "disabled"}, capture_output=True, text=True, timeout=_ASK_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_ASK_SECONDS} s"
    if done.returncode == 0:
        return True, ""
    if "InvalidAuthToken" in done.stderr:
        return False, ""
    return None, next(iter(reversed(done.stderr.strip().splitlines())), f"exit code {done.returncode}")


def send_token() -> bool:
    """Makes this process show the user's token; whether there is one and Ray took the switch.

    A cluster started by `ray start` on a machine that has a token asks for it, but Ray leaves it out when it joins by
    an explicit address.
    """
    return _mode() == "token" or (_token_is_there() and _switch("token"))


def send_no_token() -> None:
    """Makes this process show none: workers of a cluster without authentication fail to start where one is shown.

    Only before a process's first connection: one that has shown a token keeps asking for it, and every actor of a
    cluster without would end at once.
    """
    if _mode() == "token":
        _switch("disabled")


def _mode() -> str:
    return os.environ.get(_MODE, "").lower()


def _switch(mode: str) -> bool:
    """Ray reads the mode at import and has no public way to change it; whether its private way is still there."""
    try:
        from ray._raylet import Config  # type: ignore[attr-defined]

        os.environ[_MODE] = mode
        Config.initialize("")
    except (ImportError, AttributeError):
        os.environ.pop(_MODE, None)
        return False
    return True


def make_token() -> None:
    """Makes the user's token, once and for its owner alone, where there is none and Ray would make one.

    Of several Rays that start at once each would write its own, and some of their processes read another's.
    """
    path = _default_path()
    if _mode() == "disabled" or os.environ.get("RAY_AUTH_TOKEN_PATH") or _token_is_there():
        return
    with contextlib.suppress(OSError):  # then Ray tries, and says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
        if not publish(path, secrets.token_hex(32).encode(), mode=0o600) and not path.read_bytes().strip():
            path.unlink()  # left empty by a Ray that was killed
            publish(path, secrets.token_hex(32).encode(), mode=0o600)


def close_token_to_others() -> None:
    """Ray writes a new token under the usual umask, readable for every user of the machine."""
    path = _default_path()
    if path.is_file() and path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _token_is_there() -> bool:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else _default_path()
    return path.is_file() and bool(path.read_bytes().strip())


def _default_path() -> Path:
    return Path.home() / ".ray" / "auth_token"
