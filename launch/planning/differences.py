"""Describes how the conditions of a study differ: features, differences in words, cells of the factorial.

All of it follows from values. A setting that all conditions share tells nothing apart and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launch.studyfile.sections import Section
from launch.studyfile.training import RECIPE, Annealing, Training

if TYPE_CHECKING:
    from launch.planning.plan import ConditionPlan

Words = dict[str, str]
Levels = dict[str, int] | None

CONTROL = "none: a negative control"
_OF_THE_NETWORK = {"dt": "time step", "output_weight": "readout", "R": "R", "I0": "I0", "v_reset": "v_reset"}


def features(plans: Mapping[str, ConditionPlan]) -> dict[str, Words]:
    """Each condition's features in words: what it is, and settings in which conditions of the study differ."""
    found = {name: own.condition.describe(own.start_from) for name, own in plans.items()}
    for name, plan in plans.items():
        if plan.checkpoint is not None:
            found[name]["start"] = f"the network of {plan.checkpoint['from']}"
    settings = {name: _settings(own) for name, own in plans.items()}
    for key in dict.fromkeys(key for own in settings.values() for key in own):
        networks: dict[str, set[str]] = {}
        for name, own in settings.items():
            everywhere = key.startswith(_TRAINING)
            kind = "" if everywhere else plans[name].condition.architecture
            networks.setdefault(kind, set()).add(own.get(key, ""))
        if any(len(values) > 1 for values in networks.values()):
            for name, own in settings.items():
                found[name] |= {key: own[key]} if key in own else {}
    for name, own in found.items():  # a size follows from the others where it is matched, and tells only where it must
        twins = [other for other, theirs in found.items() if _without_size(theirs) == _without_size(own)]
        if len({plans[twin].hidden_size for twin in twins}) > 1:
            own["neurons"] = str(plans[name].hidden_size)
    return found


def _without_size(words: Words) -> Words:
    return {key: value for key, value in words.items() if key != "neurons"}


_TRAINING = "training: "


def _settings(plan: ConditionPlan) -> Words:
    """Settings of a condition beside its features, in words."""
    condition, found = plan.condition, {}
    if plan.delay_steps is not None:
        found["delay"] = "one step" if plan.delay == "one_step" else f"{plan.delay:g} ms"
    for name, words in _OF_THE_NETWORK.items():
        found[words] = _said(getattr(condition, name))
    found["tau"] = "the time step" if condition.tau is None else f"{condition.tau:g} ms"
    found["sigma_v"] = _said(condition.sigma_v)
    return found | {_TRAINING + key: _said(value) for key, value in _flat(plan.training)}


def _said(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "the model's own", True: "yes", False: "no"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(section: Section, before: str = "") -> Iterator[tuple[str, Any]]:
    """The recipe's settings by their dotted names; an annealing, which has two numbers, as one."""
    for name in RECIPE if isinstance(section, Training) else type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Annealing):
            yield f"{before}{name}", f"{value.start:g} to {value.end:g}"
        elif isinstance(value, Section):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", "none" if name == "clip_norm" and value is None else value


def difference(name: str, reference: str, words: Mapping[str, Words]) -> str:
    """What differs from the reference, in words; 'reference' for the reference itself."""
    if name == reference:
        return "reference"
    mine, theirs = words[name], words[reference]
    keys = [key for key in mine if key in theirs] if mine["network"] != theirs["network"] else [*mine]
    told = [
        f"{_plain(key)} {mine[key]} instead of {theirs.get(key, 'none')}"
        for key in keys
        if mine[key] != theirs.get(key)
    ]
    return ", ".join(told) or CONTROL


def _plain(key: str) -> str:
    return key.removeprefix(_TRAINING)


def levels(plans: Mapping[str, ConditionPlan], reference: str) -> dict[str, Levels]:
    """Each condition's levels on the parts of the neuron; None outside the study's factorial.

    One factorial crosses conditions that differ in those parts alone: those that share all else with the reference,
    or else with the most others. Of several with the same levels the reference is the cell, or else the first.
    """
    candidates = [name for name, own in plans.items() if _may_be_a_cell(own)]
    group = _group([name for name in candidates], lambda name: _all_else(plans[name]), reference)
    with_currents = [name for name in group if plans[name].condition.num_ascs > 0]
    same_number = _group(with_currents, lambda name: plans[name].condition.num_ascs, reference)
    cells: dict[tuple[int, ...], str] = {}
    for name in sorted(group, key=lambda name: name != reference):
        own = plans[name].condition.levels
        if own is not None and (name not in with_currents or name in same_number):
            cells.setdefault(tuple(own.values()), name)
    return {name: own.condition.levels if name in cells.values() else None for name, own in plans.items()}


def _may_be_a_cell(plan: ConditionPlan) -> bool:
    return plan.condition.levels is not None and not plan.control and plan.checkpoint is None


def _all_else(plan: ConditionPlan) -> object:
    c = plan.condition
    return plan.delay_steps, c.dt, c.output_weight, tuple(c.constants.items()), plan.training


def _group(names: list[str], key: Callable[[str], object], reference: str) -> list[str]:
    """Those that share their key with the reference; where it is not among them, those of the commonest key."""
    keys = {name: key(name) for name in names}
    if not keys:
        return []
    values = list(keys.values())
    wanted = keys[reference] if reference in keys else max(values, key=values.count)
    return [name for name in names if keys[name] == wanted]
