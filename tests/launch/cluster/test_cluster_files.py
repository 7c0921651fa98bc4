"""The Slurm script with stand-ins for Slurm's own commands, and the Kubernetes manifest.

Under a real Slurm it runs in tests/cluster; here are its decisions alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from paths import ROOT

from launch import cli
from launch.cluster import node

SCRIPT = ROOT / "launch" / "cluster" / "slurm.sh"

# A study that works until it is told to stop, then leaves as the real one does.
STUDY = """#!/usr/bin/env bash
if [[ $1 == -c ]]; then exec python3 "$@"; fi
echo "$*" >> "$LOG/study"
trap 'exit ${ON_SIGNAL:-143}' USR1
for _ in $(seq "${STEPS:-100}"); do sleep 0.1; done
exit "${ENDS_WITH:-0}"
"""
STAND_INS = {
    "srun": 'echo "$SRUN_CPUS_PER_TASK $*" >> "$LOG/srun"; while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": """echo "$*" >> "$LOG/scontrol"
case "$1 $2" in
    "show hostnames") printf "node1\\nnode2\\n" ;;
    "show job") echo "JobState=${STATE:-RUNNING} PreemptEligibleTime=2026 PreemptTime=${PREEMPTED:-None}" ;;
esac""",
    "scancel": 'echo "$*" >> "$LOG/scancel"',
}


class Slurm:
    """A job: the script with stand-ins first on the PATH."""

    def __init__(self, folder: Path, nodes: int, **environment: str) -> None:
        self._folder, self._log = folder, folder / "log"
        self._log.mkdir()
        for name, body in STAND_INS.items():
            self._program(name, f"#!/usr/bin/env bash\n{body}\n")
        self._program("python", STUDY)
        given = {"SLURM_JOB_ID": "30017", "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_JOB_NODELIST": "node[1-2]"}
        given |= {"SLURMD_NODENAME": "node1", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"}
        given |= {"SLURM_CPUS_PER_TASK": "16", "GLIFR_PYTHON": str(folder / "python"), "LOG": str(self._log)}
        given |= {"PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(folder), "HOME": str(folder)}
        self.process = subprocess.Popen(
            [str(SCRIPT), "studies/x.yaml", "--set", "final.seeds=3"],
            cwd=ROOT,
            env={**os.environ, **given, **environment},
        )

    def _program(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)
        (self._folder / name).chmod(0o755)

    def said(self, name: str) -> list[str]:
        """What the stand-in was called with, a line a call."""
        path = self._log / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_study(self) -> None:
        for _ in range(200):
            if self.said("study"):
                return
            time.sleep(0.05)
        pytest.fail("the study was not started")


def test_the_script_starts_a_cluster_and_the_study_on_it(tmp_path: Path) -> None:
    job = Slurm(tmp_path, nodes=2, STEPS="1")
    assert job.process.wait(timeout=60) == 0
    study = "launch/study.py studies/x.yaml --set final.seeds=3 --address 10.0.0.1:30017 --wait-for-nodes 2"
    assert sorted(job.said("study")) == ["launch/cluster/node.py 10.0.0.1 30017", study]
    asked = "16 --overlap --nodes=1 --ntasks=1 --nodelist=node2 printenv SLURM_LAUNCH_NODE_IPADDR"
    assert asked in job.said("srun"), "the head's address is the one that another node sees"
    assert not job.said("scancel")
    token = tmp_path / ".ray" / "auth_token"
    assert len(token.read_text()) == 64
    assert token.stat().st_mode & 0o777 == 0o600
    assert not any(line.startswith("requeue") for line in job.said("scontrol"))


def test_on_one_node_no_cluster_is_started(tmp_path: Path) -> None:
    job = Slurm(tmp_path, nodes=1, STEPS="1")
    assert job.process.wait(timeout=60) == 0
    assert job.said("study") == ["launch/study.py studies/x.yaml --set final.seeds=3"]
    assert len(job.said("srun")) == 1


@pytest.mark.parametrize("nodes", [1, 2])
def test_before_the_time_is_over_the_study_stops_and_the_job_goes_back(tmp_path: Path, nodes: int) -> None:
    job = Slurm(tmp_path, nodes)
    job.wait_for_study()
    job.process.send_signal(signal.SIGUSR1)  # what --signal=B:USR1@120 sends
    assert job.process.wait(timeout=60) == 143
    assert job.said("scontrol")[-1] == "requeue 30017"


@pytest.mark.parametrize(
    ("seen", "goes_back"),
    [({"PREEMPTED": "2026-11-29T17:31:24"}, True), ({"STATE": "CANCELLED"}, False), ({}, False)],
    ids=["preempted", "cancelled", "killed"],
)
def test_a_job_that_is_told_to_end_goes_back_if_it_is_preempted(
    tmp_path: Path, seen: dict[str, str], goes_back: bool
) -> None:
    job = Slurm(tmp_path, nodes=1, **seen)
    job.wait_for_study()
    job.process.send_signal(signal.SIGTERM)
    assert job.process.wait(timeout=60) == 143
    assert ("requeue 30017" in job.said("scontrol")) == goes_back


def test_a_study_that_ends_in_its_last_minutes_is_not_queued_again(tmp_path: Path) -> None:
    job = Slurm(tmp_path, nodes=1, ON_SIGNAL="0")
    job.wait_for_study()
    job.process.send_signal(signal.SIGUSR1)
    assert job.process.wait(timeout=60) == 0
    assert not job.said("scontrol")


def test_a_refused_study_keeps_its_exit_code(tmp_path: Path) -> None:
    job = Slurm(tmp_path, nodes=2, STEPS="1", ENDS_WITH="2")
    assert job.process.wait(timeout=60) == 2
    assert not any(line.startswith("requeue") for line in job.said("scontrol"))


def test_a_sites_own_file_is_sourced(tmp_path: Path) -> None:
    site = tmp_path / "site.sh"
    site.write_text('echo "$SLURM_JOB_ID" > "$LOG/site"; export STEPS=1 ENDS_WITH=1\n')
    job = Slurm(tmp_path, nodes=1, GLIFR_SITE=str(site))
    assert job.process.wait(timeout=60) == 1
    assert job.said("site") == ["30017"]


NODE = {"SLURM_NODEID": "1", "SLURM_CPUS_PER_TASK": "4", "RAY_TMPDIR": "/tmp/ray-7/r"}


def test_a_node_gives_ray_what_slurm_gave_to_the_job() -> None:
    head = node.ray_command("10.0.0.1", 20007, {**NODE, "SLURM_NODEID": "0", "SLURM_MEM_PER_NODE": "10000"})
    assert "--head" in head
    assert {"--node-ip-address=10.0.0.1", "--port=20007", "--num-cpus=4"} <= {*head}
    assert {f"--memory={8000 * 2**20}", f"--object-store-memory={2000 * 2**20}"} <= {*head}
    worker = node.ray_command("10.0.0.1", 20007, {**NODE, "SLURM_MEM_PER_CPU": "1000"})
    assert {"--address=10.0.0.1:20007", "--num-cpus=4", f"--memory={3200 * 2**20}"} <= {*worker}
    assert not any("memory" in word for word in node.ray_command("10.0.0.1", 20007, NODE))  # a whole node


def test_the_manifest_is_one_ray_job_whose_pods_share_results_and_image() -> None:
    job: dict[str, Any] = yaml.safe_load((ROOT / "launch" / "cluster" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    containers = [container for pod in pods for container in pod["containers"]]
    assert len({container["image"] for container in containers}) == 1
    for pod, container in zip(pods, containers, strict=True):
        claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        assert claims == ["glifr-results"]
        assert {"name": "results", "mountPath": "/results"} in container["volumeMounts"]


def test_the_manifests_command_is_one_that_the_program_takes() -> None:
    words = yaml.safe_load((ROOT / "launch" / "cluster" / "rayjob.yaml").read_text())["spec"]["entrypoint"].split()
    assert words[:2] == ["python", "launch/study.py"]
    options = cli.parser().parse_args(words[2:])
    assert (ROOT / options.study).is_file()
    assert options.address == "auto"
    assert options.results == Path("/results")
