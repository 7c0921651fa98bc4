"""How long a plan would take here: a few real training steps of each condition, timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from glifr.records import STAGES, Stage
from glifr.seed_batches import random_data
from glifr.training import Configuration, Training, TrainingSettings
from launch.plan import ConditionPlan, StudyPlan

_STEPS = 3
_JOB_SECONDS = 0.5  # a reused worker's overhead per job, W&B run included


@dataclass(frozen=True)
class Estimate:
    """seconds: condition -> seconds of one trial slot for all its units, by stage. steps: condition -> s per step."""

    seconds: Mapping[str, Mapping[Stage, float]]
    steps: Mapping[str, float]

    @property
    def slot_seconds(self) -> float:
        return sum(sum(stages.values()) for stages in self.seconds.values())


def seconds_per_step(plan: StudyPlan, condition: ConditionPlan) -> float:
    """Median wall seconds of a training step at the study's batch size, on one CPU slot, after a warm-up."""
    training = plan.study.spec.training
    run = Training(
        plan.task,
        random_data(plan.task, training.batch_size),
        Configuration(condition.condition, condition.hidden_size, condition.delay_steps, {"learning_rate": 1e-3}),
        TrainingSettings(epochs=_STEPS + 1, batch_size=training.batch_size, dropout=training.dropout),
        seeds=[0],
    )
    times = []
    for _ in range(_STEPS + 1):
        started = time.perf_counter()
        run.run_epoch()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def estimate(plan: StudyPlan) -> Estimate:
    """Times every condition and multiplies with what is planned."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, int(plan.study.spec.resources.cpus)))
    try:
        steps = {name: seconds_per_step(plan, c) for name, c in plan.conditions.items()}
    finally:
        torch.set_num_threads(threads)
    batch = plan.study.spec.training.batch_size
    seconds = {
        name: {s: c.planned[s] * (plan.work(s) * steps[name] / (3 * batch) + _JOB_SECONDS) for s in STAGES}
        for name, c in plan.conditions.items()
    }
    return Estimate(seconds, steps)
