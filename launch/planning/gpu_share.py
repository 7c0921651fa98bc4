"""Decides which share of a GPU a trial takes where the study leaves it to a probe (`resources.gpus: auto`).

Never run on a real GPU: the decision is tested with measurements that are made up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from glifr.conditions import HYPERPARAMETERS
from glifr.records import STAGES, Value
from launch.planning.placement import BYTES_PER_GB, Node, Resources
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.planning.seed_batches import bytes_of_a_seed, seeds_at_once

MARGIN = 0.2  # of a trial's measured memory, left free beside it: batches differ, and allocators fragment
MOST_ON_A_GPU = 16
NEVER_RUN = "The probe itself was only ever tested on pretended GPUs, so look whether the numbers are plausible"
_RAY_COUNTS = 10_000  # parts of a GPU; Ray rounds to them, so 7 shares of 1/7 would come to more than one
_NUMBER_BYTES = 4


@dataclass(frozen=True)
class Probed:
    """The trial that a probe runs: of the study's conditions the one that takes most memory.

    Attributes:
        values: Its hyperparameters in the middle of their ranges, its searched settings at their upper ends.
        seeds: Trained together, as the table or the study says.
    """

    condition: str
    values: Mapping[str, Value]
    seeds: int


@dataclass(frozen=True)
class Measured:
    """What a probe measured on a GPU.

    Attributes:
        gpu: Its name.
        total: Its memory, in bytes.
        needed: Bytes that the trial took at most, with CUDA's context and all of the study's data.
        occupancy: Share of the time in which kernels ran; None where that could not be seen.
    """

    gpu: str
    total: int
    needed: int
    occupancy: float | None


@dataclass(frozen=True)
class GpuShare:
    """A share with what it rests on, as provenance.json keeps it.

    Attributes:
        asked: What was asked about: the trial that is probed, the GPUs and the processors that go with each.
        measured: None where the probe failed.
        failure: Why it did, '' where it did not.
    """

    share: float
    asked: Mapping[str, Any]
    measured: Measured | None = None
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """As recorded."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> GpuShare:
        """The inverse of `to_json`."""
        measured = kept["measured"]
        return cls(**{**kept, "measured": None if measured is None else Measured(**measured)})


def share_of(needed: float, total: float, occupancy: float | None, most: int) -> float:
    """A trial's share of a GPU: of as many trials as its memory and its time hold; a whole GPU where in doubt.

    Args:
        needed: Bytes that a trial takes.
        total: Bytes that the GPU has.
        occupancy: Share of the time in which a trial alone keeps the GPU busy, None where unknown.
        most: Trials for which there are processors.

    Returns:
        1/k for k trials, rounded down to what Ray can count.
    """
    if occupancy is None or not needed > 0:
        return 1.0
    by_memory = total / ((1 + MARGIN) * needed)
    by_time = 1 / min(1.0, max(occupancy, 1 / MOST_ON_A_GPU))
    trials = max(1, min(math.floor(by_memory), math.floor(by_time), most, MOST_ON_A_GPU))
    return math.floor(_RAY_COUNTS / trials) / _RAY_COUNTS


def most_on_a_gpu(nodes: Sequence[Node], wanted: Resources) -> int:
    """For how many trials on a GPU there are processors, on the node that has most of them, and trials; at least 1."""
    with_gpus = [node for node in nodes if node.gpus >= 1]
    by_cpus = max((int(node.cpus / wanted.cpus / node.gpus) for node in with_gpus), default=1)
    gpus = sum(int(node.gpus) for node in with_gpus)
    by_study = math.ceil(wanted.max_concurrent / gpus) if wanted.max_concurrent and gpus else by_cpus
    return max(1, min(by_cpus, by_study))


def largest(plan: StudyPlan) -> Probed:
    """The trial of the plan that takes most memory, about, with the seeds that it trains together."""
    return max((_trial(plan, own) for own in plan.conditions.values()), key=lambda one: _bytes(plan, one))


def _trial(plan: StudyPlan, own: ConditionPlan) -> Probed:
    values = {n: d.place("middle" if n in HYPERPARAMETERS else "high") for n, d in own.space.items()}
    spec, seeds = plan.study.spec, 1
    wanted = spec.training.seeds_per_batch
    most = seeds_at_once(plan, own) if wanted == "auto" else wanted
    for stage in STAGES[:-1]:
        if own.planned[stage] and spec.in_turn(stage, own.name) is None:
            of_a_job = len(spec.final_seeds()) if stage == "final" else plan.seeds_a_unit(stage)
            seeds = max(seeds, min(of_a_job, most))
    return Probed(own.name, values or dict(own.fixed), seeds)


def _bytes(plan: StudyPlan, trial: Probed) -> int:
    own = plan.at(trial.condition, trial.values)
    return trial.seeds * (bytes_of_a_seed(plan.task, own) + own.bytes_to_train)


def data_bytes(plan: StudyPlan) -> int:
    """What the study's data take on a GPU at most: training, validation and test, as numbers."""
    task = plan.task
    each = task.steps * (task.inputs + (task.outputs if task.readout == "all" else 0))
    return _NUMBER_BYTES * each * sum(task.sizes(plan.study.spec.task.source).values())


def share_words(found: GpuShare, again: bool) -> str:
    """One line that says what a trial takes and why. again: an earlier session's decision."""
    measured, asked = found.measured, found.asked
    if measured is None:
        return f"a whole one for each trial, as the probe failed: {found.failure}"
    busy = "nobody knows how much" if measured.occupancy is None else f"{measured.occupancy:.0%}"
    size = f"{asked['condition']}, {asked['seeds']} seed{'s' * (asked['seeds'] != 1)} at once"
    return (
        f"{found.share:g} for each trial, {int(1 / found.share)} on one "
        f"({'probed in an earlier session' if again else 'probed'}: {size}, takes "
        f"{measured.needed / BYTES_PER_GB:.2f} of {measured.total / BYTES_PER_GB:.1f} GB on {measured.gpu}, where "
        f"kernels run {busy} of the time); a number as resources.gpus decides otherwise. {NEVER_RUN}"
    )
