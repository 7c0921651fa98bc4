"""`resources.gpus: auto` from the study file to the record: what is asked, told, kept, used again, and done without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from small_study import NOT_COMPILED, ONE_UNIT_STUDY, STUDY, small_plan

from glifr.errors import InputError
from glifr.records import Layout, read_sealed
from launch import cli
from launch.budget.rehearsal import Machine, share_there
from launch.ledger.provenance import Sessions, recorded_share
from launch.planning.gpu_share import GpuShare, Measured
from launch.planning.machine_checks import fitted
from launch.planning.placement import Node, Resources
from launch.planning.plan import StudyPlan
from launch.sharing import settle_share
from launch.workers.gpu_probe import measure_trial

GB = 10**9
ONE = Resources(1, 0, None)
FIFTH = Measured("pretended", 80 * GB, 4 * GB, 0.2)


@dataclass
class Cluster:
    """An executor whose GPUs are pretended, and so is what is measured on them."""

    measured: Measured | Exception = FIFTH
    nodes: Sequence[Node] = (Node("a", 16, 2),)
    gpu_kinds: list[str] = field(default_factory=lambda: ["P100"])
    probes: list[Sequence[object]] = field(default_factory=list)
    taken: Resources | None = None

    def alone_on_a_gpu(self, function: Callable[..., Any], values: Sequence[object], seconds: float) -> Any:
        assert function is measure_trial
        assert 0 < seconds <= 600
        self.probes.append(values)
        if isinstance(self.measured, Exception):
            raise self.measured
        return self.measured

    def take(self, wanted: Resources) -> None:
        self.taken = wanted


def settled(
    plan: StudyPlan, cluster: Cluster, kept: GpuShare | None = None
) -> tuple[StudyPlan, GpuShare | None, list[str]]:
    told: list[str] = []
    return *settle_share(plan, cluster, ONE, kept, told.append), told


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    return small_plan(tmp_path, "resources.gpus=auto")


def test_what_the_probe_measures_decides_and_is_told(plan: StudyPlan) -> None:
    cluster = Cluster()
    found, share, told = settled(plan, cluster)
    assert share is not None
    assert found.gpus == share.share == 0.2
    assert cluster.taken == replace(ONE, gpus=0.2)
    assert found.study is plan.study, "so that the table of seeds per batch is that of a whole GPU"
    assert len(told) == len(cluster.probes) == 1
    for part in ("0.2 for each trial, 5 on one", "4.00 of 80.0 GB", "20% of the time", "only ever tested on pretended"):
        assert part in told[0]


def test_units_are_the_same_whatever_the_share(plan: StudyPlan, tmp_path: Path) -> None:
    found, _, _ = settled(plan, Cluster())
    on_cpu = small_plan(tmp_path)
    assert found.study.hash == on_cpu.study.hash
    given = ("final", "RNN", {"learning_rate": 0.001}, (1,))
    assert found.identity(*given) == on_cpu.identity(*given)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("Found no NVIDIA driver\non your system."), "on your system."),
        (MemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "CUDA out of memory"),
        (TimeoutError("it was not done within 300 s"), "not done within 300 s"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_where_the_probe_fails_a_trial_takes_a_whole_gpu(plan: StudyPlan, error: Exception, why: str) -> None:
    cluster = Cluster(error)
    found, share, told = settled(plan, cluster)
    assert found.gpus == 1
    assert cluster.taken == replace(ONE, gpus=1)
    assert share is not None
    assert share.measured is None
    assert why in share.failure
    assert [line.startswith("Warning: GPU: a whole one") and why in line for line in told] == [True]


def test_a_share_on_record_is_taken_again(plan: StudyPlan, tmp_path: Path) -> None:
    _, first, _ = settled(plan, Cluster())
    Sessions(Layout(tmp_path), "the command", share=first)
    Sessions(Layout(tmp_path), "the command", share=GpuShare(1.0, {}, failure="no driver"))
    cluster = Cluster(Measured("pretended", 80 * GB, 4 * GB, 0.9))
    found, share, told = settled(plan, cluster, recorded_share(Layout(tmp_path)))
    assert found.gpus == 0.2
    assert share == first
    assert cluster.probes == []
    assert "probed in an earlier session" in told[0]


@pytest.mark.parametrize(
    "cluster",
    [Cluster(gpu_kinds=["T4"]), Cluster(nodes=(Node("a", 4, 2),))],
    ids=["other GPUs", "fewer processors"],
)
def test_what_was_decided_for_other_nodes_is_not(plan: StudyPlan, cluster: Cluster) -> None:
    _, first, _ = settled(plan, Cluster())
    settled(plan, cluster, first)
    assert len(cluster.probes) == 1


def test_other_seeds_at_once_are_probed_anew(plan: StudyPlan, tmp_path: Path) -> None:
    _, first, _ = settled(plan, Cluster())
    cluster = Cluster()
    settled(small_plan(tmp_path, "resources.gpus=auto", "training.seeds_per_batch=1"), cluster, first)
    assert len(cluster.probes) == 1


@pytest.mark.parametrize("gpus", ["0", "0.5", "2"])
def test_a_number_in_the_study_overrules_what_is_on_record(plan: StudyPlan, tmp_path: Path, gpus: str) -> None:
    _, first, _ = settled(plan, Cluster())
    given, cluster = small_plan(tmp_path, f"resources.gpus={gpus}"), Cluster()
    found, share, told = settled(given, cluster, first)
    assert (found.gpus, share, told, cluster.probes, cluster.taken) == (float(gpus), None, [], [], None)


def test_a_cluster_without_gpus_is_as_with_none_asked(plan: StudyPlan, tmp_path: Path) -> None:
    cluster = Cluster(nodes=(Node("a", 16, 0),))
    found, share, told = settled(plan, cluster)
    assert found == small_plan(tmp_path, "resources.gpus=0")
    assert (share, cluster.probes) == (None, [])
    assert len(told) == 1


def test_hours_of_gpus_that_are_not_there_are_refused(tmp_path: Path) -> None:
    limited = small_plan(tmp_path, "resources.gpus=auto", "budget={gpu_hours: 3}")
    assert settled(limited, Cluster())[0].gpus == 0.2
    with pytest.raises(InputError, match=r"budget\.gpu_hours"):
        settled(limited, Cluster(nodes=(Node("a", 16, 0),)))


def test_this_machine_is_looked_at_before_ray_is(plan: StudyPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert fitted(plan.study, "a cluster", told.append) is plan.study
    assert fitted(plan.study, None, told.append) == plan.study.without_gpus()
    assert len(told) == 1


def test_a_machine_that_is_not_there_cannot_be_probed(plan: StudyPlan) -> None:
    assert share_there(plan, Machine(gpus=4)).gpus == 1
    assert share_there(plan, Machine(slots=4)).gpus == 0


def test_the_plan_says_it_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    assert cli.main([str(path), "--check", "--set", "resources.gpus=auto"]) == 0
    with_auto = capsys.readouterr().out
    assert cli.main([str(path), "--check", "--set", "resources.gpus=0"]) == 0
    line, _, rest = with_auto.partition("\n")
    assert line == "GPU: none, so trials run on the CPU, as with resources.gpus: 0 (it is auto)."
    assert rest == capsys.readouterr().out


@pytest.mark.program
def test_a_study_with_auto_runs_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    path = tmp_path / "small.yaml"
    path.write_text(ONE_UNIT_STUDY)
    given = [str(path), "--set", "resources.gpus=auto", "--set", NOT_COMPILED, "--results", str(tmp_path)]
    assert cli.main(given) == 0
    layout = next(Layout(p.parent) for p in tmp_path.rglob("study.json"))
    assert read_sealed(layout.study)["spec"]["resources"]["gpus"] == 0
    assert read_sealed(layout.provenance)[-1]["gpu_share"] is None
    assert len(list(layout.units.glob("final/*/*/result.json"))) == 1
