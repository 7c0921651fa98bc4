"""What a trial's pruner hears of it, from its epoch records: the driver, the worker and the mirrors say the same."""

from __future__ import annotations

from collections.abc import Sequence

from glifr.records import EpochRecord, Proposal
from glifr.tasks import TaskDefinition


def scores_by_step(
    task: TaskDefinition, proposal: Proposal, records: Sequence[EpochRecord], in_turn: int | None
) -> dict[int, float]:
    """Step -> score: after each epoch the mean over its seeds; of seeds in turn, after each seed its own.

    in_turn: the epochs of each seed where they take turns, else None.
    """
    if in_turn is not None:
        last = {r.seed: r for r in records if r.epoch >= in_turn}
        return {place: task.score(last[seed]) for place, seed in enumerate(proposal.seeds, 1) if seed in last}
    by_epoch: dict[int, list[float]] = {}
    for record in records:
        by_epoch.setdefault(record.epoch, []).append(task.score(record))
    return {epoch: sum(scores) / len(scores) for epoch, scores in by_epoch.items()}
