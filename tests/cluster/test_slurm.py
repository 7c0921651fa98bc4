"""launch/cluster/slurm.sh under a real Slurm on hosts of this machine, as docs/cluster.md prints it.

No virtual environment is on PATH, nodes know themselves as 127.0.1.1, and each has a /tmp and processes of its own.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from small_study import NOT_COMPILED, ONE_CONDITION

from cluster.hosts import NEEDED
from cluster.slurm import NODES, ROOT, Job, Slurm, slurm_cluster, why_no_slurm
from glifr.records import Layout, read_sealed

_REASON = why_no_slurm()

pytestmark = [
    pytest.mark.program,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_REASON is not None and not NEEDED, reason=f"no Slurm: {_REASON}"),
]
LONG = ("search=null", "confirm=null", "silencing=null", "conditions.RNN.fixed={learning_rate: 0.003}")
LONG += ("training.checkpoint_every=1", "training.epochs=40")
ENDLESS = (*LONG, "training.epochs=100000")
# From the study's last word until Slurm has the nodes back: well under the 60 s after which Ray's workers notice that
# their head is gone. A quiet machine takes less than 10 s.
FREE_SECONDS = 50.0


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    assert _REASON is None, _REASON
    with slurm_cluster() as running:
        yield running


class Study:
    """A study of seconds, as a job."""

    def __init__(self, slurm: Slurm, name: str, *options: str, settings: tuple[str, ...] = ()) -> None:
        self.results = slurm.folder / name
        study = slurm.folder / f"{name}.yaml"
        study.write_text(ONE_CONDITION)
        # the environment whose packages are tested, wherever it lies
        environment = f"--export=ALL,GLIFR_PYTHON={os.environ.get('GLIFR_PYTHON', sys.executable)}"
        only = [word for override in (NOT_COMPILED, *settings) for word in ("--set", override)]
        output = f"--output={slurm.folder}/{name}.out"
        script = [str(ROOT / "launch/cluster/slurm.sh"), str(study), "--results", str(self.results), *only]
        self.job: Job = slurm.submit("--cpus-per-task=2", environment, output, *options, *script)

    @property
    def root(self) -> Path:
        return self.results / "small" / "full"

    def wait_for_epochs(self) -> None:
        self.job.wait_for(lambda: list(self.root.glob("units/*/*/*/attempts/*/checkpoint*.pt")), "a checkpoint")

    def sessions(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = read_sealed(Layout(self.root).provenance)
        return found

    def check_complete(self) -> None:
        self.job.wait_for_state("COMPLETED", "FAILED", "NODE_FAIL", "TIMEOUT", "CANCELLED")
        assert self.job.state == "COMPLETED", self.job.output
        assert (self.root / "report.html").exists()
        assert "nothing is lost" not in self.job.output.rpartition("Report:")[2]

    def hosts(self) -> set[str]:
        """Where attempts ran."""
        leases = self.root.glob("units/*/*/*/attempts/*/lease.json")
        return {str(read_sealed(path)["host"]) for path in leases}

    def freed_after(self) -> float:
        """Seconds from the study's last word until Slurm has the nodes back, whose clock counts whole ones."""
        ended = datetime.fromisoformat(self.job.field("EndTime")).timestamp()
        return ended - Path(self.job.field("StdOut")).stat().st_mtime


def test_two_nodes_as_printed(slurm: Slurm) -> None:
    study = Study(slurm, "two", "--nodes=2", "--gpus-per-node=2", "--mem=6000")
    study.check_complete()
    assert study.hosts() <= set(NODES)
    assert len(study.hosts()) == 2, study.job.output
    assert "Used: 4 slots" in study.job.output  # two CPUs on each of two nodes: SRUN_CPUS_PER_TASK
    assert study.freed_after() < FREE_SECONDS
    assert not list(slurm.folder.glob("n*/tmp/ray-*")), "Ray left its folders on the nodes"


def test_one_node_as_printed(slurm: Slurm) -> None:
    study = Study(slurm, "one", "--nodes=1", "--mem-per-cpu=2000")
    study.check_complete()
    assert "Used: 2 slots" in study.job.output
    assert study.freed_after() < FREE_SECONDS


def test_well_before_the_time_is_over_the_job_goes_back(slurm: Slurm) -> None:
    """The limit is set once trials run: three to four minutes from then, in Slurm's whole ones."""
    study = Study(slurm, "time", "--nodes=2", settings=ENDLESS)
    study.wait_for_epochs()
    started = datetime.fromisoformat(study.job.field("StartTime")).timestamp()
    minutes = math.ceil((time.time() - started) / 60) + 3
    slurm.ask("scontrol", "update", f"JobId={study.job.number}", f"TimeLimit={minutes}")
    study.job.wait_for(lambda: study.job.field("Restarts") == "1", "requeue")
    assert started + 60 * minutes - time.time() > 90, "requeued too near the limit"
    assert [session["exit_code"] for session in study.sessions()] == [143]
    assert not (study.root / "report.html").exists(), "a report of a half study"
    study.job.cancel()


def test_a_job_that_is_told_of_its_end_goes_back_and_continues(slurm: Slurm) -> None:
    study = Study(slurm, "told", "--nodes=1", settings=LONG)
    study.wait_for_epochs()
    slurm.ask("scancel", "--batch", "--signal=USR1", study.job.number)  # as --signal does when its time has come
    study.check_complete()
    assert study.job.field("Restarts") == "1"
    assert [session["exit_code"] for session in study.sessions()] == [143, 0]
    assert resumed(study), "nothing was resumed from a checkpoint"


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_preempted_job_stops_at_its_checkpoints_and_continues(slurm: Slurm, nodes: int) -> None:
    """Slurm sends SIGTERM to every process of every step, to Ray's as well."""
    study = Study(slurm, f"preempted{nodes}", f"--nodes={nodes}", settings=LONG)
    study.wait_for_epochs()
    urgent = slurm.submit("--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    urgent.wait_for_state("COMPLETED")
    assert [session["exit_code"] for session in study.sessions()][:1] == [143], study.job.output
    study.check_complete()
    assert [session["exit_code"] for session in study.sessions()] == [143, 0]
    assert resumed(study), "nothing was resumed from a checkpoint"


def test_a_cancelled_job_is_stopped_and_stays_away(slurm: Slurm) -> None:
    study = Study(slurm, "cancelled", "--nodes=2", settings=ENDLESS)
    study.wait_for_epochs()
    study.job.cancel()
    study.job.wait_for_state("CANCELLED")
    assert [session["exit_code"] for session in study.sessions()] == [143], study.job.output
    assert re.search(r"To continue:\n +\S*python\S* launch/study.py", study.job.output)


def test_a_node_that_dies_costs_a_restart(slurm: Slurm) -> None:
    study = Study(slurm, "node", "--nodes=2", settings=(*LONG, "training.epochs=400"))
    study.wait_for_epochs()
    second = slurm.ask("scontrol", "show", "hostnames", study.job.field("NodeList")).split()[1]
    slurm.hosts[second].kill()
    study.job.wait_for(lambda: study.job.field("Restarts") == "1", "requeue")
    study.check_complete()
    assert resumed(study), "nothing was resumed from a checkpoint"


def resumed(study: Study) -> bool:
    """Whether an attempt began after its unit's first epoch, from a checkpoint of the one before."""
    first = [path.read_text().split("\n", 1)[0] for path in study.root.glob("units/*/*/*/attempts/*/epochs.jsonl")]
    return any(json.loads(line)["epoch"] > 1 for line in first if line)
