"""The study as the analysis needs it: the body of study.json, checked once, as frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from analysis.measure import Measure
from analysis.results.columns import metric_column
from glifr.conditions import CONDITIONS, HYPERPARAMETERS, Condition
from glifr.records import (
    Declaration,
    Factor,
    InputError,
    Primary,
    Problem,
    Stage,
    default_contrasts,
    default_smallest_effect,
    design_in,
    published_levels,
    switches,
)
from glifr.records.declaration import ALPHA

_FEATURES = ("network", "after-spike currents", "start", "neuron parameters")
_SPLITS = ("train", "validation", "test")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class TaskInfo:
    """The task of a study; see `task` in docs/results-folder.md."""

    name: str
    title: str
    primary: str
    chance_loss: float
    chance_accuracy: float | None
    source: str
    splits: Mapping[str, int]
    train_on: str
    time_step_ms: float
    steps: int
    passes: int
    lengths: tuple[int, int] | None
    metrics: tuple[Mapping[str, Any], ...] = ()

    def measure(self, primary: Primary) -> Measure:
        """A measure on test data; of a task that holds nothing out, on what was trained on."""
        if primary == "accuracy":
            name = "test accuracy" if self.held_out else "training accuracy"
            return Measure("test_accuracy", name, 100.0, "%", "points", 2, True, self.chance_accuracy)
        data = "test" if self.held_out else "training"
        own = next((metric for metric in self.metrics if metric["name"] == primary), None)
        if own is not None:
            label, higher = f"{data} {own['name'].replace('_', ' ')}", own["better"] == "higher"
            return Measure(metric_column(primary), label, 1.0, "", "", 4, higher, own["chance"])
        return Measure("test_loss", f"{data} loss", 1.0, "", "", 4, False, self.chance_loss)

    def measures(self) -> list[Measure]:
        """Every measure of the task: accuracy, if it has one, loss, and its own."""
        accuracy = [] if self.chance_accuracy is None else ["accuracy"]
        return [self.measure(name) for name in (*accuracy, "loss", *(metric["name"] for metric in self.metrics))]

    @property
    def held_out(self) -> bool:
        """True if there are data that no network was trained on."""
        return "test" in self.splits

    @property
    def worst_score(self) -> float:
        """The score of a diverged seed and the cap of all others: twice the loss of chance."""
        return 2 * self.chance_loss


@dataclass(frozen=True)
class ConditionInfo:
    """One condition of a study.

    Attributes:
        style: What it is, with its colour and marker.
        control: Whether it is equal to another condition on purpose.
        start_from: The condition whose trained networks its own start from.
        neuron: Name and digest of its neuron model, '' where the study is from before they were recorded.
        uncompiled: The operation for which its step cannot be compiled, '' where it can.
    """

    name: str
    hidden_size: int
    trained_parameters: int
    delay_steps: int | None
    features: Mapping[str, str]
    difference: str
    planned: Mapping[Stage, int]
    space: Mapping[str, Mapping[str, Any]]
    style: Condition
    control: bool = False
    neuron: str = ""
    start_from: str | None = None
    uncompiled: str = ""


@dataclass(frozen=True)
class StudyInfo:
    """What was planned.

    Attributes:
        spec: The resolved study file.
        declaration: How the conditions are judged.
        history: What study.json records of it (hash, declared_at, final_results), oldest first; empty for a study from
            before declarations.
        factors: What is crossed, as declared; for a study from before factors, as its conditions have it.
        alike: Pairs of conditions that were numerically one network before the start.
        learned: Trials of another study, `learned_from`, that a search began with, by the search's name.
    """

    name: str
    profile: str
    hash: str
    evidence: bool
    reference: str
    conditions: tuple[ConditionInfo, ...]
    task: TaskInfo
    spec: Mapping[str, Any]
    declaration: Declaration
    history: tuple[Mapping[str, Any], ...]
    factors: tuple[Factor, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    learned: Mapping[str, int] = field(default_factory=dict)
    learned_from: str = ""

    @property
    def known_points(self) -> dict[str, int]:
        """How many of a search's first trials were at points that the study gives, by condition."""
        given = self.section("search").get("start_at") or ()
        return {c.name: sum(isinstance(p, str) or any(d in c.space for d in p) for p in given) for c in self.conditions}

    @property
    def varied(self) -> str:
        """What differs between the final networks of a condition."""
        return "the seed" if self.repeats == 1 else "the seed and, between repeats, the search"

    @property
    def conditional_on(self) -> str:
        """What all results are conditional on beside their seeds; '' where the search was repeated too."""
        if not self.planned("search"):
            return "the settings of the study file, which were not tuned"
        return "" if self.repeats > 1 else "one search per condition"

    @property
    def conditional_sentence(self) -> str:
        """The same as a sentence, after a space, to stand beside intervals."""
        return f" Intervals are conditional on {self.conditional_on}." if self.conditional_on else ""

    @property
    def measure(self) -> Measure:
        """The declared primary measure."""
        return self.task.measure(self.declaration.primary)

    @property
    def smallest_effect(self) -> float:
        """The declared smallest effect of interest, as recorded (not scaled)."""
        return self.declaration.smallest_effect

    @property
    def repeats(self) -> int:
        """How often each condition's search is made, independently of the others."""
        return int(self.section("search").get("repeats") or 1)

    @property
    def networks_a_unit(self) -> int:
        """Final networks of a condition in each unit of a study with looks: several only in a repeat of the search."""
        return int(self.section("final", "seeds")["first"]) // self.repeats if self.repeats > 1 else 1

    def repeats_of(self, condition: ConditionInfo) -> int:
        """How often a condition's search is made: looks may have asked for more."""
        if self.repeats == 1 or design_in(self.spec) is None:
            return self.repeats
        return condition.planned["final"] // self.networks_a_unit

    @property
    def unit(self) -> str:
        """What is independent of all others: a repeat of the search, or in a study without repeats a seed."""
        return "repeat" if self.repeats > 1 else "seed"

    @property
    def names(self) -> list[str]:
        """Names of the conditions in the study's order."""
        return [c.name for c in self.conditions]

    def planned(self, stage: Stage) -> int:
        """Units of a stage over all conditions."""
        return sum(c.planned[stage] for c in self.conditions)

    @property
    def dimensions(self) -> list[str]:
        """Hyperparameters of every study, then what conditions of this one search besides, in their order."""
        return list(dict.fromkeys([*HYPERPARAMETERS, *(name for c in self.conditions for name in c.space)]))

    @property
    def varied_settings(self) -> tuple[str, ...]:
        """The settings that give conditions unequal chances, declared as what is studied."""
        return tuple(self.spec.get("vary") or ())

    def training_of(self, condition: str) -> dict[str, Any]:
        """How a condition is trained: the study's training with what is the condition's own."""
        return _laid_over(self.section("training"), self.section("conditions", condition, "training"))

    def section(self, *keys: str) -> dict[str, Any]:
        """A section of the study file; {} where the study has none."""
        found: Any = self.spec
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return dict(found) if isinstance(found, Mapping) else {}


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, down to its leaves."""
    found = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _laid_over(found[key], value) if both else value
    return found


def read_study(body: dict[str, Any], place: str) -> StudyInfo:
    """The body of study.json as `StudyInfo`. Raises InputError if it is of another version of the records."""
    try:
        return StudyInfo(
            name=body["name"],
            profile=body["profile"],
            hash=body["hash"],
            evidence=body["evidence"],
            reference=body["reference"],
            conditions=tuple(_condition(body, name) for name in _order(body)),
            task=_task(body["task"]),
            spec=body["spec"],
            declaration=_declaration(body),
            history=tuple(body.get("declarations", ())),
            factors=_factors(body),
            alike=tuple((first, second) for first, second in body.get("alike", ())),
            learned={name: len(trials) for name, trials in body.get("learned", {}).get("trials", {}).items()},
            learned_from=_source(body.get("learned", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            Problem(
                "study.json is not what this version writes",
                place,
                f"{type(error).__name__}: {error}",
                allowed="the keys that docs/results-folder.md lists",
                todo="make the report with the version of this project that made the results",
            )
        ) from None


def _source(learned: Mapping[str, Any]) -> str:
    return f"{learned['study']} ({learned['profile']})" if learned else ""


def _order(body: dict[str, Any]) -> list[str]:
    """The study's order; without one (sealed JSON sorts its keys) that of `CONDITIONS`, unknown names last."""
    known = [name for name in body.get("order", CONDITIONS) if name in body["conditions"]]
    return [*known, *(name for name in body["conditions"] if name not in known)]


def _declaration(body: dict[str, Any]) -> Declaration:
    """What the study declares; the defaults for one from before declarations were recorded."""
    if "declaration" in body:
        return Declaration.from_json(body["declaration"])
    primary, chance = body["task"]["primary"], body["task"]["chance_loss"]
    names = _order(body)
    contrasts = default_contrasts(names, body["reference"], {n: _style(body["conditions"][n], n) for n in names})
    return Declaration(primary, default_smallest_effect(primary, chance), ALPHA, contrasts)


def _condition(body: dict[str, Any], name: str) -> ConditionInfo:
    own, planned = body["conditions"][name], body["planned"][name]
    return ConditionInfo(
        name=name,
        hidden_size=own["hidden_size"],
        trained_parameters=own["trained_parameters"],
        delay_steps=own["delay_steps"],
        features=_sorted(own["features"], _FEATURES),
        difference=own["difference"],
        planned={
            "search": planned["search"],
            "confirm": planned["confirm"],
            "final": planned["final"],
            "silencing": planned["silencing"],
        },
        space=body["spaces"].get(name, {}),
        style=_style(own, name),
        control=own.get("control", False),
        neuron=_neuron(own.get("neuron")),
        uncompiled=(own.get("neuron") or {}).get("unknown", ""),
        start_from=own.get("start_from"),
    )


def _neuron(recorded: Mapping[str, Any] | None) -> str:
    """'glifr 170b285e8423, the published step'."""
    if recorded is None:
        return ""
    step = "the published step" if recorded["published"] else "a step of one's own"
    return f"{recorded['name']} {recorded['digest'][:12] or '(not compiled)'}, {step}"


def _style(own: Mapping[str, Any], name: str) -> Condition:
    """As recorded; in a study from before it was, the published one of the name, or grey crosses."""
    if "values" in own:
        return Condition.from_json(own["values"])
    return CONDITIONS.get(name) or Condition(name, "GLIFR", color="#999999", marker="X")


def _factors(body: dict[str, Any]) -> tuple[Factor, ...]:
    """As declared; of a study from before they could be, as recorded by condition, or those of the published ones."""
    if factors := body.get("declaration", {}).get("factors"):
        return tuple(map(Factor.from_json, factors))
    names = _order(body)
    on = published_levels(name for name in names if "levels" not in body["conditions"][name])
    for name in names:
        recorded = body["conditions"][name].get("levels") or {}
        on |= {name: {factor: level > 0 for factor, level in recorded.items()}} if recorded else {}
    return switches({name: on[name] for name in names if name in on})


def _task(body: dict[str, Any]) -> TaskInfo:
    return TaskInfo(
        name=body["name"],
        title=body["title"],
        primary=body["primary"],
        chance_loss=body["chance_loss"],
        chance_accuracy=body["chance_accuracy"],
        source=body["source"],
        splits=_sorted(body["splits"], _SPLITS),
        train_on=body["train_on"],
        time_step_ms=body["time_step_ms"],
        steps=body["steps"],
        passes=body.get("passes", 1),
        lengths=tuple(body["lengths"]) if "lengths" in body else None,
        metrics=tuple(body.get("metrics", ())),
    )


def _sorted(found: Mapping[str, _Value], order: tuple[str, ...]) -> dict[str, _Value]:
    """`found` with the keys of `order` first: sealed JSON sorts its keys by name."""
    return {key: found[key] for key in (*(k for k in order if k in found), *(k for k in found if k not in order))}
