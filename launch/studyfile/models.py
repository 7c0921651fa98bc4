"""A whole study as a strict, frozen type; its sections are in `parts`, what each field takes in `values`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from glifr.conditions import CONDITIONS, Condition, styled
from glifr.records import (
    Contrast,
    Declaration,
    Factor,
    LookDesign,
    Stage,
    Value,
    default_contrasts,
    default_smallest_effect,
)
from launch.studyfile import values as v
from launch.studyfile.conditions import ConditionSpec, completed
from launch.studyfile.cost import Budget, Notify
from launch.studyfile.dimensions import OF_TRAINING, Dimension, changes_of_trial, settings_in
from launch.studyfile.factors import Crossing, Factors
from launch.studyfile.factors.declared import declared_factors, hues
from launch.studyfile.parts.analysis import Analysis
from launch.studyfile.parts.running import ParameterBudget, Resources, Tracking
from launch.studyfile.parts.stages import Confirm, Final, Search, SeedLooks, Silencing
from launch.studyfile.parts.task import TaskSpec
from launch.studyfile.search.known import published_point
from launch.studyfile.search.samplers import LEARNING
from launch.studyfile.sections import Section
from launch.studyfile.training import Training

_SEEDS_OF_A_STUDY = 1_000_000
_FIRST_SEED = {"final": 1, "search": 100_001, "confirm": 200_001}


class StudySpec(Section):
    """A whole study, after its profile and overrides.

    Attributes:
        name: Of the study: its results folder is named after it.
        description: One or two sentences, shown in the report.
        seed: From which all seeds and all proposals of the searches follow.
        reference: The condition with which the others are compared by default.
        exploratory: Whether its numbers are no evidence: the report then gives no verdicts.
        conditions: What is compared; their order is that of every table and figure.
        factors: What conditions cross, by which their effects are judged.
        crossing: Makes the conditions from the factors.
        vary: Settings that give conditions unequal chances, which is then what is studied.
        code: Modules from outside, by name.
    """

    later = frozenset({"vary", "code", "budget", "factors", "crossing"})

    name: v.StudyName
    description: v.Text = ""
    seed: v.Seed = 0
    reference: v.ConditionName
    exploratory: v.Flag = False
    parameter_budget: ParameterBudget = ParameterBudget()
    conditions: Annotated[
        dict[v.ConditionName, ConditionSpec],
        AfterValidator(completed),
        Field(description="conditions, each a published name or a base, with values"),
    ]
    factors: Factors | None = None
    crossing: Crossing | None = None
    vary: v.Varied = ()
    code: v.Code = ()
    task: TaskSpec
    training: Training
    search: Search | None = None
    confirm: Confirm | None = None
    final: Final
    silencing: Silencing | None = None
    analysis: Analysis = Analysis()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    budget: Budget | None = None
    notify: Notify | None = Field(default=None, exclude=True)  # never on record: it may hold a secret

    @property
    def evidence(self) -> bool:
        """True if verdicts may be given."""
        return not self.exploratory

    @field_validator("*", mode="wrap")
    @classmethod
    def _remember(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Leaves each good section in the context, so that cross rules can run though another section is bad."""
        checked = handler(value)
        if info.context is not None:
            info.context[info.field_name] = checked
        return checked

    @property
    def values(self) -> dict[str, Condition]:
        """What each condition is, and how it is drawn."""
        return styled((own.value(name) for name, own in self.conditions.items()), hues(self))

    def condition(self, name: str) -> Condition:
        """What a condition is."""
        return self.values[name]

    @property
    def budget_network(self) -> Condition:
        """The network whose number of trained parameters `hidden_size: matched` meets."""
        name = self.parameter_budget.condition
        return self.condition(name) if name in self.conditions else CONDITIONS[name]

    def delay_steps(self, condition: str) -> int | None:
        """D of the condition in time steps of its network; None for a network without delay."""
        delay, dt = self.conditions[condition].delay, self.condition(condition).dt
        if isinstance(delay, str):
            return 1 if delay == "one_step" else None
        return max(1, round(delay / (dt or self.task.definition.time_step_ms)))

    def start_from(self, condition: str) -> str | None:
        """The condition whose trained networks this one starts from; None where it starts from its prior."""
        own = self.conditions[condition]
        if own.start != "learned":
            return None
        return own.learned_from or self.condition(condition).learned_from(self.values.values())

    def training_of(self, condition: str) -> Training:
        """How a condition is trained: the study's recipe with what is the condition's own."""
        changes = self.conditions[condition].training
        return self.training if changes is None else changes.onto(self.training)

    def space_for(self, condition: str) -> dict[str, Dimension]:
        """The dimensions of the condition's family that the condition has; empty without search."""
        if self.search is None:
            return {}
        value = self.condition(condition)
        space = self.search.spaces.get(value.family, {})
        has = (*value.hyperparameters, *(name for name in space if name in (*value.searchable, *OF_TRAINING)))
        return {name: space[name] for name in has if name in space}

    def trials(self, condition: str) -> int:
        """Trials of one search of a condition; 0 without search."""
        if self.search is None:
            return 0
        if self.search.sampler.name == "grid":
            space = self.space_for(condition)
            return math.prod(len(dimension.grid()) for dimension in space.values()) if space else 0
        return self.search.trials or 0

    def first_points(self, condition: str) -> tuple[dict[str, Value], ...]:
        """The points that the condition's first trials have, each as far as the condition has its dimensions."""
        space = self.space_for(condition)
        return tuple(self._point(given, space) for given in (self.search.start_at if self.search else ()))

    def _point(self, given: str | Mapping[str, Value], space: Mapping[str, Dimension]) -> dict[str, Value]:
        point = published_point(self.task.name, space) if isinstance(given, str) else given
        return {name: space[name].typed(value) for name, value in point.items() if name in space}

    def at(self, condition: str, values: Mapping[str, Value]) -> Self:
        """The study with a condition as a trial of these values has it."""
        settings = settings_in(values)
        if not settings:
            return self
        tried = changes_of_trial(settings).over(self.conditions[condition])
        return self.model_copy(update={"conditions": {**self.conditions, condition: tried}})

    def sized(self, trials: int | None, finals: int) -> Self:
        """The study with other numbers of trials (None: as they are) and of final seeds, of a list its first."""
        seeds = self.final.seeds[:finals] if isinstance(self.final.seeds, tuple) else finals
        changed: dict[str, Any] = {"final": self.final.model_copy(update={"seeds": seeds})}
        if trials is not None and self.search is not None:
            changed["search"] = self.search.model_copy(update={"trials": trials})
        return self.model_copy(update=changed)

    def epochs(self, stage: Stage, condition: str | None = None) -> int:
        """Epochs of one training in `stage`: a search may train for fewer. condition: None for the study's own."""
        short = self.search.epochs if stage == "search" and self.search else None
        return short or (self.training if condition is None else self.training_of(condition)).epochs

    def in_turn(self, stage: Stage, condition: str) -> int | None:
        """The epochs of each seed of a unit where its pruner wants them one after another; else None."""
        per_seed = stage == "search" and self.search is not None and self.search.pruner.per_seed
        return self.epochs(stage, condition) if per_seed else None

    def declaration(self) -> Declaration:
        """How the conditions will be judged, with the defaults filled in."""
        given, task = self.analysis, self.task.definition
        primary = given.primary or task.primary
        usual = task.smallest_effect(primary) or default_smallest_effect(primary, task.chance_loss)
        smallest = given.smallest_effect or usual
        contrasts = (
            default_contrasts(list(self.conditions), self.reference, self.values)
            if given.contrasts is None
            else tuple(Contrast(name, c.of, c.minus) for name, c in given.contrasts.items())
        )
        return Declaration(primary, smallest, given.alpha, contrasts, self.declared_factors())

    def declared_factors(self) -> tuple[Factor, ...]:
        """What the conditions cross; () where nothing is declared."""
        return declared_factors(self)

    @property
    def repeats(self) -> int:
        """How often the search is done; 1 without search."""
        return self.search.repeats if self.search else 1

    @property
    def looks(self) -> LookDesign | None:
        """The looks in independent units, seeds or repeats; None where the number of seeds is fixed."""
        given = self.final.seeds
        if not isinstance(given, SeedLooks):
            return None
        return LookDesign(given.first, given.step, given.most).as_units(self.repeats)

    @property
    def most_repeats(self) -> int:
        """How often the search is done at most: looks may add repeats."""
        return self.looks.most if self.looks is not None and self.repeats > 1 else self.repeats

    def search_seeds(self, repeat: int = 0) -> tuple[int, ...]:
        """Seeds of every trial of a repeat; () without search."""
        return self._seeds("search", self.search.seeds_per_trial if self.search else (), repeat)

    def confirm_seeds(self, repeat: int = 0) -> tuple[int, ...]:
        """Seeds that each of the best configurations of a repeat is trained on again; () without search."""
        return self._seeds("confirm", self.confirm.seeds if self.confirm else (), repeat)

    def final_seeds(self, repeat: int = 0) -> tuple[int, ...]:
        """Seeds of the final networks of a repeat, the same for every condition; with looks, as many as may be."""
        given = self.final.seeds
        if isinstance(given, SeedLooks):
            given = given.most if self.repeats == 1 else given.first
        return self._seeds("final", given // self.repeats if isinstance(given, int) else given, repeat)

    def _seeds(self, stage: str, given: int | tuple[int, ...], repeat: int) -> tuple[int, ...]:
        """given: how many for each repeat, or those of all repeats, which share them in their order.

        Those of a number begin at a place of their own for each repeat: more seeds, or more repeats, leave them alone.
        """
        if not isinstance(given, int):
            share = len(given) // self.repeats
            return given[repeat * share : (repeat + 1) * share]
        first = self.seed * _SEEDS_OF_A_STUDY + _FIRST_SEED[stage] + repeat * v.SEEDS_OF_A_REPEAT
        return tuple(range(first, first + given))

    @property
    def reproducible(self) -> bool:
        """True if the same study tries the same, to the same epoch, whatever order its trials end in."""
        by_time = self.budget is not None and self.budget.equal == "time"
        return self.search is None or (not by_time and self.proposals_repeat and not self.search.pruner.compares)

    @property
    def proposals_repeat(self) -> bool:
        """True if no proposal of the search follows from results."""
        sampler = self.search.sampler if self.search else None
        if not isinstance(sampler, LEARNING):
            return True
        blind = self.search is not None and self.search.learn_from is None
        return blind and all(self.trials(name) <= sampler.startup_trials for name in self.conditions)
