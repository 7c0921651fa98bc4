"""Plays a planned study on a machine that is not there: real scheduler, searches and ledger under a simulated clock.

What its steps take is measured here. Their losses are made up, so nothing is stopped early.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from glifr.errors import InputError, Problem
from launch.executors.nothing import do_nothing
from launch.executors.simulated import Clock, SimulatedExecutor
from launch.jobs import Job
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.estimate import HANDOVER_SECONDS, SESSION_SECONDS, Timing, step_seconds
from launch.planning.placement import Node, Resources, trials_on
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import SeedBatches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.utilisation import Meter
from launch.studyfile.cost import Budget
from launch.studyfile.search.pruners import NonePruner
from launch.terminal.progress import clock

_MEMORY = Path("/dev/shm")
_PLENTY = 1e9  # of CPUs: as many as there are slots, whose number is given by GPUs alone


@dataclass(frozen=True)
class Machine:
    """A machine that a plan is asked about.

    Attributes:
        slots: Trials that its processors take at once; None for any number.
    """

    slots: int | None = None
    gpus: int | None = None

    def trials_at_once(self, wanted: Resources) -> int:
        """How many trials run at once there; InputError if that is none, or nothing says."""
        if self.slots is None and wanted.gpus == 0:
            rule = "a trial of this study takes no GPU, so their number says nothing of how many run at once"
            raise InputError(Problem(rule, "--gpus", self.gpus, "--slots N", "give --slots, with or without --gpus"))
        cpus = _PLENTY if self.slots is None else self.slots * wanted.cpus
        gpus = _PLENTY if self.gpus is None else float(self.gpus)
        fit = trials_on(Node("", cpus, gpus), wanted)
        if fit < 1:
            rule = "not one trial of this study fits on such a machine"
            raise InputError(
                Problem(rule, "--gpus", self.gpus, f"{wanted.gpus:g} or more (resources.gpus)", "give more")
            )
        return min(fit, wanted.max_concurrent or fit)

    def __str__(self) -> str:
        parts = [f"{self.slots} slots" if self.slots is not None else "", f"{self.gpus} GPUs" if self.gpus else ""]
        return f"a machine with {' and '.join(filter(None, parts))}"


class _NeverStops:
    requested = False


@dataclass(frozen=True)
class Rehearsal:
    """What the simulation of a whole plan found.

    Attributes:
        slots: Trials at once.
        seconds: Wall time, including start and report.
        occupied: Share of slot time used.
    """

    slots: int
    seconds: float
    occupied: float


def rehearse(plan: StudyPlan, timings: Mapping[str, Sequence[Timing]], slots: int) -> Rehearsal:
    """Runs the whole plan in a folder that is thrown away. timings: of each condition."""
    plan, clock = _unlimited(plan), Clock()
    with tempfile.TemporaryDirectory(prefix="glifr-plan-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        root = Path(folder)
        write_study(Ledger(root).layout, plan)
        scheduler = StudyScheduler(plan, Ledger(root), RunOptions(SeedBatches(1), 0, "simulated"), lambda: None)
        meter = Meter(scheduler, slots, clock)

        def seconds(job: Job) -> float:
            return step_seconds(plan, timings, job.units[0].condition, job.units[0].stage)

        SimulatedExecutor(root, slots, do_nothing, seconds, clock, HANDOVER_SECONDS).run(meter, _NeverStops())
    used = meter.utilisation
    return Rehearsal(slots, SESSION_SECONDS + used.seconds, used.share_occupied)


def _unlimited(plan: StudyPlan) -> StudyPlan:
    """The plan without a limit and without early stopping: what it may cost at most."""
    spec = plan.study.spec
    by_epochs = spec.budget is not None and spec.budget.equal == "epochs"
    changed: dict[str, object] = {"budget": Budget(equal="epochs") if by_epochs else None}
    if spec.search is not None:
        changed["search"] = spec.search.model_copy(update={"pruner": NonePruner(name="none")})
    return replace(plan, study=replace(plan.study, spec=spec.model_copy(update=changed)))


def timed_here(plan: StudyPlan) -> StudyPlan:
    """The plan as this machine can time it: without GPUs where it has none; the plan itself where it can."""
    return plan if math.ceil(plan.gpus) <= torch.cuda.device_count() else replace(plan, study=plan.study.without_gpus())


def share_there(plan: StudyPlan, machine: Machine) -> StudyPlan:
    """The plan with `resources.gpus: auto` read for a machine that no probe can reach: a whole GPU, or none."""
    if plan.study.spec.resources.gpus != "auto":
        return plan
    return replace(plan, gpu_share=1.0) if machine.gpus else replace(plan, study=plan.study.without_gpus())


def elsewhere_words(machine: Machine, played: Rehearsal, on_cpu: bool, unprobed: bool) -> Iterator[str]:
    """What a rehearsal found.

    on_cpu: timed without the GPUs that the study asks for. unprobed: with a share of a GPU that a probe would decide.
    """
    yield (
        f"on {machine}: {clock(played.seconds)}, {played.slots} trials at once, slots {played.occupied:.0%} occupied "
        "(the whole study, played with the steps timed here; nothing stopped early)"
    )
    if unprobed:
        yield "  with a whole GPU for each trial: the probe (resources.gpus: auto) only runs where there is a GPU"
    if on_cpu:
        yield "  this machine has no such GPU: the steps were timed on its CPU, and a GPU's take other times"
