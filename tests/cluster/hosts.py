"""Hosts on one machine: namespaces with an address, a name, process ids, /etc/hosts and a /tmp of their own.

A host's first process is a shell; killing it ends everything on the host, as pulling its plug does. The hosts reach
each other over a bridge in a namespace of its own, and nothing else. As root only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

NEEDED = "GLIFR_NEED_CLUSTER" in os.environ  # `make test-cluster` sets it: there a skip is a failure
NETWORK = "10.77.0"
HUB = 254  # the last part of the address of the host that carries the bridge
_BESIDE_TMP = "/var/tmp"  # each host has a /tmp of its own, so what they share cannot lie there


def why_not() -> str | None:
    """Why this machine cannot have hosts; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "nsenter", "unshare") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    made = subprocess.run(["unshare", "--net", "--pid", "--uts", "--mount", "--fork", "true"], capture_output=True)
    return None if made.returncode == 0 else f"no namespaces here: {made.stderr.decode().strip()}"


class Host:
    """A namespace that runs until it is killed."""

    def __init__(self, name: str, net: str, folder: Path, hosts: str) -> None:
        self.name, self._net = name, net
        own = folder / name
        (own / "tmp").mkdir(parents=True)
        (own / "tmp").chmod(0o1777)
        (own / "hosts").write_text(hosts)
        setup = (
            f"hostname {name} && mount --bind {own}/hosts /etc/hosts && mount --bind {own}/tmp /tmp"
            " && mount -t tmpfs shm /dev/shm && echo ready && while :; do sleep 1000 & wait; done"
        )
        spaces = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", net, *spaces, "bash", "-c", setup],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", f"host {name} did not start"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.first = int(children.read_text().split()[0])

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command, run on this host."""
        return ["nsenter", f"--target={self.first}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *command]

    def run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command here to its end."""
        entered = ["env", "--chdir", str(cwd), *command]
        return subprocess.run(
            self.enter(entered), env={**env}, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )

    def begin(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
        """Starts the command here."""
        with log.open("a") as stream:
            return subprocess.Popen(
                self.enter(["env", "--chdir", str(cwd), *command]),
                env={**env},
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
            )

    def kill(self) -> None:
        """Ends everything on the host at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)
        self._process.wait(timeout=30)


@contextlib.contextmanager
def hosts(names: Sequence[str], hub: str, loopback_names: bool = False) -> Iterator[tuple[dict[str, Host], Path]]:
    """The hosts and a folder that all of them see; everything is gone afterwards.

    loopback_names: whether each host knows itself as 127.0.1.1, as Debian's installer writes it.
    """
    word = secrets.token_hex(2)
    folder = Path(f"{_BESIDE_TMP}/glifr-{word}")
    folder.mkdir(mode=0o755)
    address = {name: f"{NETWORK}.{n}" for n, name in enumerate(names, 1)} | {hub: f"{NETWORK}.{HUB}"}
    nets = {name: f"glifr-{word}-{name}" for name in (hub, *names)}
    started: dict[str, Host] = {}
    try:
        _connect(word, nets, hub, address)
        for name in address:
            known = {**address, name: "127.0.1.1"} if loopback_names and name != hub else address
            text = "127.0.0.1 localhost\n" + "".join(f"{ip} {other}\n" for other, ip in known.items())
            started[name] = Host(name, nets[name], folder, text)
        yield started, folder
    finally:
        for host in started.values():
            host.kill()
        for net in nets.values():
            subprocess.run(["ip", "netns", "del", net], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _connect(word: str, nets: Mapping[str, str], hub: str, address: Mapping[str, str]) -> None:
    for net in nets.values():
        _ip("netns", "add", net)
        _ip("-n", net, "link", "set", "lo", "up")
    _ip("-n", nets[hub], "link", "add", "bridge", "type", "bridge")
    _ip("-n", nets[hub], "addr", "add", f"{address[hub]}/24", "dev", "bridge")
    _ip("-n", nets[hub], "link", "set", "bridge", "up")
    for name, net in nets.items():
        if name == hub:
            continue
        end = f"g{word}{name}"
        _ip("-n", nets[hub], "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", net)
        _ip("-n", nets[hub], "link", "set", end, "master", "bridge", "up")
        _ip("-n", net, "addr", "add", f"{address[name]}/24", "dev", "eth0")
        _ip("-n", net, "link", "set", "eth0", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
