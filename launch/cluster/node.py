"""One node of a job's Ray cluster: `python launch/cluster/node.py HEAD PORT`, started by slurm.sh on each node.

The first node of the job (SLURM_NODEID 0) is the head. Ray's processes block the signals by which a batch system ends
a job, so that they go on until the study below which they lie has stopped. SIGUSR2 ends them all, at once, and takes
their temporary folder away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

_SHIELDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
_HEAD_SECONDS = 300.0
_TOLD_BYTES = 3000
_MEGABYTE = 2**20
_STORE_SHARE = 0.2  # of a node's memory for the object store, which holds the data once


def ray_command(head: str, port: int, job: Mapping[str, str]) -> list[str]:
    """`ray start` for this node of the job whose environment is given."""
    where = [f"--address={head}:{port}"]
    if job["SLURM_NODEID"] == "0":
        where = ["--head", f"--node-ip-address={head}", f"--port={port}", f"--temp-dir={job['RAY_TMPDIR']}"]
        where += ["--include-dashboard=false", "--disable-usage-stats"]
    sizes = [f"--num-cpus={job['SLURM_CPUS_PER_TASK']}"]
    if megabytes := _memory(job):
        sizes += [f"--memory={int(megabytes * (1 - _STORE_SHARE)) * _MEGABYTE}"]
        sizes += [f"--object-store-memory={max(100, int(megabytes * _STORE_SHARE)) * _MEGABYTE}"]
    ports = ["--min-worker-port=0", "--max-worker-port=0"]  # any free ones: another job's Ray may be on this node
    return [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *sizes, *ports, "--block"]


def _memory(job: Mapping[str, str]) -> int:
    """The job's memory on a node in MB; 0 if it was given none, or all."""
    if "SLURM_MEM_PER_NODE" in job:
        return int(job["SLURM_MEM_PER_NODE"])
    return int(job.get("SLURM_MEM_PER_CPU", 0)) * int(job["SLURM_CPUS_PER_TASK"])


def wait_for_head(head: str, port: int) -> None:
    """Returns once something listens there; a worker that came first would not wait for long by itself."""
    deadline = time.monotonic() + _HEAD_SECONDS
    while True:
        try:
            return socket.create_connection((head, port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"the head of the Ray cluster does not answer at {head}:{port}: {error}")
            time.sleep(0.2)


def main(head: str, port: int) -> int:
    """Runs Ray on this node until it ends or SIGUSR2 comes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_SHIELDED, signal.SIGUSR2])
    job = os.environ
    if job["SLURM_NODEID"] != "0":
        wait_for_head(head, port)
    place = Path(job["RAY_TMPDIR"]).parent  # Ray opens the innermost folder to everybody
    place.mkdir(mode=0o700, exist_ok=True)
    with (place / "start.log").open("wb") as log:
        command = ray_command(head, port, job)
        ray = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    asked = threading.Event()
    threading.Thread(target=_end_with, args=[ray, place / "start.log", asked], daemon=True).start()
    signal.sigwait([signal.SIGUSR2])
    asked.set()
    _kill_session(ray.pid)
    shutil.rmtree(place, ignore_errors=True)
    return 0


def _kill_session(leader: int) -> None:
    """Ends all that Ray has started here: its workers have process groups of their own, but no sessions."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(status.read_text().rpartition(")")[2].split()[3]) == leader:
                os.kill(int(status.parent.name), signal.SIGKILL)


def _end_with(ray: subprocess.Popen[bytes], log: Path, asked: threading.Event) -> None:
    """Leaves if Ray on this node ends by itself, with the last that it said and its exit code."""
    code = ray.wait()
    if asked.is_set():
        return
    with contextlib.suppress(OSError):
        os.write(2, log.read_bytes()[-_TOLD_BYTES:])
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
