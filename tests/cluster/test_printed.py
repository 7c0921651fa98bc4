"""The shell lines of docs/cluster.md, run as they are printed, on two hosts of this machine.

Only what stands for the reader's own is put in: HOST, the study (one of seconds) and the shared results folder.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from small_study import NOT_COMPILED, ONE_CONDITION, ONE_UNIT

from cluster.hosts import NEEDED, Host, hosts, why_not

ROOT = Path(__file__).resolve().parent.parent.parent
_REASON = why_not() or (None if find_spec("aiohttp") else "the extra `jobs` is not installed")

pytestmark = [
    pytest.mark.program,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_REASON is not None and not NEEDED, reason=f"no hosts or no job server: {_REASON}"),
]


def printed() -> list[str]:
    """Every line of every block of docs/cluster.md that starts something of this project or of Ray."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / "cluster.md").read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if ".venv/bin/" in line]


def line_with(*words: str) -> str:
    (found,) = [line for line in printed() if all(word in line for word in words)]
    return found


class Pair:
    """Two hosts that know each other by name, n1 the head."""

    def __init__(self, machines: dict[str, Host], folder: Path) -> None:
        self.hosts, self.folder = machines, folder
        home = folder / "home"
        home.mkdir()
        self.study = folder / "small.yaml"
        self.study.write_text(ONE_CONDITION)
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1"}

    def type(self, line: str, on: str = "n1", results: str = "results") -> subprocess.CompletedProcess[str]:
        """The line, in a shell on that host, from the project's folder."""
        only = shlex.join(word for override in (*ONE_UNIT, NOT_COMPILED) for word in ("--set", override))
        own = f"{self.study} {only}"
        if "--results" not in line:
            own += f" --results {self.folder}/{results}"
        for theirs, ours in (
            ("HOST", "n1"),
            ("studies/smnist_ablation.yaml", own),
            ("/shared/results", f"{self.folder}/{results}"),
        ):
            line = line.replace(theirs, ours)
        done = self.hosts[on].run(["bash", "-ec", line], ROOT, self.environment, timeout=400)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def pair() -> Iterator[Pair]:
    assert _REASON is None, _REASON
    with hosts(["n1", "n2"], "hub") as (machines, folder):
        yield Pair(machines, folder)


TOKEN = "umask 077; mkdir -p ~/.ray"


def test_a_cluster_started_by_hand_and_a_study_on_it(pair: Pair) -> None:
    pair.type(TOKEN)
    pair.type(line_with("secrets.token_hex"))
    pair.type(line_with("ray start --head --port=6379  "))
    pair.type(line_with("ray start --address"), on="n2")
    pair.type(line_with("launch/study.py", "# the Ray cluster this node is in"), results="auto")
    pair.type(line_with("launch/study.py", "# the cluster with this head node"), on="n2", results="named")
    for name in ("auto", "named"):
        assert (pair.folder / name / "small" / "full" / "report.html").exists()


def test_a_submitted_job_runs_the_study(pair: Pair) -> None:
    pair.type(TOKEN)
    pair.type(line_with("secrets.token_hex"))
    pair.type(line_with("ray start --head", "--dashboard-host"))
    done = pair.type(line_with("ray job submit"), on="n2")
    assert "succeeded" in done.stdout
    assert "units done." in done.stdout
    assert (pair.folder / "results" / "small" / "full" / "report.html").exists()


def test_every_printed_line_of_this_kind_is_run_by_a_test() -> None:
    """By those above, or as the setup of every test, or on this machine alone (tests/launch/test_cli.py)."""
    elsewhere = ("# this machine alone", "pip install")
    kinds = ("secrets.token_hex", "ray start", "ray job submit", "--address auto", "--address HOST:6379", *elsewhere)
    assert TOKEN in (ROOT / "docs" / "cluster.md").read_text()
    assert not [line for line in printed() if not any(kind in line for kind in kinds)]
