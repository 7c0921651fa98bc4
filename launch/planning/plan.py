"""The complete list of what a study will run, before anything starts. `make_plan` is pure; `estimate.py` measures."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from glifr.conditions import CONSTANTS, Condition, Delay
from glifr.errors import InputError, Problem, nearest
from glifr.outside import NETWORKS, referenced
from glifr.records import STAGES, Stage, Value, digest, levels_of
from glifr.tasks import TaskDefinition
from glifr.tasks.task import task_record
from launch.planning.differences import difference, features
from launch.planning.recipe_identity import recipe_identity
from launch.studyfile import Dimension, Study, StudySpec, Training

SCHEME = 2  # how proposals are drawn (`search`); recorded in study.json
_LATER = (*CONSTANTS, "dt", "output_weight")  # of a condition, in an identity only where they are given
SCHEME_BY_CONDITION = 1  # that of folders without one: by Optuna, seeded by (study seed, condition, k)


class Sizes(NamedTuple):
    """Neurons of a network, and the numbers that it trains."""

    hidden_size: int
    trained_parameters: int


@dataclass(frozen=True)
class ConditionPlan:
    """What one condition runs.

    Attributes:
        delay_steps: Delay D of the lateral input in steps; None for the LSTM.
        planned: Units per stage, over all `repeats`.
        start_from: The condition whose trained network of the same seed a `learned` start draws from.
        checkpoint: The file of a network that every seed starts from (`from`, `sha256`).
        delay: The delay as the study gives it.
        training: The condition's recipe.
        control: Whether it is equal to another condition on purpose.
        features: What describes it, see `differences`.
        difference: What distinguishes it from the reference, likewise.
        levels: Its level on each declared factor, None for a condition outside the factorial.
    """

    condition: Condition
    hidden_size: int
    trained_parameters: int
    delay_steps: int | None
    space: Mapping[str, Dimension]
    fixed: Mapping[str, Value]
    planned: Mapping[Stage, int]
    start_from: str | None
    delay: Delay
    training: Training
    control: bool = False
    checkpoint: Mapping[str, str] | None = None
    repeats: int = 1
    features: Mapping[str, str] = field(default_factory=dict)
    difference: str = ""
    levels: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return self.condition.name

    @property
    def bytes_to_train(self) -> int:
        """What one training's weights, gradients and the optimiser's two moments take."""
        return 4 * 4 * self.trained_parameters


@dataclass(frozen=True)
class StudyPlan:
    """What a study runs.

    Attributes:
        fingerprint: SHA-256 of the task's data.
        scheme: How proposals are drawn.
        neuron: The digest of neurons that counts in place of today's, for units on record; see `Proposal.neuron`.
        gpu_share: What a trial takes of a GPU, where the study leaves it to a probe; None until that has been decided.
    """

    study: Study
    task: TaskDefinition
    fingerprint: str
    conditions: Mapping[str, ConditionPlan]
    scheme: int = SCHEME
    neuron: str | None = None
    gpu_share: float | None = None

    @property
    def gpus(self) -> float:
        """GPUs that one trial takes; with `auto` 0 until its share has been decided."""
        given = self.study.spec.resources.gpus
        return (self.gpu_share or 0.0) if given == "auto" else given

    def of(self, names: Collection[str] | None) -> StudyPlan:
        """The part of the plan that these conditions are, `refuse_unknown` having passed them; all of it for None."""
        if names is None:
            return self
        return replace(self, conditions={name: own for name, own in self.conditions.items() if name in names})

    def planned(self, stage: Stage) -> int:
        """Units of a stage over all conditions."""
        return sum(c.planned[stage] for c in self.conditions.values())

    def planned_in_repeat(self, condition: str) -> dict[Stage, int]:
        """Units per stage of one of the condition's independent searches and what follows it."""
        own = self.conditions[condition]
        return {stage: count // own.repeats for stage, count in own.planned.items()}

    def final_seeds(self, condition: str, repeat: int = 0) -> tuple[int, ...]:
        """Seeds of a condition's final networks of a repeat: with looks, as many as these have asked for."""
        return self.study.spec.final_seeds(repeat)[: self.planned_in_repeat(condition)["final"]]

    def asking(self, units: Mapping[str, int]) -> StudyPlan:
        """The plan with so many independent units, seeds or repeats, of each condition: what looks have asked for."""
        spec = self.study.spec
        asked = {}
        for name, own in self.conditions.items():
            repeats, seeds = (units[name], None) if spec.repeats > 1 else (1, units[name])
            asked[name] = replace(own, planned=_planned(spec, name, repeats, seeds), repeats=repeats)
        return replace(self, conditions=asked)

    def sized(self, trials: int | None, finals: int) -> StudyPlan:
        """The plan with other numbers of trials (None: as they are) and of final seeds."""
        spec = self.study.spec.sized(trials, finals)
        planned = {name: _planned(spec, name, own.repeats, None) for name, own in self.conditions.items()}
        conditions = {name: replace(own, planned=planned[name]) for name, own in self.conditions.items()}
        return replace(self, study=replace(self.study, spec=spec), conditions=conditions)

    @property
    def at_most(self) -> StudyPlan:
        """The plan with all units that looks may ask for; itself without looks."""
        looks = self.study.spec.looks
        return self if looks is None else self.asking(dict.fromkeys(self.conditions, looks.most))

    def seeds_a_unit(self, stage: Stage) -> int:
        """How many seeds one unit of a stage trains."""
        spec = self.study.spec
        several = {"search": len(spec.search_seeds()), "confirm": len(spec.confirm_seeds()), "silencing": 0}
        return several.get(stage, 1)

    def steps_of_unit(self, stage: Stage, condition: str) -> int:
        """How often the training of a unit reports: after each epoch of its seeds, together or in turn."""
        spec = self.study.spec
        return spec.epochs(stage, condition) * (
            1 if spec.in_turn(stage, condition) is None else self.seeds_a_unit(stage)
        )

    def work(self, stage: Stage, condition: str) -> float:
        """Samples passed through a network in one unit of a stage; a training step counts three (forward, backward)."""
        spec = self.study.spec
        if stage == "silencing":
            return float(self.silencing_passes * self.task.samples_tested_on(spec.task.source))
        passes = self.seeds_a_unit(stage) * spec.epochs(stage, condition) * self.task.passes
        return 3.0 * passes * self.task.samples_trained_on(spec.task.settings())

    def steps_an_epoch(self, condition: str) -> int:
        """Training steps of one seed."""
        samples = self.task.samples_trained_on(self.study.spec.task.settings())
        return self.task.passes * math.ceil(samples / self.conditions[condition].training.batch_size)

    @property
    def silencing_passes(self) -> int:
        """How often one network is run over the test set: each mask, and once where none or all are silenced."""
        silencing = self.study.spec.silencing
        if silencing is None:
            return 0
        inner = sum(0 < fraction < 1 for fraction in silencing.fractions)
        return inner * silencing.masks + len(silencing.fractions) - inner

    def at(self, condition: str, values: Mapping[str, Value]) -> ConditionPlan:
        """What a trial of these values runs: a searched setting takes the place of the condition's own."""
        spec = self.study.spec.at(condition, values)
        own = self.conditions[condition]
        return own if spec is self.study.spec else replace(own, **_network_of(spec, self.task, condition))

    def training_identity(self, stage: Stage, condition: str, own: Training | None = None) -> dict[str, Any]:
        """What decides a trained unit's result beside its configuration and seeds: task, data, training."""
        spec, training = self.study.spec, own or self.conditions[condition].training
        return recipe_identity(training) | {
            "task": [self.task.name, spec.task.source, spec.task.train_on, self.fingerprint],
            "epochs": spec.epochs(stage, condition),
        }

    def neuron_digest(self, condition: str, hyperparameters: Mapping[str, Value]) -> str:
        """What a trial of these values records of its neurons: their step's digest, "" for a published step."""
        from glifr.definitions.build import changed_digest

        return changed_digest(self.at(condition, hyperparameters).condition) if self.neuron is None else self.neuron

    def identity(
        self, stage: Stage, condition: str, hyperparameters: Mapping[str, Value], seeds: tuple[int, ...]
    ) -> str:
        """Hash of what decides a unit's result. How it is executed (batching, device, stopping) is left out."""
        plan = self.at(condition, hyperparameters)
        content: dict[str, Any] = {
            "stage": "training" if stage != "silencing" else stage,
            "condition": [plan.condition.architecture, plan.condition.num_ascs, plan.condition.start],
            "learned": plan.condition.learned,
            "hidden_size": plan.hidden_size,
            "delay_steps": plan.delay_steps,
            "hyperparameters": dict(hyperparameters),
            "seeds": list(seeds),
            "start_from": self._source_identity(plan.start_from, seeds),
            "training": self.training_identity("final" if stage == "silencing" else stage, condition, plan.training),
        }
        if plan.checkpoint is not None:
            content["checkpoint"] = plan.checkpoint["sha256"]
        own = {name: value for name in _LATER if (value := getattr(plan.condition, name)) is not None}
        if own:
            content["network"] = own
        if plan.condition.settings:
            content["settings"] = dict(plan.condition.settings)
        neuron = self.neuron_digest(condition, hyperparameters)
        if neuron:
            content["neuron"] = neuron
        silencing = self.study.spec.silencing
        if stage == "silencing" and silencing is not None:
            content["silencing"] = [list(silencing.fractions), silencing.masks]
        return digest(content)

    def code_version(self, condition: str, own: str) -> str:
        """Hash of the code that decides a condition's results: `own`, the project's, and what it uses from outside."""
        task, network = self.study.spec.task.name, self.conditions[condition].condition.architecture
        named = [referenced(task, "tasks"), referenced(network, *NETWORKS)]
        return self.study.code.version(own, [reference for reference in named if reference is not None])

    def _source_identity(self, source: str | None, seeds: tuple[int, ...]) -> str | None:
        """The identity of the final unit whose network a unit's `learned` start, or that of its network, draws from."""
        if source is None:
            return None
        return self.identity("final", source, self.conditions[source].fixed, seeds)

    def summary(self) -> dict[str, Any]:
        """The body of study.json: what readers of the results need to know of the plan."""
        spec, task = self.study.spec, self.task
        return {
            "name": spec.name,
            "profile": self.study.profile,
            "hash": self.study.hash,
            "scheme": self.scheme,
            "evidence": spec.evidence,
            "reference": spec.reference,
            "order": list(self.conditions),
            "conditions": {name: self._condition_summary(c) for name, c in self.conditions.items()},
            "planned": {name: dict(c.planned) for name, c in self.conditions.items()},
            "task": {
                **task_record(task, spec.task.source),
                "fingerprint": self.fingerprint,
                "train_on": spec.task.train_on,
            },
            "code": {m.name: {"version": m.version, "digest": m.digest} for m in self.study.code.modules},
            "spaces": {name: {d: x.to_record() for d, x in c.space.items()} for name, c in self.conditions.items()},
            "declaration": spec.declaration().to_json(),
            "spec": self.study.resolved,
            **({"learned": self.study.learned.to_json()} if self.study.learned else {}),
        }

    def _condition_summary(self, plan: ConditionPlan) -> dict[str, Any]:
        from glifr.definitions.build import neuron_facts

        return {
            "hidden_size": plan.hidden_size,
            "trained_parameters": plan.trained_parameters,
            "delay_steps": plan.delay_steps,
            "features": dict(plan.features),
            "difference": plan.difference,
            "levels": plan.levels,
            "start_from": plan.start_from,
            "values": plan.condition.to_json(),
            "neuron": neuron_facts(plan.condition),
            "control": plan.control,
        }


def refuse_unknown(spec: StudySpec, names: Collection[str] | None) -> None:
    """Raises InputError for a name that the study has not, and where a condition that one starts from is left out."""
    known = list(spec.conditions)
    for name in names or ():
        if name not in known:
            rule = "the study has no such condition"
            raise InputError(Problem(rule, "--only", name, ", ".join(known), nearest(name, known)))
        source = spec.start_from(name)
        if source is not None and source not in (names or ()):
            rule, todo = f"{name} starts from the trained networks of {source}", f"add {source}"
            given = ",".join(names or ())
            raise InputError(Problem(rule, "--only", given, todo=f"{todo}: what it has done costs nothing"))


def make_plan(study: Study, fingerprint: str, recorded: Mapping[str, Sizes] = MappingProxyType({})) -> StudyPlan:
    """Resolves sizes and counts. The hidden size `matched` is the largest that keeps within the parameter budget.

    Args:
        study: The study.
        fingerprint: SHA-256 of the task's data.
        recorded: Sizes on record, by condition. They are not computed again, so no code from outside is imported for
            them.

    Returns:
        The plan.
    """
    spec = study.spec
    task = spec.task.definition.without_data()
    conditions = {
        name: ConditionPlan(
            **_network_of(spec, task, name, recorded.get(name)),
            space=spec.space_for(name),
            fixed=wanted.fixed or {},
            planned=_planned(spec, name, spec.repeats, spec.looks.first if spec.looks and spec.repeats == 1 else None),
            repeats=spec.repeats,
            start_from=spec.start_from(name),
            control=wanted.control,
            checkpoint=wanted.checkpoint,
        )
        for name, wanted in spec.conditions.items()
    }
    return StudyPlan(study, task, fingerprint, _told_apart(conditions, spec))


def _network_of(spec: StudySpec, task: TaskDefinition, name: str, recorded: Sizes | None = None) -> dict[str, Any]:
    """The fields of a condition's plan that follow from its values: what is built, its size, how it is trained."""
    condition = spec.condition(name)
    sizes = _sizes_of(spec, task, name) if recorded is None else recorded
    return {
        "condition": condition,
        **sizes._asdict(),
        "delay_steps": spec.delay_steps(name),
        "delay": spec.conditions[name].delay,
        "training": spec.training_of(name),
    }


def _sizes_of(spec: StudySpec, task: TaskDefinition, name: str) -> Sizes:
    from glifr.definitions import hidden_size_for_budget, trained_parameters  # torch, and the networks

    condition, wanted = spec.condition(name), spec.conditions[name].hidden_size
    shape = (task.inputs, task.outputs)
    budget = trained_parameters(spec.budget_network, *shape, spec.parameter_budget.hidden_size)
    hidden = hidden_size_for_budget(condition, *shape, budget) if wanted == "matched" else wanted
    readout = not task.neurons_are_outputs if condition.output_weight is None else condition.output_weight
    return Sizes(hidden, trained_parameters(condition, *shape, hidden, readout))


def _told_apart(plans: Mapping[str, ConditionPlan], spec: StudySpec) -> dict[str, ConditionPlan]:
    """The plans, each with what tells it from the others."""
    words, factors = features(plans), spec.declared_factors()
    found = {}
    for name, own in plans.items():
        told = difference(name, spec.reference, words)
        found[name] = replace(own, features=words[name], difference=told, levels=levels_of(factors, name))
    return found


def _planned(spec: StudySpec, condition: str, repeats: int, seeds: int | None) -> dict[Stage, int]:
    """Units per stage over so many repeats. seeds: final ones of each, None for all that the study gives."""
    final = len(spec.final_seeds()) if seeds is None else seeds
    in_repeat = {
        "search": spec.trials(condition),
        "confirm": spec.confirm.top if spec.confirm else 0,
        "final": final,
        "silencing": final if spec.silencing else 0,
    }
    return {stage: repeats * in_repeat[stage] for stage in STAGES}
