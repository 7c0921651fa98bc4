"""What the file of a trained network holds, and the network built from it again.

A file stands for itself: condition, sizes, delay, time step and the constants of the neurons are in it. Files from
before the time step was kept take it from the task that the study.json of their results folder names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from glifr.conditions import CONDITIONS, SETTINGS, Condition
from glifr.configuration import Configuration
from glifr.errors import InputError, Problem, nearest
from glifr.networks import Network, build_network
from glifr.networks.layers import GLIFR
from glifr.records import Layout, RecordError, read_sealed
from glifr.tasks import TASKS, TaskDefinition

_CONSTANTS = ("sigma_v", "R", "I0", "v_reset")
_NEEDED = ("condition", "hidden_size", "delay_steps", "network")
_INPUT_WEIGHTS = {"GLIFR": "weight_iv", "RNN": "weight_ih", "LSTM": "weight_ih"}


def pack(network: Network, task: TaskDefinition, configuration: Configuration) -> dict[str, Any]:
    """A trained network as tensors and plain values, on the CPU."""
    layer = network.neuron_layer
    return {
        "condition": configuration.condition.name,
        "values": configuration.condition.to_json(),
        "hidden_size": configuration.hidden_size,
        "delay_steps": configuration.delay_steps,
        "hyperparameters": dict(configuration.hyperparameters),
        "task": task.name,
        "dt": task.time_step_ms if configuration.condition.dt is None else configuration.condition.dt,
        "constants": {name: getattr(layer, name) for name in _CONSTANTS} if isinstance(layer, GLIFR) else {},
        "network": {name: value.cpu() for name, value in network.state_dict().items()},
    }


def unpack(stored: Any, path: Path, backend: str = "auto") -> Network:
    """The network that `pack` packed, in evaluation mode, on the CPU.

    path: where it was read, for messages, and for the study.json above it where an older file needs one. Raises
    InputError if it is not a network, or is of a condition that this version does not know.
    """
    if not isinstance(stored, dict) or any(name not in stored for name in _NEEDED):
        found = sorted(map(str, stored)) if isinstance(stored, dict) else type(stored).__name__
        allowed = f"a network.pt that a study kept, with {', '.join(_NEEDED)}"
        raise InputError(Problem("this file holds no trained network", str(path), found, allowed))
    condition = _condition(stored, path)
    _refuse_unknown_constants(stored.get("constants", {}), path)
    try:
        return _build(stored, condition, path, backend)
    except InputError:
        raise
    except (RuntimeError, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:  # torch's words
        rule = f"the file's weights do not fit its description ({' '.join(str(error).split())})"
        raise InputError(Problem(rule, str(path), todo="load it with the version that wrote it")) from None


def _condition(stored: Mapping[str, Any], path: Path) -> Condition:
    """The condition as the file says; a file from before that was kept names a published one."""
    name, values = stored["condition"], stored.get("values")
    if values is None and isinstance(name, str) and name in CONDITIONS:
        return CONDITIONS[name]
    try:
        if isinstance(values, Mapping) and values["name"] == name and values["architecture"] in SETTINGS:
            return Condition.from_json(values)
    except (TypeError, ValueError, LookupError):
        pass
    rule = "the network is of a condition that this version does not know"
    known = ", ".join(CONDITIONS)
    raise InputError(Problem(rule, str(path), name, known, nearest(str(name), list(CONDITIONS))))


def _refuse_unknown_constants(given: Any, path: Path) -> None:
    """Raises InputError unless these are constants of the neuron, by name, each a finite number."""
    if isinstance(given, Mapping) and all(
        name in _CONSTANTS and isinstance(value, int | float) and math.isfinite(value) for name, value in given.items()
    ):
        return
    rule = "the file's constants are not those of a neuron"
    raise InputError(Problem(rule, str(path), given, f"finite numbers named {', '.join(_CONSTANTS)}"))


def _build(stored: Mapping[str, Any], condition: Condition, path: Path, backend: str) -> Network:
    weights: Mapping[str, Tensor] = stored["network"]
    if stored["hidden_size"] > max(max(w.shape, default=0) for w in weights.values()):  # before it is allocated
        raise ValueError(f"no weights for {stored['hidden_size']} neurons")
    readout: Tensor | None = weights.get("output_linear.bias")
    network = build_network(
        condition,
        in_size=weights[f"neuron_layer.{_INPUT_WEIGHTS[condition.architecture]}"].shape[
            1 if condition.architecture == "LSTM" else 0
        ],
        out_size=stored["hidden_size"] if readout is None else len(readout),
        hidden_size=stored["hidden_size"],
        dt=float(stored["dt"]) if "dt" in stored else _time_step(path),
        delay_steps=stored["delay_steps"],
        hyperparameters={},  # they shape the start alone, and the start is replaced
        backend=backend,
        output_weight=readout is not None,
    )
    network.load_state_dict(dict(weights))
    for name, value in stored.get("constants", {}).items():
        setattr(network.neuron_layer, name, value)
    return network.eval()


def _time_step(path: Path) -> float:
    """dt [ms] of a file from before it was kept: that of the task of its study."""
    for folder in path.resolve().parents:
        study = Layout(folder).study
        if study.is_file():
            try:
                return TASKS[read_sealed(study)["spec"]["task"]["name"]].time_step_ms
            except (RecordError, KeyError, TypeError) as error:
                rule = "the study.json that tells this network's time step cannot be used"
                todo = "give the study's command again, which writes it anew"
                raise InputError(Problem(rule, str(study), str(error), todo=todo)) from None
    raise InputError(
        Problem(
            "this network's time step is not known: its file is of an early version, which kept it in study.json",
            str(path),
            allowed="a file inside its results folder results/<study>/<profile>/",
            todo="load it from where the study wrote it",
        )
    )
