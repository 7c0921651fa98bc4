"""Before a study's first unit: which share of a GPU a trial takes, where the study says `resources.gpus: auto`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

from launch.jobs import Result
from launch.planning.gpu_share import GpuShare, Probed, largest, most_on_a_gpu, share_of, share_words
from launch.planning.machine_checks import refuse_backend, without_gpus_here
from launch.planning.placement import Node, Resources
from launch.planning.plan import StudyPlan
from launch.workers.gpu_probe import measure_trial

PROBE_SECONDS = 300.0  # starting a worker, compiling kernels and a few steps


class Executor(Protocol):
    """What runs trials, as `executors.ray_tune.RayExecutor` does."""

    @property
    def nodes(self) -> Sequence[Node]:
        """Those that are up."""

    @property
    def gpu_kinds(self) -> list[str]:
        """What kinds of GPU they have."""

    def alone_on_a_gpu(self, function: Callable[..., Result], values: Sequence[object], seconds: float) -> Result:
        """`function` of the values in a process of its own on a whole GPU; may raise anything."""

    def take(self, wanted: Resources) -> None:
        """From now on a trial takes this; InputError if no node has it."""


def settle_share(
    plan: StudyPlan, executor: Executor, wanted: Resources, kept: GpuShare | None, tell: Callable[[str], None]
) -> tuple[StudyPlan, GpuShare | None]:
    """The plan with its trials' share of a GPU, which the executor takes, and what it rests on.

    Args:
        plan: The study.
        executor: Connected.
        wanted: What a trial takes beside GPUs.
        kept: What an earlier session decided; it stands if the same was asked.
        tell: Hears one line.

    Returns:
        The plan itself and None where the study gives a number.
    """
    if plan.study.spec.resources.gpus != "auto" or plan.gpu_share is not None:
        return plan, None
    nodes = executor.nodes
    study = without_gpus_here(plan.study, sum(int(node.gpus) for node in nodes), tell)
    if study is not plan.study:
        refuse_backend(study.spec)
        return replace(plan, study=study), None
    trial = largest(plan)
    most = most_on_a_gpu(nodes, wanted)
    asked = asdict(trial) | {"gpus": executor.gpu_kinds, "most": most}
    again = kept is not None and kept.measured is not None and kept.asked == asked
    found = kept if again and kept is not None else _probe(plan, executor, trial, most, asked)
    executor.take(replace(wanted, gpus=found.share))
    tell(f"{'Warning: ' if found.measured is None else ''}GPU: {share_words(found, again)}.")
    return replace(plan, gpu_share=found.share), found


def _probe(plan: StudyPlan, executor: Executor, trial: Probed, most: int, asked: dict[str, object]) -> GpuShare:
    """Measures, and decides. A whole GPU is what any trial can have, so that is what a failure comes to."""
    try:
        measured = executor.alone_on_a_gpu(measure_trial, (plan, trial), PROBE_SECONDS)
    except Exception as error:  # whatever CUDA, its driver or the cluster has to say
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return GpuShare(1.0, asked, failure=lines[-1])
    return GpuShare(share_of(measured.needed, measured.total, measured.occupancy, most), asked, measured)
