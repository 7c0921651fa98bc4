"""Slurm, as Debian packages it, on hosts of this machine: a controller and nodes with pretend GPUs."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.hosts import Host, hosts, why_not

ROOT = Path(__file__).resolve().parent.parent.parent
NODES = ("n1", "n2", "n3")
_HUB = "hub"
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CPUS, GPUS, MEMORY = 4, 2, 16000  # of each node; MB
HANG = 400.0  # a deadline that only catches what hangs

_CONF = """
ClusterName=glifr
SlurmctldHost={hub}(10.77.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=15
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={nodes} CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9
"""


def why_no_slurm() -> str | None:
    """Why Slurm cannot be run here; None if it can."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurm-wlm, munge)"
    return why_not()


def _path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # and no virtual environment


class Slurm:
    """A cluster that takes jobs. `folder` is seen by all its hosts."""

    def __init__(self, machines: dict[str, Host], folder: Path) -> None:
        self.hosts, self.folder = machines, folder
        self.environment = {"PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf"), "HOME": str(folder / "home")}
        self.environment |= {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        (folder / "home").mkdir()

    def start(self) -> None:
        """Starts munge, the controller and the nodes' daemons, and waits for idle nodes."""
        folder, hub = self.folder, self.hosts[_HUB]
        values = {"cpus": CPUS, "gpus": GPUS, "memory": MEMORY, "nodes": ",".join(NODES)}
        (folder / "slurm.conf").write_text(_CONF.format(hub=_HUB, folder=folder, **values))
        (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # named, so that none is looked for
        for number in range(GPUS):
            (folder / f"gpu{number}").touch()
        (folder / "state").mkdir()
        (folder / "key").write_bytes(secrets.token_bytes(128))
        (folder / "key").chmod(0o600)
        munge = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={folder}/key"]
        munge += [f"--{kind}-file={folder}/munge.{kind}" for kind in ("pid", "log", "seed")]
        hub.begin(munge, folder, self.environment, folder / "munge.out")
        wait_for((folder / "munge.socket").exists, "munge")
        hub.begin(["slurmctld", "-D"], folder, self.environment, folder / "slurmctld.out")
        for name in NODES:
            self.start_node(name)
        wait_for(lambda: self.ask("sinfo", "--noheader", "--format=%D %t").split() == ["3", "idle"], "idle nodes")

    def start_node(self, name: str) -> None:
        """The daemon of a node."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        command = ["slurmd", "-D", "-N", name]
        self.hosts[name].begin(command, self.folder, self.environment, self.folder / f"slurmd-{name}.out")

    def ask(self, *command: str) -> str:
        """What one of Slurm's own commands says; '' if it fails."""
        done = self.hosts[_HUB].run(command, ROOT, self.environment, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def submit(self, *words: str) -> Job:
        """`sbatch WORDS`, from the project's folder."""
        done = self.hosts[_HUB].run(["sbatch", *words], ROOT, self.environment, timeout=60)
        assert done.returncode == 0, done.stderr
        return Job(self, re.findall(r"\d+", done.stdout)[-1])

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        paths = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths)


class Job:
    """A job that was submitted."""

    def __init__(self, slurm: Slurm, number: str) -> None:
        self._slurm, self.number = slurm, number

    def field(self, name: str) -> str:
        """What `scontrol show job` says under that name."""
        found = re.search(rf"\b{name}=(\S+)", self._slurm.ask("scontrol", "show", "job", self.number))
        return found[1] if found else ""

    @property
    def state(self) -> str:
        return self.field("JobState")

    @property
    def output(self) -> str:
        path = Path(self.field("StdOut"))
        return path.read_text() if path.is_file() else ""

    def wait_for(self, event: Callable[[], object], what: str, seconds: float = HANG) -> None:
        """Fails, with the job's output, if that does not come."""
        with contextlib.suppress(TimeoutError):
            return wait_for(event, what, seconds)
        message = f"no {what}; job {self.number} is {self.state}\n{self.output}\n{self._slurm.logs()}"
        raise AssertionError(message)

    def wait_for_state(self, *states: str) -> None:
        self.wait_for(lambda: self.state in states, " or ".join(states))

    def cancel(self) -> None:
        self._slurm.ask("scancel", self.number)


def wait_for(event: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Waits for an event; TimeoutError if it does not come."""
    deadline = time.monotonic() + seconds
    while not event():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:.0f} s")
        time.sleep(0.3)


@contextlib.contextmanager
def slurm_cluster() -> Iterator[Slurm]:
    """A running cluster whose nodes know themselves as 127.0.1.1, as Debian's do."""
    with hosts(NODES, _HUB, loopback_names=True) as (machines, folder):
        slurm = Slurm(machines, folder)
        try:
            slurm.start()
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{slurm.logs()}") from None
        yield slurm
