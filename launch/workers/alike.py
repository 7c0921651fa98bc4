"""Finds conditions of a plan that are numerically one network, by a few training steps before anything starts.

Two conditions differ by what they have. Whether that changes what the network does is not in the plan: at the
published start after-spike currents are so weak that HomA computes what Hom computes. Such a pair is named before the
study runs, and its difference in the report is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from glifr.networks import forward_replicas
from glifr.records import Value
from glifr.tasks import Split, TaskData
from glifr.training.train import Configuration, Training
from launch.jobs import DataSource
from launch.planning.alike_pairs import STEPS, AlikePair
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.planning.seed_batches import training_settings
from launch.studyfile import hyperparameters_in

ONE_NETWORK = 1e-3  # of the distance that outputs of two seeds have: at most so far apart are those of one network
_SAMPLES = 32  # a step
_BACKEND = "torch"  # on the CPU of the driver, where the study's own may not run; all compute the same equations

Values = Mapping[str, Value]
Place = Literal["low", "middle", "high"]


def find_alike(plan: StudyPlan, data: DataSource) -> tuple[AlikePair, ...]:
    """The pairs of conditions that are numerically one network, in the study's order.

    Networks of one seed with equal shared hyperparameters: their outputs to samples of the task are within
    `ONE_NETWORK` of the distance that two seeds have, at the start and after `STEPS` training steps; in the middle and
    at both ends of the ranges that only one of the two searches. They train as many parameters: what only one of them
    learns may be weak at the start and grow. A start from trained networks cannot be looked at beforehand.
    """
    candidates = list(_candidates(plan))
    if not candidates:
        return ()
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, int(plan.study.spec.resources.cpus)))
    try:
        split = _samples(data)
        found = [(a, b) for a, b in candidates if _one_network(plan, split, a, b)]
    finally:
        torch.set_num_threads(threads)
    return tuple(AlikePair((a.name, b.name), _parts(a, b)) for a, b in found)


def _candidates(plan: StudyPlan) -> Iterator[tuple[ConditionPlan, ConditionPlan]]:
    """Pairs that could be one network by their sizes, starts and fixed hyperparameters."""
    for a, b in combinations(plan.conditions.values(), 2):
        sizes = [(c.condition.architecture, c.hidden_size, c.trained_parameters, c.delay_steps) for c in (a, b)]
        alike = (a.training.epochs, a.training.batch_size) == (b.training.epochs, b.training.batch_size)
        from_trained = any(c.start_from is not None or c.checkpoint is not None for c in (a, b))
        fixed_alike = all(a.fixed[name] == b.fixed[name] for name in a.fixed.keys() & b.fixed.keys())
        if alike and sizes[0] == sizes[1] and fixed_alike and not from_trained:
            yield a, b


def _parts(a: ConditionPlan, b: ConditionPlan) -> tuple[str, ...]:
    return tuple(key for key, value in a.features.items() if b.features.get(key) != value)


def _samples(data: DataSource) -> Split:
    """A few training samples of the task; of several problems, of the first."""
    return data.tuning().train.part(0).take(slice(STEPS * _SAMPLES))


def _settings(a: ConditionPlan, b: ConditionPlan) -> Iterator[tuple[Values, Values]]:
    """Hyperparameters of both: shared ones equal, those of one alone in the middle and at both ends of its range.

    None where a shared range has no value in common.
    """
    shared: dict[str, Value] = {}
    for name in a.space.keys() & b.space.keys():
        both = a.space[name].common(b.space[name])
        if both is None:
            return
        shared[name] = both.place("middle")
    places: tuple[Place, ...] = ("middle",) if a.space.keys() == b.space.keys() else ("middle", "low", "high")
    for place in places:
        first, second = (
            {**own.fixed, **{name: d.place(place) for name, d in own.space.items()}, **shared} for own in (a, b)
        )
        yield first, second


def _one_network(plan: StudyPlan, split: Split, a: ConditionPlan, b: ConditionPlan) -> bool:
    settings = list(_settings(a, b))
    return bool(settings) and all(_close(plan, split, (a, first), (b, second)) for first, second in settings)


def _close(plan: StudyPlan, split: Split, *sides: tuple[ConditionPlan, Values]) -> bool:
    """True if two networks of one seed have the same outputs at the start, and still after a few training steps."""
    first, second = (_training(plan, split, own, values, seed=0) for own, values in sides)
    other = _training(plan, split, *sides[0], seed=1)
    between_seeds = _distance(_outputs(first), _outputs(other))
    allowed = ONE_NETWORK * between_seeds
    if not between_seeds > 0 or not _distance(_outputs(first), _outputs(second)) <= allowed:
        return False
    while not first.finished:
        first.run_epoch()
        second.run_epoch()
    return _distance(_outputs(first), _outputs(second)) <= allowed


def _training(plan: StudyPlan, split: Split, own: ConditionPlan, values: Values, seed: int) -> Training:
    epochs = math.ceil(STEPS * _SAMPLES / max(len(split), _SAMPLES))
    own = plan.at(own.name, values)
    settings = replace(training_settings(own.training, epochs), batch_size=_SAMPLES, backend=_BACKEND)
    configuration = Configuration(own.condition, own.hidden_size, own.delay_steps, hyperparameters_in(values))
    return Training(replace(plan.task, passes=1), TaskData(split, None), configuration, settings, [seed])


@torch.no_grad()
def _outputs(training: Training) -> Tensor:
    network, split = training.runs[0].network.eval(), training.train
    inputs, _ = split.batch(torch.arange(len(split)))
    return forward_replicas([network], inputs, readout=training.task.readout).double()


def _distance(a: Tensor, b: Tensor) -> float:
    """Root of the mean squared difference."""
    return float((a - b).square().mean().sqrt())
