"""Decides whether a study is tracked by W&B and with which login, and hands its key to the workers.

Where a login is, and for which server, is W&B's own answer: WANDB_API_KEY, its netrc, its settings file. The key never
enters Ray's runtime environment, a command line, a log or a record: it is read in the driver, taken out of its
environment, and handed on in a file that only its owner can read, which goes when the session ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlparse
from urllib.request import getproxies

from glifr.errors import InputError, Problem

if TYPE_CHECKING:  # imported where W&B is used
    from wandb.sdk.lib.wbauth import Auth

Mode = Literal["online", "offline", "disabled"]
MODES: dict[str, Mode] = {"online": "online", "offline": "offline", "disabled": "disabled"}
HANDED = "GLIFR_WANDB_LOGIN"  # names the file; the workers get this name alone
_KEY, _MODE = "WANDB_API_KEY", "WANDB_MODE"
_PREFIX = ".wandb-login-"
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Login:
    """A key and the server that it is for. The key is in no text that is made of this."""

    server: str
    key: str = field(repr=False)

    def use(self) -> None:
        """Makes this process's runs show the key."""
        import wandb

        wandb.setup(wandb.Settings(base_url=self.server, api_key=self.key, silent=True))


@dataclass(frozen=True)
class Decision:
    """The mode of a session and the reason for it.

    Attributes:
        login: The login; None where W&B needs none, or finds its own.
    """

    mode: Mode
    reason: str
    login: Login | None = None

    def __str__(self) -> str:
        return f"{self.mode}: {self.reason}"


def decide_mode(wanted: str) -> Decision:
    """Decides once, before any run starts: W&B cannot fall back to offline later.

    wanted: as in the study file. `auto` is $WANDB_MODE, else online where W&B finds a login. Online is offline where
    there is no login (a study that asks for it itself is refused: `refuse_without_login`), or no server answers.
    """
    given, by = MODES.get(wanted), "the study asks for it"
    if given is None:
        given, by = MODES.get(os.environ.get(_MODE, "")), f"{_MODE} says so"
    if given in ("offline", "disabled"):
        return Decision(given, by)
    return _online()


def refuse_without_login(wanted: str) -> None:
    """Raises InputError, before anything starts, for a study that asks for W&B's server itself where no login is.

    A server that does not answer is no reason: it may by the next session, and what it lacks is then brought up.
    """
    if MODES.get(wanted) != "online" or not isinstance(reason := _login(), str):
        return
    raise InputError(
        Problem(
            f"the study asks for W&B's server, and W&B cannot be used ({reason})",
            "tracking.wandb.mode",
            wanted,
            "online where W&B has a login; auto, which goes on offline without one; offline or disabled",
            "log in with `wandb login`, or add --set tracking.wandb.mode=auto",
        )
    )


def _login() -> tuple[str, Auth] | str:
    """W&B's server and W&B's own login for it, or why there is none."""
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    os.environ.setdefault("WANDB_SILENT", "true")  # what is to be said we say
    try:
        settings = wandb_setup.singleton().settings
        server = settings.base_url
        found = wbauth.authenticate_session(host=server, source="launch", prompt=False, update_session=False)
    except Exception as error:  # W&B's own, of pydantic, of urllib: a key or an address that it does not take
        return f"W&B cannot use its login or its settings ({_first_line(error)})"
    return f"no login found; wandb login (for {server})" if found is None else (str(server), found)


def _online() -> Decision:
    """Online, or why not."""
    from wandb.sdk.lib.wbauth import AuthApiKey

    if isinstance(login := _login(), str):
        return Decision("offline", login)
    server, found = login
    if not _answers(server):
        return Decision("offline", f"{server} does not answer")
    key = found.api_key if isinstance(found, AuthApiKey) else None
    way = f"{_KEY}" if os.environ.get(_KEY) else "W&B's own login"
    return Decision("online", f"{way} for {server}", None if key is None else Login(server, key))


def _answers(server: str) -> bool:
    """True if a connection can be made; behind a proxy that is not for us to say."""
    if getproxies():
        return True
    address = urlparse(server)
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def forget_key() -> None:
    """Takes a W&B key out of this process's environment, which Ray would log."""
    os.environ.pop(_KEY, None)


@dataclass(frozen=True)
class LoginFile:
    """The file that takes a login to the workers; `environment` names it to them."""

    path: Path

    @classmethod
    def at(cls, shared: Path | None) -> LoginFile:
        """In `shared`, which the nodes of a cluster see; None for this machine's folder of temporary files."""
        folder = shared or Path(tempfile.gettempdir())
        return cls(folder / f"{_PREFIX}{os.getuid()}-{os.getpid()}-{secrets.token_hex(8)}")

    @property
    def environment(self) -> Mapping[str, str]:
        return {HANDED: str(self.path)}

    @contextlib.contextmanager
    def of(self, login: Login | None) -> Iterator[None]:
        """The file is there inside this; afterwards it is gone, and so are those that killed sessions have left."""
        _remove_stale(self.path)
        try:
            if login is not None:
                _write_for_owner(self.path, json.dumps({"server": login.server, "key": login.key}))
            yield
        finally:
            self.remove()

    def remove(self) -> None:
        """Takes the file away, also before its time: a worker that starts later looks for the node's own login."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def _write_for_owner(path: Path, text: str) -> None:
    """Leaves nothing where others could read it: some file systems know no modes. The workers then use their own."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if not os.fstat(descriptor).st_mode & 0o077:
            stream.write(text)


def _remove_stale(path: Path) -> None:
    """Those beside `path` that this user's processes have left; a cluster's folder has one driver at a time."""
    for old in path.parent.glob(f"{_PREFIX}{os.getuid()}-*"):
        pid = old.name.removeprefix(_PREFIX).split("-")[1]
        if path.parent != Path(tempfile.gettempdir()) or not _alive(int(pid) if pid.isdigit() else 0):
            with contextlib.suppress(OSError):
                old.unlink()


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def use_handed() -> None:
    """In a worker: shows the key that the driver has handed on. Without one W&B looks for the node's own login."""
    global _used
    if _used:
        return
    try:
        found = json.loads(Path(os.environ[HANDED]).read_text(encoding="utf-8"))
        Login(found["server"], found["key"]).use()
    except (KeyError, OSError, ValueError):
        return
    _used = True


_used = False


def is_of_wandb(error: Exception) -> bool:
    """True if an error tells of W&B's server or of the way to it, and not of a fault of ours."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("wandb", "wandb_workspaces")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
