"""Starts Ray on this machine alone, or joins a cluster and sends it the code."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from glifr.errors import InputError, Problem
from launch.code import stage_code
from launch.executors.address import refuse_no_address
from launch.executors.ray_auth import (
    answers_without_token,
    close_token_to_others,
    make_token,
    send_no_token,
    send_token,
)
from launch.full_disk import disk_is_full
from launch.ledger.abandoned import mark, remove, remove_abandoned
from launch.outside.modules import NO_CODE, OutsideCode

_CONNECT_SECONDS = 5.0
_STORE_BYTES = 100 * 2**20  # Ray's least is 75 MiB; results never go through Ray
_SESSIONS = "session_*"
# The name of a socket holds 107 bytes, on macOS 103; below our folder Ray puts this, or something shorter, into it
_BELOW = "-12345678/r/session_2026-01-01_00-00-00_000000_12345678/sockets/plasma_store"
_LONGEST_FOLDER = (103 if sys.platform == "darwin" else 107) - len(_BELOW)
_SWITCH = "ENABLE_RAY_CLUSTER"
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set where `ray job submit` runs this program


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    Attributes:
        address: None for a cluster of this machine alone; otherwise 'auto' or HOST:PORT of a running one.
        insecure: Whether the user accepts a cluster that asks for no token, where anybody on the network can run code.
        nodes: How many nodes are waited for before the start.
        mixed: Whether nodes may differ in what they have installed.
    """

    address: str | None
    insecure: bool = False
    nodes: int = 1
    mixed: bool = False


def connect(cluster: Cluster, env_vars: dict[str, str], data_bytes: int, code: OutsideCode = NO_CODE) -> list[Path]:
    """Connects this process; returns the folders that Ray has made for it alone.

    env_vars: for the workers. data_bytes: what a local object store has to hold. code: from outside, for the workers.
    """
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if cluster.address is None:
        common["runtime_env"] = {"env_vars": env_vars | _path_to(code)}
        return _start(int(_STORE_BYTES + 1.2 * data_bytes), common)
    refuse_unusable(cluster.address)
    _settle_authentication(cluster)
    with tempfile.TemporaryDirectory(prefix="glifr-code-") as folder:
        common["runtime_env"] = {"env_vars": env_vars, **_code(Path(folder)), **_modules(code)}
        try:
            ray.init(address=cluster.address, **common)
        except Exception as error:  # Ray raises bare ones
            raise _unreachable(cluster.address, _first_line(error)) from None
    return []


def _start(store_bytes: int, common: dict[str, Any]) -> list[Path]:
    """A cluster that only this process knows: without dashboard, and with a token, which Ray makes at need."""
    folder = _own_folder() / "r"  # Ray opens the innermost folder to everybody
    remove_abandoned(folder, _SESSIONS)
    make_token()
    try:
        with _loopback_alone():
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=_cores_given(),
                object_store_memory=store_bytes,
                _temp_dir=str(folder),
                **common,
            )
    except Exception as error:  # Ray raises bare ones
        if disk_is_full(error):
            raise
        raise _did_not_start(folder, error) from None
    finally:
        close_token_to_others()
    own = list(folder.glob(f"{_SESSIONS}_{os.getpid()}"))
    for session in own:
        mark(session)
    return own


def disconnect(own: Sequence[Path]) -> None:
    """Leaves the cluster. One of this machine alone ends, and the folders that were its own go with it."""
    ray.shutdown()
    for folder in own:
        remove(folder)


@contextlib.contextmanager
def _loopback_alone() -> Iterator[None]:
    """Makes a Ray that starts meanwhile listen on 127.0.0.1 alone, as it does where it supports no cluster.

    Its environment variable for that is read at import; where the switch is no longer there, it listens everywhere.
    """
    from ray._private import ray_constants

    before = getattr(ray_constants, _SWITCH, True)
    setattr(ray_constants, _SWITCH, False)
    try:
        yield
    finally:
        setattr(ray_constants, _SWITCH, before)


def _cores_given() -> int | None:
    """The cores that this process may use, where a batch system gives it fewer than there are; Ray counts them all."""
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return None
    given = len(os.sched_getaffinity(0))
    return given if given < (os.cpu_count() or given) else None


def _own_folder() -> Path:
    """A folder for Ray's sockets and logs that no other user can enter: in a shared one users get in each other's way.

    In the folder of temporary files, or where a socket's name would be too long, in a usual one with a shorter name.
    InputError where none will do.
    """
    asked = Path(tempfile.gettempdir())
    usual = (Path(name) for name in ("/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/var/tmp") if name)
    for parent in (asked, *usual):
        path = parent / f"ray-{os.getuid()}"
        if len(os.fsencode(path)) <= _LONGEST_FOLDER and os.access(parent, os.W_OK | os.X_OK):
            return _private(path)
    rule = "the path of the folder of temporary files is too long for the names of Ray's sockets"
    longest = _LONGEST_FOLDER - len(f"/ray-{os.getuid()}")
    todo = "set TMPDIR to a folder with a shorter path, which exists and which you can write to"
    raise InputError(Problem(rule, "TMPDIR", str(asked), f"a path of at most {longest} bytes", todo))


def _private(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="ray-", dir=path.parent))
    return path


def _code(folder: Path) -> dict[str, str]:
    """What to send with the job. A program that `ray job submit` started has sent its folder already."""
    submitted = json.loads(os.environ.get(_JOB, "{}")).get("runtime_env", {})
    return {} if "working_dir" in submitted else {"working_dir": str(stage_code(folder))}


def _path_to(code: OutsideCode) -> dict[str, str]:
    """The environment in which a worker of this machine finds one's own modules."""
    if code.staged is None:
        return {}
    return {"PYTHONPATH": os.pathsep.join(p for p in (str(code.staged), os.environ.get("PYTHONPATH")) if p)}


def _modules(code: OutsideCode) -> dict[str, list[str]]:
    """One's own modules, as Ray sends them to other nodes, also beside a folder that was submitted."""
    if code.staged is None:
        return {}
    tops = {name.partition("/")[0] for module in code.modules if module.home is not None for name in module.files}
    return {"py_modules": [str(code.staged / top) for top in sorted(tops)]} if tops else {}


def _settle_authentication(cluster: Cluster) -> None:
    """Sends the token where the cluster asks for one; a cluster that asks for none needs the user's consent."""
    assert cluster.address is not None
    open_to_all, reason = answers_without_token(cluster.address)
    if open_to_all is None:
        raise _unreachable(cluster.address, reason)
    if open_to_all and not cluster.insecure:
        raise InputError(
            Problem(
                "this Ray cluster asks for no token: everybody who can reach it can run code on it as you",
                "--address",
                cluster.address,
                "a cluster with token authentication",
                "start it with RAY_AUTH_MODE=token and a token in ~/.ray/auth_token on every node (docs/cluster.md); "
                "or, where only you can reach it, add --insecure-cluster",
            )
        )
    if open_to_all:
        send_no_token()
    elif not send_token():
        raise _unreachable(cluster.address, "it asks for a token")


def refuse_unusable(address: str) -> None:
    """Raises InputError at once for what is no address, or where nothing listens; Ray would try for a minute."""
    if address == "auto":
        return
    refuse_no_address(address)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


_REMEDIES = (
    # what Ray's words hold: what to do then
    (("shm", "object store", "object_store"), "free memory in /dev/shm: Ray keeps the data there"),
    (("af_unix", "path is too long", "path too long"), "set TMPDIR to a folder with a shorter path"),
    (("permission denied", "not permitted", "read-only"), "set TMPDIR to a folder that you can write to"),
    (("token", "authenticat"), "look at ~/.ray/auth_token and RAY_AUTH_MODE: Ray's processes must show one token"),
    (("address already in use", "port"), "end what listens on Ray's ports, or give the same command again"),
    (
        ("timed out", "timeout", "time out", "memory", "did not start", "failed to start", "died", "terminated"),
        "give the same command again when the machine has memory and processors to spare",
    ),
)


def _did_not_start(folder: Path, error: Exception) -> InputError:
    reason = _first_line(error)
    words = str(error).lower()
    remedy = next((todo for held, todo in _REMEDIES if any(word in words for word in held)), None)
    logs = "the logs there say why"
    return InputError(
        Problem(
            "Ray did not start on this machine",
            str(folder / "session_latest" / "logs"),
            f"{type(error).__name__}: {reason}",
            todo=f"{remedy}; if it fails again, {logs}" if remedy else logs,
        )
    )


def _unreachable(address: str, reason: str) -> InputError:
    return InputError(
        Problem(
            f"no Ray cluster answers there ({reason})",
            "--address",
            address,
            "auto, or HOST:PORT of a running head node",
            "start one with `ray start --head`; if it is there and asks for a token, put that into ~/.ray/auth_token "
            "and set RAY_AUTH_MODE=token; or leave --address out to run on this machine alone",
        )
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
