"""The rules of the training recipe: an optimiser's and a schedule's settings, of the study and of each condition.

A condition may search a setting: then each value that a trial may try counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from glifr.records import Stage
from launch.studyfile.dimensions import Dimension
from launch.studyfile.models import StudySpec
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.sections import Section
from launch.studyfile.training import Training
from launch.studyfile.tree import Fault, KeyPath

RECIPE_CHECKS: Registered = []
_reads = reads_into(RECIPE_CHECKS)

# settings that have an effect with some values of another setting alone: prefix -> that setting and those values
_USED_WITH = {
    "adam.": ("optimizer", ("adam", "adamw")),
    "sgd.": ("optimizer", ("sgd",)),
    "schedule.end": ("schedule.name", ("cosine",)),
    "schedule.every": ("schedule.name", ("step",)),
    "schedule.factor": ("schedule.name", ("step",)),
}


class _Recipe:
    """The recipe of one condition, with what its trials may try in place of it."""

    def __init__(self, spec: StudySpec, condition: str) -> None:
        self.training = spec.training_of(condition)
        space = spec.space_for(condition)
        self.searched = {n.removeprefix("training."): d for n, d in space.items() if n.startswith("training.")}

    def possible(self, name: str) -> tuple[Any, ...]:
        """The values that a setting may have: the ends of a searched range stand for all of it."""
        return _ends(self.searched[name]) if name in self.searched else (_value_at(self.training, name),)

    def uses(self, name: str) -> bool:
        """True if a setting may have an effect."""
        needed = next((needed for prefix, needed in _USED_WITH.items() if name.startswith(prefix)), None)
        return needed is None or any(value in needed[1] for value in self.possible(needed[0]))


def _value_at(section: Any, name: str) -> Any:
    """The value of a setting by its dotted name; None below a section that is not there."""
    for key in name.split("."):
        section = getattr(section, key, None)
    return section


def _ends(dimension: Dimension) -> tuple[Any, ...]:
    ends_given = dimension.low is not None and dimension.high is not None
    return dimension.choices if dimension.choices is not None else dimension.range if ends_given else ()


def _recipes(spec: StudySpec) -> dict[str, _Recipe]:
    known = spec.search.spaces if spec.search else None
    names = [n for n, value in spec.values.items() if known is None or value.family in known]
    return {name: _Recipe(spec, name) for name in names}


def _leaves(section: Section, before: str = "") -> Iterator[tuple[str, Any]]:
    """What is given of a section, by dotted names."""
    for name in section.model_fields_set:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


@_reads("conditions", "training", "search")
def _unused(spec: StudySpec) -> Iterator[Fault]:
    """A setting that nothing uses is a slip."""
    recipes = _recipes(spec)
    for name, value in sorted(_leaves(spec.training)):
        if _counts(name, value) and recipes and not any(recipe.uses(name) for recipe in recipes.values()):
            yield _no_effect(("training",), name, value, recipes.values())
    for condition, recipe in recipes.items():
        own = spec.conditions[condition].training
        for name, value in sorted(_leaves(own)) if own is not None else ():
            if _counts(name, value) and not recipe.uses(name):
                yield _no_effect(("conditions", condition, "training"), name, value, [recipe])
    of = {name: value.family for name, value in spec.values.items()}
    for family, space in spec.search.spaces.items() if spec.search else ():
        users = [recipe for condition, recipe in recipes.items() if of[condition] == family]
        for name in (n.removeprefix("training.") for n in space if n.startswith("training.")):
            if users and not any(recipe.uses(name) for recipe in users):
                yield _no_effect(("search", "spaces", family), f"training.{name}", None, users)


def _counts(name: str, value: Any) -> bool:
    """True if a value is not the default, as study files have given Adam's before there was another optimiser."""
    first, _, rest = name.partition(".")
    default: Any = Training.model_fields[first].default
    return bool(value != (_value_at(default, rest) if rest else default))


def _no_effect(path: KeyPath, name: str, value: Any, recipes: Collection[_Recipe]) -> Fault:
    plain = name.removeprefix("training.")
    other, wanted = next(needed for prefix, needed in _USED_WITH.items() if plain.startswith(prefix))
    found = dict.fromkeys(str(each) for recipe in recipes for each in recipe.possible(other))
    rule = f"{plain} has an effect only where {other} is {' or '.join(wanted)}, and here it is {' or '.join(found)}"
    where = (*path, name) if path[0] == "search" else (*path, *plain.split("."))
    todo = f"remove it, or write `{other.split('.')[-1]}: {wanted[0]}`"
    return Fault(where, rule, name if value is None else value, f"{other}: {' or '.join(wanted)}", todo)


@_reads("conditions", "training", "search")
def _optimizers(spec: StudySpec) -> Iterator[Fault]:
    found: dict[KeyPath, list[str]] = {}
    for condition, recipe in _recipes(spec).items():
        if "adamw" in recipe.possible("optimizer") and 0 in recipe.possible("adam.weight_decay"):
            found.setdefault(_place(spec, condition, "adam.weight_decay", "optimizer"), []).append(condition)
    for path, names in found.items():
        rule = f"adamw without weight decay is adam, step for step ({', '.join(names)})"
        todo = "give it one, as `adam: {weight_decay: 0.01}`, or write `optimizer: adam`"
        yield Fault(path, rule, "weight_decay 0", "a weight decay above 0", todo)
    found.clear()
    for condition, recipe in _recipes(spec).items():
        looks_ahead = recipe.uses("sgd.nesterov") and True in recipe.possible("sgd.nesterov")
        if looks_ahead and 0 in recipe.possible("sgd.momentum"):
            found.setdefault(_place(spec, condition, "sgd.momentum", "sgd.nesterov"), []).append(condition)
    for path, names in found.items():
        rule = f"nesterov looks ahead by the momentum, and there may be none ({', '.join(names)})"
        todo = "give one, as `momentum: 0.9`, or remove `nesterov`"
        yield Fault(path, rule, "momentum 0", "a momentum above 0, below 1", todo)


@_reads("conditions", "training", "search")
def _schedules(spec: StudySpec) -> Iterator[Fault]:
    """A schedule ends within the training, also within that of a trial of the search, which may be shorter."""
    of_settings = (("schedule.warmup_epochs", "the warm-up"), ("schedule.every", "the first step of the schedule"))
    for name, what in of_settings:
        found: dict[tuple[KeyPath, Any, int], list[str]] = {}
        for condition, recipe in _recipes(spec).items():
            stages: tuple[Stage, ...] = ("final", "search") if spec.search is not None else ("final",)
            epochs = min(spec.epochs(stage, condition) for stage in stages)
            longest = max(recipe.possible(name), default=0)
            if recipe.uses(name) and longest >= epochs and longest > 0:
                found.setdefault((_place(spec, condition, name), longest, epochs), []).append(condition)
        for (path, longest, epochs), names in found.items():
            length = f"{epochs} epoch{'s' if epochs > 1 else ''}"
            rule = f"{what} would not end within a training of {length} ({', '.join(names)})"
            yield Fault(path, rule, longest, f"below {epochs}", "shorten it, or train for longer")


def _place(spec: StudySpec, condition: str, *names: str) -> KeyPath:
    """Where the first of the settings that is given stands: in the space, the condition, or the study's training."""
    family = spec.condition(condition).family
    changes = spec.conditions[condition].training
    own = dict(_leaves(changes)) if changes is not None else {}
    whole = dict(_leaves(spec.training))
    for name in names:
        if spec.search is not None and f"training.{name}" in spec.search.spaces[family]:
            return ("search", "spaces", family, f"training.{name}")
        if name in own:
            return ("conditions", condition, "training", *name.split("."))
        if name in whole:
            return ("training", *name.split("."))
    return ("training", *names[0].split("."))
