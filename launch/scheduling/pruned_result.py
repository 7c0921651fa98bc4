"""The result of a trial that the pruner stopped: made by the driver from the trial's epoch records."""

from __future__ import annotations

from collections.abc import Sequence

from glifr.records import EpochRecord, Proposal, SeedOutcome, UnitResult
from glifr.tasks import TaskDefinition
from launch.ledger.durable import now
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import seeds_per_batch


def pruned_result(
    plan: StudyPlan, proposal: Proposal, attempt: str, records: Sequence[EpochRecord], processors: tuple[str, ...]
) -> UnitResult:
    """What the records (at least one a seed, in order of epochs) say of the trial. processors: of its attempts."""
    spec, unit = plan.study.spec, proposal.unit
    last = {record.seed: record for record in records}
    in_turn = spec.in_turn(unit.stage, unit.condition)
    if in_turn is not None:  # a seed that has begun and not ended says nothing yet
        last = {seed: record for seed, record in last.items() if record.epoch >= in_turn}
    outcomes = tuple(_outcome(plan.task, record) for record in last.values())
    together = 1 if in_turn else seeds_per_batch(spec.training.seeds_per_batch, [proposal])
    return UnitResult(
        unit=proposal.unit,
        identity=proposal.identity,
        attempt=attempt,
        status="pruned",
        value=sum(o.score for o in outcomes) / len(outcomes),
        seeds=outcomes,
        silencing=(),
        started_at=proposal.proposed_at,
        finished_at=now(),
        seconds=sum(r.seconds for r in records),
        backend=spec.training.backend,
        device="",
        threads=0,
        seeds_in_batch=min(len(outcomes), together),
        processors=processors,
    )


def _outcome(task: TaskDefinition, record: EpochRecord) -> SeedOutcome:
    return SeedOutcome(
        seed=record.seed,
        epochs=record.epoch,
        diverged=record.diverged,
        score=task.score(record),
        train_loss=record.train_loss,
        train_accuracy=record.train_accuracy,
        validation_loss=record.validation_loss,
        validation_accuracy=record.validation_accuracy,
    )
