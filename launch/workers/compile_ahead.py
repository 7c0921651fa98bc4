"""Compiles what a study's units will run, before they do: once on a node, into the cache that its workers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from glifr.definitions import definition_of
from glifr.engine.backends import available
from glifr.records import Value
from glifr.tasks import TaskData
from glifr.training.random_data import random_data
from glifr.training.silencing import silence
from glifr.training.train import Configuration, Training
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.planning.seed_batches import training_settings
from launch.studyfile import hyperparameters_in
from launch.workers.trial import device_for

_SAMPLES = 2


def conditions_to_compile(plan: StudyPlan) -> tuple[str, ...]:
    """A condition for each code that the study's conditions run compiled on a CPU."""
    found: dict[tuple[object, ...], str] = {}
    device = device_for(plan.study.spec)
    for name, own in plan.conditions.items():
        definition = definition_of(own.condition)
        model = definition.neuron(own.condition)
        if model is not None and definition.engine(own.condition, own.training.backend, device) == "cpu":
            learned = bool(own.condition.learned)
            found.setdefault((model.digest, learned, own.training.dropout > 0), name)
    return tuple(found.values())


def kept() -> bool:
    """True if this machine's cache has what takes the time."""
    if not available("cpu"):
        return True
    from glifr.engine.cpu.jobs import drivers_kept

    return drivers_kept()


def parts() -> Sequence[tuple[str]]:
    """What all neuron models share, in parts that may be compiled at once."""
    from glifr.engine.cpu.jobs import KINDS

    return [(kind,) for kind in KINDS]


def compile_part(kind: str) -> None:
    """Compiles one of `parts`, if the cache of this node does not have it."""
    from glifr.engine.cpu.jobs import KINDS, driver

    driver(next(known for known in KINDS if known == kind))


def compile_condition(plan: StudyPlan, name: str) -> None:
    """Compiles what is a condition's own: trains, evaluates and silences a network on two samples of noise."""
    own = plan.conditions[name]
    places: dict[str, Value] = {key: dimension.place("middle") for key, dimension in own.space.items()}
    values = places or dict(own.fixed)
    own = plan.at(name, values)
    data, device = random_data(plan.task, _SAMPLES).train, device_for(plan.study.spec)
    training = Training(
        replace(plan.task, passes=1),
        TaskData(data, data),
        _configuration(own, values),
        replace(training_settings(own.training, 1), batch_size=_SAMPLES),
        [0],
        device,
    )
    training.run_epoch()
    if plan.study.spec.silencing is not None:
        with torch.no_grad():
            silence(training.runs[0].network, training.task, data.to(device), seed=0, fractions=[0.5], masks=1)


def _configuration(own: ConditionPlan, values: Mapping[str, Value]) -> Configuration:
    return Configuration(own.condition, own.hidden_size, own.delay_steps, hyperparameters_in(values))
