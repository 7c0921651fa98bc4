"""Networks of the user's own that conditions start from: looked at before anything starts."""

from __future__ import annotations

from glifr.conditions import Condition
from glifr.errors import InputError, Problem
from glifr.networks import BaseNetwork
from glifr.records import RecordError
from glifr.records.storage import tensor_files
from glifr.records.storage.network_files import condition_in, unpack
from launch.planning.plan import ConditionPlan, StudyPlan

_TODO = "give a network.pt as a study kept it, beside its .sha256"


def refuse_unfit_starts(plan: StudyPlan) -> None:
    """Raises InputError for a file that is no network, or one that its condition could not begin with."""
    problems = [problem for own in plan.conditions.values() if own.checkpoint for problem in _unfit(plan, own)]
    if problems:
        raise InputError(*problems)


def _unfit(plan: StudyPlan, own: ConditionPlan) -> list[Problem]:
    assert own.checkpoint is not None
    file = plan.study.path.parent / own.checkpoint["from"]
    place = f"{plan.study.path}: conditions.{own.name}.start.from"
    try:
        stored = tensor_files.load(file, own.checkpoint["sha256"])
        theirs = _facts(unpack(stored, file), condition_in(stored, file))
    except RecordError as error:
        return [Problem("the file is no network that a study kept", place, str(error), todo=_TODO)]
    except InputError as error:
        return [
            Problem(f"{problem.rule} ({file.name})", place, problem.value, todo=_TODO) for problem in error.problems
        ]
    return [
        Problem(
            f"the network that {own.name} would start from has another {name}", place, theirs[name], str(value), todo
        )
        for name, value in _wanted(plan, own).items()
        if theirs[name] != value
        for todo in [f"write `hidden_size: {theirs[name]}`" if name == "number of neurons" else "give another file"]
    ]


def _facts(network: BaseNetwork, condition: Condition) -> dict[str, object]:
    return {
        "network": condition.architecture,
        "number of inputs": network.in_size,
        "number of neurons": network.hidden_size,
        "number of outputs": network.out_size,
        "readout": network.has_readout,
        "number of after-spike currents": condition.num_ascs,
        "value of its own settings": condition.all_settings,
        "time step": network.dt,
    }


def _wanted(plan: StudyPlan, own: ConditionPlan) -> dict[str, object]:
    task, condition = plan.task, own.condition
    return {
        "network": condition.architecture,
        "number of inputs": task.inputs,
        "number of neurons": own.hidden_size,
        "number of outputs": task.outputs,
        "readout": not task.neurons_are_outputs if condition.output_weight is None else condition.output_weight,
        "number of after-spike currents": condition.num_ascs,
        "value of its own settings": condition.all_settings,
        "time step": condition.dt or task.time_step_ms,
    }
