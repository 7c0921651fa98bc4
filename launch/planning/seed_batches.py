"""How many seeds of a condition are trained as one computation, decided before its units are proposed.

A study says a number, or `auto`: then a few training steps are timed, for a GPU on a worker (the driver may have none),
for the CPU in the driver. The number is written into each proposal and stands from then on; only a number in the study
overrules it. Final seeds are units of their own, so as many of them as are trained at once make one job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from glifr.configuration import Configuration, TrainingSettings
from glifr.kernels import batches_exactly
from glifr.records import STAGES, Proposal, Stage
from glifr.tasks import TaskDefinition
from glifr.training.seed_batches import Seconds, best, measure, worth_measuring
from launch.planning.plan import StudyPlan
from launch.studyfile import StudySpec

Wanted = int | Literal["auto"]


@dataclass(frozen=True)
class SeedBatches:
    """What the driver decides by. wanted: the study's word. most: final seeds in a job, so that no worker stands idle.

    seconds: condition -> seeds at once -> measured s for one seed and step; a condition that is absent has one at once.
    """

    wanted: Wanted
    most: int = 1
    seconds: Mapping[str, Seconds] = field(default_factory=dict)

    def choose(self, condition: str, stage: Stage, seeds: int) -> int:
        """For a new proposal: seeds at once, of a unit with `seeds` seeds; in the final stage, of a job."""
        if self.wanted != "auto":
            return self.wanted
        return best(self.seconds.get(condition, {}), self.most if stage == "final" else seeds)

    def pace(self, condition: str, stage: Stage, seeds: int) -> float:
        """Time for a seed's step in the company that `choose` gives it, as a share of what it takes alone."""
        found, together = self.seconds.get(condition, {}), self.choose(condition, stage, seeds)
        tried = max((replicas for replicas in found if replicas <= together), default=1)
        return found[tried] / found[1] if found else 1.0

    def of(self, proposal: Proposal) -> int:
        """What holds for a proposal: the study's number, else the one on record; 1 where there is none."""
        return seeds_per_batch(self.wanted, [proposal])


def seeds_per_batch(wanted: Wanted, proposals: Sequence[Proposal]) -> int:
    """What holds for units that are computed together."""
    if wanted != "auto":
        return wanted
    return min(proposal.seeds_per_batch or 1 for proposal in proposals)


@dataclass(frozen=True)
class Measurement:
    """What a worker is asked to time: plain data, for it may be on another machine.

    configurations: of each condition. worth: condition -> training steps, of one seed each, that the answer is for, by
    each slot: all wait for it. most: seeds that are ever trained together. cpus, gpus: of one trial.
    """

    task: TaskDefinition
    settings: TrainingSettings
    configurations: dict[str, Configuration]
    worth: dict[str, int]
    most: int
    cpus: float
    gpus: float

    def run(self) -> dict[str, dict[int, float]]:
        """Condition -> seeds at once -> seconds for one seed and step."""
        threads = torch.get_num_threads()
        torch.set_num_threads(max(1, int(self.cpus)))
        device = torch.device("cuda" if self.gpus > 0 else "cpu")
        share = min(1.0, self.gpus) if self.gpus > 0 else 1.0
        try:
            return {
                name: measure(
                    self.task,
                    configuration,
                    self.settings,
                    device,
                    most=self.most,
                    worth=self.worth[name],
                    memory_share=share,
                )
                for name, configuration in self.configurations.items()
            }
        finally:
            torch.set_num_threads(threads)


def decide(
    plan: StudyPlan,
    slots: int,
    proposed: Callable[[Stage, str], int],
    call: Callable[[Measurement], Mapping[str, Seconds]],
) -> SeedBatches:
    """The study's number, or what `call` measures for conditions with enough left to propose that has several seeds.

    slots: jobs at a time. proposed: how many units of a stage and condition have a proposal. call: runs a measurement
    on a device like that of the trials.
    """
    spec = plan.study.spec
    wanted = spec.training.seeds_per_batch
    if wanted != "auto":
        return SeedBatches(wanted)
    finals = len(spec.final_seeds())
    most_final = min(finals, math.ceil(plan.planned("final") / max(1, slots)))
    most = {stage: most_final if stage == "final" else plan.seeds_a_unit(stage) for stage in STAGES}
    several = [stage for stage in STAGES if most[stage] > 1]
    worth = {
        name: sum(_steps_left(plan, stage, name, proposed) for stage in several) // max(1, slots)
        for name in plan.conditions
    }
    open_conditions = [own for name, own in plan.conditions.items() if worth_measuring(worth[name])]
    if not open_conditions or not _can_batch(spec):
        return SeedBatches("auto", most_final)
    measurement = Measurement(
        task=plan.task,
        settings=training_settings(spec, spec.training.epochs),
        configurations={
            c.name: Configuration(c.condition, c.hidden_size, c.delay_steps, {"learning_rate": 1e-3})
            for c in open_conditions
        },
        worth={c.name: worth[c.name] for c in open_conditions},
        most=max(most.values()),
        cpus=spec.resources.cpus,
        gpus=spec.resources.gpus,
    )
    return SeedBatches("auto", most_final, call(measurement))


def _steps_left(plan: StudyPlan, stage: Stage, condition: str, proposed: Callable[[Stage, str], int]) -> int:
    """Training steps, of one seed each, of the units that have no proposal yet."""
    units = max(0, plan.conditions[condition].planned[stage] - proposed(stage, condition))
    return units * plan.seeds_a_unit(stage) * plan.study.spec.epochs(stage) * plan.steps_an_epoch


def _can_batch(spec: StudySpec) -> bool:
    return spec.resources.gpus > 0 or batches_exactly(spec.training.backend, "cpu")


def training_settings(spec: StudySpec, epochs: int, seeds_at_once: int | None = None) -> TrainingSettings:
    """The training section of a study as `glifr` takes it."""
    training = spec.training
    return TrainingSettings(
        epochs=epochs,
        batch_size=training.batch_size,
        beta1=training.adam.beta1,
        beta2=training.adam.beta2,
        epsilon=training.adam.epsilon,
        dropout=training.dropout,
        sigma_v=(training.sigma_v.start, training.sigma_v.end) if training.sigma_v else None,
        backend=training.backend,
        seeds_per_batch=seeds_at_once,
        cuda_graphs=training.cuda_graphs,
    )
