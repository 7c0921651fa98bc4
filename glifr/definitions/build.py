"""From a condition to its network: the definition that it names, its size, and the network itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from torch import nn

from glifr.conditions import Condition
from glifr.definitions.definition import BuildOptions, NetworkDefinition
from glifr.definitions.module import ModuleNetworks
from glifr.definitions.neuron import NeuronNetworks
from glifr.definitions.published import DEFINITIONS
from glifr.engine.definition import NeuronModel
from glifr.errors import InputError, Problem, nearest
from glifr.networks.base import BaseNetwork
from glifr.outside import NETWORKS, load_object, referenced


def definition_of(condition: Condition) -> NetworkDefinition:
    """The definition of a condition's network. One from outside is imported; InputError if there is none."""
    name = condition.architecture
    return DEFINITIONS[name] if name in DEFINITIONS else load_network(name)


def load_network(name: str) -> NetworkDefinition:
    """Finds a definition from outside, by name.

    Args:
        name: `module:object`, or an entry point `glifr.networks` or `glifr.neurons`. The object may be a definition, a
            neuron model, or the class of a torch module.

    Returns:
        The definition.

    Raises:
        InputError: There is none.
    """
    reference = referenced(name, *NETWORKS)
    if reference is None:
        known = list(DEFINITIONS)
        raise InputError(
            Problem("there is no such network", "network", name, "module:object of own code", nearest(name, known))
        )
    found: Any = load_object(reference, object)
    module_class = isinstance(found, type) and issubclass(found, nn.Module)
    if module_class or isinstance(found, NetworkDefinition | NeuronModel):
        return _as_definition(found)
    rule = "this is no network"
    allowed = "a neuron model (glifr.engine.definition.NeuronModel), a torch module's class, or network_of_module(...)"
    raise InputError(Problem(rule, reference, found, allowed))


@cache  # by identity: a module that is imported anew has other objects
def _as_definition(found: Any) -> NetworkDefinition:
    if isinstance(found, NetworkDefinition):
        return found
    if isinstance(found, NeuronModel):
        return NeuronNetworks(found)
    return ModuleNetworks(found)


def build_network(condition: Condition, **options: Any) -> BaseNetwork:
    """Builds a network of a condition at its start.

    Args:
        condition: The condition.
        **options: The fields of `BuildOptions`; dt and output_weight apply where the condition does not say.

    Returns:
        The network.

    Raises:
        InputError: An option is out of range.
    """
    wanted = BuildOptions(**options)
    if condition.dt is not None:
        wanted = replace(wanted, dt=condition.dt)
    if condition.output_weight is not None:
        wanted = replace(wanted, output_weight=condition.output_weight)
    return definition_of(condition).build(condition, wanted)


def trained_parameters(
    condition: Condition, in_size: int, out_size: int, hidden_size: int, output_weight: bool = True
) -> int:
    """Trained numbers of a network of `condition`, readout with its bias included, if it has one."""
    return definition_of(condition).trained_parameters(condition, in_size, out_size, hidden_size, output_weight)


def neuron_name(condition: Condition) -> str:
    """The name of the condition's neuron model; that of its network where it has none."""
    model = definition_of(condition).neuron(condition)
    return condition.architecture if model is None else model.name


def changed_digest(condition: Condition) -> str:
    """The digest of the condition's neuron model where it is not a published one, else ""."""
    definition = definition_of(condition)
    model = definition.neuron(condition)
    if model is None or definition.published(condition):
        return ""
    return model.digest or f"no graph: {model.unknown}"


def neuron_facts(condition: Condition) -> dict[str, Any] | None:
    """Lists what a study keeps of a neuron model for its report.

    Args:
        condition: The condition.

    Returns:
        Name and digest of the model, whether its step is a published one, and why it cannot be compiled, if it cannot;
        None for a network that is not made of one.
    """
    definition = definition_of(condition)
    model = definition.neuron(condition)
    if model is None:
        return None
    unknown = {"unknown": model.unknown} if model.unknown else {}
    return {"name": model.name, "digest": model.digest, "published": not changed_digest(condition), **unknown}
