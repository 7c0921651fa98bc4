"""The rules of networks from outside: their settings, what is learned of them, what silencing and dropout need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glifr.conditions import Condition, Setting
from glifr.errors import nearest
from launch.studyfile.dimensions import is_own
from launch.studyfile.models import StudySpec
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.text.yaml_values import as_yaml
from launch.studyfile.tree import Fault, KeyPath
from launch.studyfile.values import is_number, is_whole

NETWORK_CHECKS: Registered = []
_reads = reads_into(NETWORK_CHECKS)

_READABLE = 'name the part that its hidden tensor leaves: network_of_module(..., hidden="cell")'


@_reads("conditions")
def _own_settings(spec: StudySpec) -> Iterator[Fault]:
    """A condition sets of its network's own settings those that there are, to what they can be."""
    for name, own in spec.conditions.items():
        value = spec.condition(name)
        for setting, given in (own.settings or {}).items():
            yield from _setting(("conditions", name, "settings", setting), value, setting, given)


@_reads("conditions", "search")
def _searched_settings(spec: StudySpec) -> Iterator[Fault]:
    """The same of what a search may try; a space that is a network's own has no setting of another's."""
    seen = set()
    for value in spec.values.values():
        space = spec.search.spaces.get(value.family, {}) if spec.search else {}
        for name, dimension in space.items():
            path = ("search", "spaces", value.family, name)
            if not is_own(name) or path in seen:
                continue
            seen.add(path)
            ends = dimension.choices or (() if dimension.low is None else (dimension.place("low"),))
            for tried in ends:
                yield from _setting(path, value, name.removeprefix("settings."), tried)


def _setting(path: KeyPath, condition: Condition, name: str, given: Setting) -> Iterator[Fault]:
    known = dict(condition.kind.settings)
    if name not in known:
        rule, allowed = f"{condition.architecture} has no setting {name!r}", ", ".join(known) or "no settings"
        yield Fault(path, rule, given, allowed, nearest(name, list(known)))
    elif (wanted := _kind(known[name])) is not None and not _is(given, known[name]):
        rule = f"the setting {name!r} of {condition.architecture} is {wanted}"
        yield Fault(path, rule, given, f"{wanted}, as its default {as_yaml(known[name])}")


def _kind(default: Setting) -> str | None:
    kinds: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return kinds.get(type(default))


def _is(given: Any, default: Setting) -> bool:
    if isinstance(default, bool | str):
        return type(given) is type(default)
    return is_whole(given) if is_whole(default) else is_number(given)


@_reads("conditions")
def _learned(spec: StudySpec) -> Iterator[Fault]:
    """What is learned are parameters that there are."""
    for name, own in spec.conditions.items():
        kind = spec.condition(name).kind
        known = (*kind.parameters, *kind.of_a_current)
        named = own.learned if isinstance(own.learned, tuple) and known else ()
        for parameter in (p for p in named if p not in known):
            rule, path = f"a neuron has no parameter {parameter!r}", ("conditions", name, "learned")
            yield Fault(path, rule, list(named), ", ".join(known), nearest(parameter, list(known)))


@_reads("conditions", "silencing")
def _silenced(spec: StudySpec) -> Iterator[Fault]:
    for name, value in spec.values.items():
        if spec.silencing is not None and not value.kind.silenced:
            rule = f"the neurons of {value.architecture} cannot be silenced: it names no hidden tensor"
            yield Fault(("conditions", name, "network"), rule, value.architecture, todo=f"{_READABLE}; or no silencing")


@_reads("conditions", "training")
def _dropped(spec: StudySpec) -> Iterator[Fault]:
    for name, value in spec.values.items():
        if spec.training_of(name).dropout > 0 and not value.kind.silenced:
            rule = f"the neurons of {value.architecture} cannot be dropped: it names no hidden tensor"
            yield Fault(("conditions", name, "network"), rule, value.architecture, todo=f"{_READABLE}; or no dropout")


@_reads("conditions", "task")
def _readouts(spec: StudySpec) -> Iterator[Fault]:
    for name, value in spec.values.items():
        if spec.task.definition.neurons_are_outputs and "output_weight" not in value.kind.keys:
            rule = f"{value.architecture} has its own readout, and the outputs of the task {spec.task.name} are neurons"
            yield Fault(("conditions", name, "network"), rule, value.architecture, todo="use a neuron model here")
