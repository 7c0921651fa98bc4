"""Whether a network from outside keeps its word: built, run, silenced, kept and trained for a step, on random data."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from glifr.conditions import Condition
from glifr.configuration import Configuration
from glifr.definitions import build_network, definition_of, hidden_size_for_budget, trained_parameters
from glifr.errors import InputError, Problem
from glifr.networks import BaseNetwork, forward_replicas
from glifr.tasks import TaskDefinition
from glifr.tasks.task import recorded_task
from glifr.training.random_data import random_data
from launch.outside.probe import CONDITION, Networks
from launch.outside.trial_step import SAMPLES, one_step

_BACKEND = "torch"  # of these few samples: nothing is compiled


def try_each(networks: Networks, tell: Callable[[dict[str, Any]], None]) -> None:
    """Tries the network of each condition. Raises InputError for the first that does not keep its word."""
    task = replace(recorded_task(networks["task"]), readout=networks["task"]["readout"])
    budget, size = networks["budget"]
    for wanted in networks["conditions"]:
        condition = Condition.from_json(wanted["condition"])

        def doing(what: str, name: str = condition.name) -> None:
            tell({"doing": f"{what} the network of {name}", "limited": True, "of": f"{CONDITION} {name}"})

        doing("matching the size of" if wanted["hidden_size"] is None else "counting the parameters of")
        hidden = wanted["hidden_size"]
        if hidden is None:
            most = trained_parameters(Condition.from_json(budget), task.inputs, task.outputs, size)
            hidden = hidden_size_for_budget(condition, task.inputs, task.outputs, most)
        doing("building")
        configuration = Configuration(condition, hidden, wanted["delay_steps"], {"learning_rate": 1e-3})
        network = _built(task, configuration)
        _refuse_other_count(task, network, configuration)
        doing("running")
        _refuse_unsound_outputs(task, network, condition, silenced=wanted["silenced"])
        doing("keeping")
        _refuse_unkept(network, condition)
        doing("training for one step")
        data = random_data(task, SAMPLES)
        if one_step(task, data, configuration, _BACKEND) is None:
            rule, todo = "the loss, or a parameter, is not finite after one training step", "look at its derivative"
            raise InputError(Problem(rule, condition.architecture, allowed="finite numbers", todo=todo))


def _built(task: TaskDefinition, own: Configuration) -> BaseNetwork:
    network = build_network(
        own.condition,
        in_size=task.inputs,
        hidden_size=own.hidden_size,
        out_size=task.outputs,
        dt=task.time_step_ms,
        delay_steps=own.delay_steps,
        backend=_BACKEND,
        generator=torch.Generator().manual_seed(0),
    )
    return network.eval()


def _refuse_other_count(task: TaskDefinition, network: BaseNetwork, own: Configuration) -> None:
    said = trained_parameters(own.condition, task.inputs, task.outputs, own.hidden_size, network.has_readout)
    if network.trained_parameters() != said:
        rule, found = "the definition counts other numbers than the network trains", network.trained_parameters()
        raise InputError(Problem(rule, own.condition.architecture, found, str(said)))


@torch.no_grad()
def _refuse_unsound_outputs(task: TaskDefinition, network: BaseNetwork, condition: Condition, silenced: bool) -> None:
    """Raises InputError for outputs of another shape, not finite, or that do not hear what silencing acts on."""
    inputs, _ = random_data(task, SAMPLES).train.batch(torch.arange(SAMPLES))
    outputs = forward_replicas([network], inputs)
    if not bool(outputs.isfinite().all()):
        found = f"{int((~outputs.isfinite()).sum()):,} of {outputs.numel():,} numbers"
        rule, todo = "the network's outputs are not finite at the first step", "look at its start and its equations"
        raise InputError(Problem(rule, condition.architecture, found, "finite numbers", todo))
    if silenced and definition_of(condition).kind.silenced:
        masks = inputs.new_zeros(1, network.hidden_size)
        if torch.equal(forward_replicas([network], inputs, neuron_masks=masks), outputs):
            rule, todo = "silencing every neuron changes no output", "name the part that the readout hears"
            raise InputError(Problem(rule, condition.architecture, condition.kind.silenced, todo=todo))


def _refuse_unkept(network: BaseNetwork, condition: Condition) -> None:
    """Raises InputError for a network whose state is more than tensors and plain values: it could not be resumed."""
    kept = io.BytesIO()
    try:
        torch.save(network.state_dict(), kept)
        kept.seek(0)
        torch.load(kept, weights_only=True)
    except Exception as error:  # whatever pickle stumbles over
        rule = "the network cannot be kept: its state has more than tensors and plain values"
        found, todo = next(iter(str(error).splitlines()), type(error).__name__), "leave that out of its state dict"
        raise InputError(Problem(rule, condition.architecture, found, "tensors, numbers, texts", todo)) from None
