"""The file of a trained network: its contents, and the network rebuilt from it.

A file stands for itself: condition, sizes, delay, time step and the constants of the neurons are in it. Files from
before the time step was kept take it from the task that the study.json of their results folder names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from glifr.conditions import CONDITIONS, KINDS, Condition
from glifr.configuration import Configuration
from glifr.definitions import build_network, definition_of
from glifr.definitions.definition import SizesInFile
from glifr.errors import InputError, Problem, nearest
from glifr.networks import BaseNetwork
from glifr.records import Layout, RecordError, read_sealed
from glifr.tasks import TASKS, TaskDefinition

_NEEDED = ("condition", "hidden_size", "delay_steps", "network")


def pack(network: BaseNetwork, task: TaskDefinition, configuration: Configuration) -> dict[str, Any]:
    """A trained network as tensors and plain values, on the CPU."""
    return {
        "condition": configuration.condition.name,
        "values": configuration.condition.to_json(),
        "hidden_size": configuration.hidden_size,
        "in_size": network.in_size,
        "out_size": network.out_size,
        "delay_steps": configuration.delay_steps,
        "hyperparameters": dict(configuration.hyperparameters),
        "task": task.name,
        "dt": task.time_step_ms if configuration.condition.dt is None else configuration.condition.dt,
        "constants": network.constants(),
        "network": {name: value.cpu() for name, value in network.state_dict().items()},
    }


def unpack(stored: Any, path: Path, backend: str = "auto") -> BaseNetwork:
    """Rebuilds the network that `pack` packed, in evaluation mode, on the CPU.

    Args:
        stored: The content of the file.
        path: Where it was read from, for error messages, and for the study.json above it that an older file needs.
        backend: One of `glifr.engine.backends.BACKENDS`.

    Returns:
        The network.

    Raises:
        InputError: It is not a network, or is of a condition that this version does not know.
    """
    if not isinstance(stored, dict) or any(name not in stored for name in _NEEDED):
        found = sorted(map(str, stored)) if isinstance(stored, dict) else type(stored).__name__
        allowed = f"a network.pt that a study kept, with {', '.join(_NEEDED)}"
        raise InputError(Problem("this file holds no trained network", str(path), found, allowed))
    condition = condition_in(stored, path)
    try:
        return _build(stored, condition, path, backend)
    except InputError:
        raise
    except ImportError as error:
        rule = f"the network is of {condition.architecture}, which cannot be imported ({error})"
        todo = "put its code where Python finds it; the results folder has a copy, in code/"
        raise InputError(Problem(rule, str(path), todo=todo)) from None
    except (RuntimeError, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:  # torch's words
        rule = f"the file's weights do not fit its description ({' '.join(str(error).split())})"
        raise InputError(Problem(rule, str(path), todo="load it with the version that wrote it")) from None


def condition_in(stored: Mapping[str, Any], path: Path) -> Condition:
    """The condition as the file says; a file from before that was kept names a published one. InputError if neither."""
    name, values = stored["condition"], stored.get("values")
    if values is None and isinstance(name, str) and name in CONDITIONS:
        return CONDITIONS[name]
    try:
        own = values if isinstance(values, Mapping) and values["name"] == name else None
        if own is not None and (own["architecture"] in KINDS or "outside" in own):
            return Condition.from_json(own)
    except (TypeError, ValueError, LookupError):
        pass
    rule = "the network is of a condition that this version does not know"
    known = ", ".join(CONDITIONS)
    raise InputError(Problem(rule, str(path), name, known, nearest(str(name), list(CONDITIONS))))


def _set_constants(network: BaseNetwork, given: Any, path: Path) -> None:
    """Raises InputError unless these are constants of the network's neurons, by name, each a finite number."""
    known = network.constants()
    numbers = isinstance(given, Mapping) and all(
        name in known and isinstance(value, int | float) and math.isfinite(value) for name, value in given.items()
    )
    if not numbers:
        rule = "the file's constants are not those of a neuron"
        raise InputError(Problem(rule, str(path), given, f"finite numbers named {', '.join(known)}"))
    for name, value in given.items():
        network.set_constant(name, value)


def _build(stored: Mapping[str, Any], condition: Condition, path: Path, backend: str) -> BaseNetwork:
    weights: Mapping[str, Tensor] = stored["network"]
    hidden = stored["hidden_size"]
    if hidden > max(max(w.shape, default=0) for w in weights.values()):  # before it is allocated
        raise ValueError(f"no weights for {hidden} neurons")
    sizes = definition_of(condition).sizes_in(weights, hidden) or SizesInFile(
        stored["in_size"], stored["out_size"], output_weight=True
    )
    network = build_network(
        condition,
        **sizes._asdict(),
        hidden_size=hidden,
        dt=float(stored["dt"]) if "dt" in stored else _time_step(path),
        delay_steps=stored["delay_steps"],
        hyperparameters={},  # they shape the start alone, and the start is replaced
        backend=backend,
    )
    network.load_state_dict(dict(weights))
    _set_constants(network, stored.get("constants", {}), path)
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
