"""Describes how the conditions of a study differ: features, and differences in words.

All of it follows from values. A setting that all conditions share tells nothing apart and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launch.studyfile.sections import Section
from launch.studyfile.training import RECIPE, Annealing, Training

if TYPE_CHECKING:
    from launch.planning.plan import ConditionPlan

Words = dict[str, str]

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
    found |= {f"its {name}": _said(value) for name, value in condition.all_settings.items()}
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
