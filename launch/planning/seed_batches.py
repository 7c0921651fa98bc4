"""Chooses how many seeds of a condition are trained as one computation, before its units are proposed.

A study says a number, or `auto`, which means a table: on the CPU 4 where a step is so small that calls cost more than
arithmetic, else 1; on a GPU 8, as far as its memory goes. The number is written into each proposal and stands from then
on; only a number in the study overrules it. Final seeds are units of their own, so as many of them as are trained at
once make one job.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from glifr.configuration import Schedule, TrainingSettings
from glifr.records import Proposal, Stage
from glifr.tasks import TaskDefinition
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.studyfile import Training

Wanted = int | Literal["auto"]

_SMALL_STEP = 1024  # batch size x neurons: sine (6 x 124) gains 1.7x from four seeds, line MNIST (256 x 252) loses
_ON_CPU, _ON_GPU = 4, 8
_GPU_BYTES = 16 * 2**30  # of a GPU; nobody trains on less, and the driver may see none
_NUMBERS = 8  # kept for the backward pass, per sample, step and neuron


@dataclass(frozen=True)
class SeedBatches:
    """How many seeds of a job train as one computation.

    Attributes:
        wanted: The study's own word.
        most: Final seeds in a job, so that no worker is idle.
        table: What `auto` means for each condition; one seed for a condition that is absent.
    """

    wanted: Wanted
    most: int = 1
    table: Mapping[str, int] = field(default_factory=dict)

    def choose(self, condition: str, stage: Stage, seeds: int) -> int:
        """For a new proposal: seeds at once, of a unit with `seeds` seeds; in the final stage, of a job."""
        if self.wanted != "auto":
            return self.wanted
        seeds = self.most if stage == "final" else seeds
        batches = math.ceil(seeds / self.table.get(condition, 1))
        return math.ceil(seeds / batches)  # as even as can be

    def of(self, proposal: Proposal) -> int:
        """What holds for a proposal: the study's number, else the one on record; 1 where there is none."""
        return seeds_per_batch(self.wanted, [proposal])


def seeds_per_batch(wanted: Wanted, proposals: Sequence[Proposal]) -> int:
    """What holds for units that are computed together."""
    if wanted != "auto":
        return wanted
    return min(proposal.seeds_per_batch or 1 for proposal in proposals)


def seed_batches(plan: StudyPlan, slots: int) -> SeedBatches:
    """The study's number, or the table's. slots: jobs at a time."""
    spec = plan.study.spec
    most_final = min(len(spec.final_seeds()), math.ceil(plan.planned("final") / max(1, slots)))
    table = {name: seeds_at_once(plan, own) for name, own in plan.conditions.items()}
    return SeedBatches(spec.training.seeds_per_batch, most_final, table)


def seeds_at_once(plan: StudyPlan, own: ConditionPlan) -> int:
    """What `auto` means for a condition, by the table of this module."""
    spec, task = plan.study.spec, plan.task
    if spec.resources.on_gpu:  # of `auto` a whole one: the share that a probe proposes must not change the table
        there = min(1.0, spec.resources.gpus_at_most) * _GPU_BYTES
        return max(1, min(_ON_GPU, int(there / bytes_of_a_seed(task, own))))
    from glifr.definitions import definition_of

    small = own.training.batch_size * own.hidden_size <= _SMALL_STEP
    exactly = definition_of(own.condition).batches_exactly(own.condition, own.training.backend, "cpu")
    return _ON_CPU if small and exactly else 1


def bytes_of_a_seed(task: TaskDefinition, own: ConditionPlan) -> int:
    """What a training step of one seed keeps for its backward pass, about."""
    return 4 * own.training.batch_size * task.steps * (_NUMBERS * own.hidden_size + task.inputs)


def training_settings(
    training: Training, epochs: int, seeds_at_once: int | None = None, in_turn: bool = False
) -> TrainingSettings:
    """How a condition is trained, as `glifr` takes it."""
    by_sgd = training.optimizer == "sgd"
    return TrainingSettings(
        epochs=epochs,
        batch_size=training.batch_size,
        beta1=training.adam.beta1,
        beta2=training.adam.beta2,
        epsilon=training.adam.epsilon,
        weight_decay=training.sgd.weight_decay if by_sgd else training.adam.weight_decay,
        decoupled=training.adam.decoupled,
        optimizer=training.optimizer,
        momentum=training.sgd.momentum,
        nesterov=training.sgd.nesterov,
        clip_norm=training.clip_norm,
        schedule=Schedule(**training.schedule.model_dump()),
        dropout=training.dropout,
        sigma_v=(training.sigma_v.start, training.sigma_v.end) if training.sigma_v else None,
        backend=training.backend,
        seeds_per_batch=1 if in_turn else seeds_at_once,
        cuda_graphs=training.cuda_graphs,
        seeds_in_turn=in_turn,
    )
