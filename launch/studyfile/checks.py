"""The rules that join fields or sections of a study.

Each check names the sections it reads and runs when they are good, whatever is wrong in the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from glifr.conditions import CONDITIONS, HYPERPARAMETERS, KINDS, Condition
from glifr.errors import InputError, nearest
from glifr.tasks import ARRAYS, TASKS
from launch.studyfile.conditions import ConditionSpec, base_faults
from launch.studyfile.models import StudySpec
from launch.studyfile.parts.task import TaskSpec
from launch.studyfile.rules.cost import COST_CHECKS
from launch.studyfile.rules.factors import FACTOR_CHECKS
from launch.studyfile.rules.networks import NETWORK_CHECKS
from launch.studyfile.rules.recipe import RECIPE_CHECKS
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.rules.samplers import RULE_CHECKS
from launch.studyfile.rules.search import SEARCH_CHECKS
from launch.studyfile.tree import NOTHING, Fault
from launch.studyfile.values import CHANCES

_CHECKS: Registered = []
_reads = reads_into(_CHECKS)
_ALL_SETTINGS = frozenset(name for kind in KINDS.values() for name in kind.keys)


def cross_faults(sections: dict[str, Any]) -> list[Fault]:
    """The faults between sections, from those that are good: section name -> its validated value."""
    bases = list(base_faults(sections.get("conditions", {})))
    good = {name: value for name, value in sections.items() if not (bases and name == "conditions")}
    spec = StudySpec.model_construct(**good)
    own = (*NETWORK_CHECKS, *RECIPE_CHECKS, *RULE_CHECKS, *COST_CHECKS, *FACTOR_CHECKS)
    every = (*_CHECKS, *SEARCH_CHECKS, *own)
    return bases + [fault for needed, check in every if needed <= good.keys() for fault in check(spec)]


def own_arrays(task: TaskSpec) -> Iterator[Fault]:
    """What is wrong with the file of the task `arrays`, or with its keys at another task."""
    path, keys = ("task", "path"), ("path", "loss", "readout", "time_step_ms")
    if task.name != ARRAYS:
        for key in (key for key in keys if getattr(task, key) is not None):
            yield Fault(("task", key), f"only the task {ARRAYS} has this", getattr(task, key), todo="remove it")
    elif task.path is None:
        yield Fault(path, f"the task {ARRAYS} needs its file", NOTHING, "an .npz file", "add `path: mine.npz`")
    else:
        try:
            task.definition  # noqa: B018 - reads the file
        except InputError as error:
            for problem in error.problems:
                value = problem.value if problem.has_value else NOTHING
                rule = problem.rule if problem.place == "path" else f"{problem.rule} ({problem.place})"
                yield Fault(path, rule, value, problem.allowed, problem.todo)


@_reads("conditions", "reference")
def _reference(spec: StudySpec) -> Iterator[Fault]:
    if spec.conditions and spec.reference not in spec.conditions:
        yield _not_of_the_study(
            ("reference",), "the reference is not among the study's conditions", spec.reference, spec
        )


def _not_of_the_study(path: tuple[str, ...], rule: str, name: str, spec: StudySpec) -> Fault:
    known = list(spec.conditions)
    return Fault(path, rule, name, "one of " + ", ".join(known), nearest(name, known))


@_reads("conditions", "parameter_budget")
def _parameter_budget(spec: StudySpec) -> Iterator[Fault]:
    name, known = spec.parameter_budget.condition, list(dict.fromkeys([*CONDITIONS, *spec.conditions]))
    if name not in known:
        rule = f"there is no condition {name!r}, here or among the published ones"
        yield Fault(("parameter_budget", "condition"), rule, name, "one of " + ", ".join(known), nearest(name, known))


@_reads("conditions")
def _settings(spec: StudySpec) -> Iterator[Fault]:
    """A condition sets only what its network has."""
    for name, own in spec.conditions.items():
        value = spec.condition(name)
        known = value.kind.keys
        for key in own.given:
            if key in _ALL_SETTINGS and key not in known and key != "delay":
                rule = f"{_a(value)} network has no {key}"
                yield Fault(
                    ("conditions", name, key), rule, own.given[key], "its " + ", ".join(known), _of_settings(value, key)
                )
        named = own.learned if isinstance(own.learned, tuple) and "learned" in known else ()
        if lacking := [p for p in named if p in value.kind.of_a_current and p not in value.parameters]:
            rule = f"{name} has no {' and no '.join(lacking)} to learn: it has no after-spike currents"
            yield Fault(("conditions", name, "learned"), rule, list(named), ", ".join(value.parameters))
        if own.start in ("homogeneous", "heterogeneous") and value.start is None:
            rule = f"{_a(value)} network has no neuron parameters that could start {own.start}"
            yield Fault(("conditions", name, "start"), rule, own.start, "prior or learned", "remove it")


def _of_settings(condition: Condition, key: str) -> str:
    """What to do about a key that a network has not."""
    own = key in dict(condition.kind.settings)
    return f"write `settings: {{{key}: ...}}`" if own else "remove it"


@_reads("conditions")
def _delays(spec: StudySpec) -> Iterator[Fault]:
    if not spec.conditions:
        yield Fault(("conditions",), "a study needs at least one condition", {}, "one or more of " + _all_conditions())
    for name, condition in spec.conditions.items():
        path = ("conditions", name, "delay")
        value = spec.condition(name)
        has_one = "delay" in value.kind.keys
        if not has_one and condition.delay != "none":
            rule = f"{_a(value)} has no delay: it takes the state of the step before"
            yield Fault(path, rule, condition.delay, "none", "write `delay: none`")
        elif has_one and condition.delay == "none":
            rule = f"{_a(value)} network needs a delay: its lateral input is earlier output"
            yield Fault(path, rule, condition.delay, "one_step, or milliseconds above 0", "write `delay: one_step`")


def _all_conditions() -> str:
    return ", ".join(CONDITIONS)


@_reads("conditions", "training", "vary")
def _chances(spec: StudySpec) -> Iterator[Fault]:
    """Conditions have the same epochs and batches, unless those are what is studied."""
    for key in CHANCES:
        name = key.removeprefix("training.")
        own = {condition: getattr(spec.training_of(condition), name) for condition in spec.conditions}
        usual = getattr(spec.training, name)
        if key in spec.vary and len(set(own.values())) == 1 and own:
            rule, todo = f"{key} is declared as what is studied, and no condition differs in it", "remove it"
            yield Fault(("vary",), rule, list(spec.vary), "settings in which conditions differ", todo)
        for condition in own if key not in spec.vary else ():
            if own[condition] != usual:
                rule = f"conditions that differ in {key} have not had the same chance"
                todo = f"remove it, or declare that it is what is studied: `vary: [{key}]` at the top of the study"
                yield Fault(("conditions", condition, "training", name), rule, own[condition], str(usual), todo)


@_reads("conditions", "task", "training")
def _equal(spec: StudySpec) -> Iterator[Fault]:
    """Equal conditions are a slip, or a negative control."""
    seen: dict[Any, list[str]] = {}
    for name, own in spec.conditions.items():
        value = replace(spec.condition(name), name="", color="", marker="")
        fixed = tuple(sorted((own.fixed or {}).items()))
        recipe = spec.training_of(name)
        start = (own.checkpoint and own.checkpoint["from"], spec.start_from(name))
        seen.setdefault((value, spec.delay_steps(name), own.hidden_size, fixed, recipe, start), []).append(name)
    for names in seen.values():
        controls = [name for name in names if spec.conditions[name].control]
        if len(names) == 1 and controls:
            rule = f"{names[0]} is called a control, and no other condition equals it"
            yield Fault(("conditions", names[0], "control"), rule, True, "false", "remove it, or the values it has")
        others = [name for name in names if name not in controls]
        for twin in others[1:]:
            rule = f"{twin} and {others[0]} are the same in everything but their names"
            todo = "change or remove one; or, for a negative control that is equal on purpose, add `control: true`"
            yield Fault(("conditions", twin), rule, NOTHING, "conditions that differ", todo)


@_reads("conditions", "task")
def _delays_within_sequence(spec: StudySpec) -> Iterator[Fault]:
    task = spec.task.definition
    for name, condition in spec.conditions.items():
        steps = spec.delay_steps(name)
        if steps is not None and steps >= task.steps:
            yield Fault(
                ("conditions", name, "delay"),
                f"the delay is {steps} steps and a sequence has {task.steps}: lateral input would never arrive",
                condition.delay,
                f"less than {task.steps * task.time_step_ms:g} ms",
                f"give the delay in ms, not in steps (one step of {task.name} is {task.time_step_ms:g} ms)",
            )


@_reads("conditions", "search")
def _fixed(spec: StudySpec) -> Iterator[Fault]:
    for name, condition in spec.conditions.items():
        path = ("conditions", name, "fixed")
        if spec.search is not None and condition.fixed is not None:
            rule = "fixed hyperparameters and a search exclude each other"
            yield Fault(path, rule, condition.fixed, todo="remove `fixed`, or set `search: null` and `confirm: null`")
        elif spec.search is None:
            yield from _fixed_values(spec, name, condition)


@_reads("conditions", "search")
def _starts(spec: StudySpec) -> Iterator[Fault]:
    for name, own in spec.conditions.items():
        path = ("conditions", name, "start")
        if own.start != "learned":
            others = [n for n, other in spec.conditions.items() if other.checkpoint is None]
            if own.checkpoint is not None and spec.search is not None and others:
                rule = f"a start from a trained network gives {name} more training than the same search gives others"
                yield Fault(path, rule, own.checkpoint["from"], "prior; or all conditions start from one")
            if own.learned_from is not None:
                rule, todo = "only a `learned` start is drawn from another condition", "write `start: learned`"
                yield Fault(("conditions", name, "learned_from"), rule, own.learned_from, "null", todo)
        elif own.learned_from is not None and own.learned_from not in spec.conditions:
            rule = f"{name} would start from trained networks of a condition that is not in the study"
            yield _not_of_the_study(("conditions", name, "learned_from"), rule, own.learned_from, spec)
        elif (source := spec.start_from(name)) is None:
            yield Fault(path, _no_source(spec, name), "learned", "prior, or a `learned_from`", _NO_SOURCE_TODO)
        elif spec.search is not None:
            rule = (
                f"a start from the trained {source} would give {name} more training than the same search gives others"
            )
            todo = "write `start: prior`, or set `search: null` and `confirm: null` and give `fixed` hyperparameters"
            yield Fault(path, rule, "learned", "prior, in a study with a search", todo)
        elif reason := _does_not_match(spec, name, source):
            yield Fault(("conditions", name, "learned_from"), reason, source, "a condition with the same parameters")


_NO_SOURCE_TODO = "add such a condition to the study, name another with `learned_from`, or remove the start"


def _no_source(spec: StudySpec, name: str) -> str:
    condition = spec.condition(name)
    if condition.start is None:
        return f"{name} would start from trained networks, and it does not say of which condition"
    published = condition.learned_from(c for c in CONDITIONS.values() if c.name not in spec.conditions)
    if published is not None:
        return f"{name} would start from trained {published} networks, and {published} is not in the study"
    alike = f"a homogeneous start and {condition.num_ascs} after-spike currents"
    return f"there is no condition that {name} could start from: none that learns has {alike}"


def _does_not_match(spec: StudySpec, name: str, source: str) -> str:
    """Why the networks of `source` cannot give those of `name` their start; '' where they can."""
    mine, theirs = spec.condition(name), spec.condition(source)
    if source == name:
        return f"{name} cannot start from its own trained networks"
    if spec.conditions[source].start == "learned":
        return f"{source} itself starts from trained networks"
    if mine.architecture != theirs.architecture:
        return f"{_a(theirs)} network has not the parameters of {_a(mine)} network"
    if (mine.num_ascs > 0) != (theirs.num_ascs > 0):
        with_currents, without = (name, source) if mine.num_ascs else (source, name)
        return f"{with_currents} has after-spike currents and {without} has none"
    return ""


def _a(condition: Condition) -> str:
    """An indefinite article and the name of a network; of an acronym, as its first letter is spoken."""
    network = condition.architecture
    return f"{'an' if network[0] in 'AEFHILMNORSX' else 'a'} {network}"


def _fixed_values(spec: StudySpec, name: str, condition: ConditionSpec) -> Iterator[Fault]:
    path, fixed = ("conditions", name, "fixed"), condition.fixed or {}
    if "learning_rate" not in fixed:
        rule = f"a study without search needs a learning rate for {name}"
        yield Fault((*path, "learning_rate"), rule, NOTHING, "a number above 0", "add `fixed: {learning_rate: 1e-3}`")
    elif fixed["learning_rate"] <= 0:
        rule = "the learning rate must be above 0"
        yield Fault((*path, "learning_rate"), rule, fixed["learning_rate"], "a number above 0")
    known = spec.condition(name).hyperparameters
    for key in fixed:
        if key not in known:
            rule = f"{name} has no {key}: nothing in it that this would scale ({HYPERPARAMETERS[key]})"
            yield Fault((*path, key), rule, fixed[key], ", ".join(known), "remove it")
        elif (condition.start == "learned" or condition.checkpoint is not None) and key != "learning_rate":
            rule = f"{name} starts from a trained network, so there is nothing that {key} would scale"
            yield Fault((*path, key), rule, fixed[key], "learning_rate", "remove it, or write `start: prior`")


@_reads("conditions", "analysis")
def _contrasts(spec: StudySpec) -> Iterator[Fault]:
    for name, contrast in (spec.analysis.contrasts or {}).items():
        path = ("analysis", "contrasts", name)
        for side, conditions in (("of", contrast.of), ("minus", contrast.minus)):
            for unknown in (c for c in conditions if c not in spec.conditions):
                rule, known = "a contrast names a condition that is not in the study", list(spec.conditions)
                todo = nearest(unknown, known) or "remove the contrast, or add the condition"
                yield Fault((*path, side), rule, unknown, "one of " + ", ".join(known), todo)
        if both := set(contrast.of) & set(contrast.minus):
            rule = "a condition stands on both sides of a contrast"
            yield Fault(path, rule, ", ".join(sorted(both)), todo="leave it on one side")


@_reads("analysis", "task")
def _primary(spec: StudySpec) -> Iterator[Fault]:
    task = spec.task.definition
    given = spec.analysis
    if given.primary is not None and given.primary not in task.measures:
        rule, measures = f"the task {task.name} has no measure {given.primary!r}", list(task.measures)
        allowed = f"one of {', '.join(measures)}"
        yield Fault(("analysis", "primary"), rule, given.primary, allowed, nearest(given.primary, measures))
    elif (given.primary or task.primary) == "accuracy" and (given.smallest_effect or 0) >= 1:
        rule, todo = "an accuracy is a share of 1, so this effect cannot be", "write 0.01 for one percentage point"
        yield Fault(("analysis", "smallest_effect"), rule, given.smallest_effect, "a number above 0, below 1", todo)


@_reads("task", "search")
def _task(spec: StudySpec) -> Iterator[Fault]:
    task, given = spec.task.definition, spec.task.train_on
    if spec.task.source in task.sources and not task.held_out(spec.task.source):
        if given == "train+validation":
            rule = f"the task {task.name} has no validation data: all it has are trained on"
            yield Fault(("task", "train_on"), rule, given, "train", "write `train_on: train`")
    elif spec.search is not None and spec.task.train_on == "train+validation":
        rule = "a search needs validation data to choose by, and these would be trained on"
        todo = "write `train_on: train`, or set `search: null` and `confirm: null` and give `fixed` hyperparameters"
        yield Fault(("task", "train_on"), rule, spec.task.train_on, "train", todo)


@_reads("task")
def _source(spec: StudySpec) -> Iterator[Fault]:
    sources = spec.task.definition.sources
    if spec.task.source not in sources:
        rule, allowed = f"the task {spec.task.name} has no source {spec.task.source!r}", "one of " + ", ".join(sources)
        yield Fault(("task", "source"), rule, spec.task.source, allowed, nearest(spec.task.source, list(sources)))


@_reads("task")
def _options(spec: StudySpec) -> Iterator[Fault]:
    task, fastest = spec.task.definition, 0.5 / spec.task.definition.time_step_ms
    for name in (n for n in ("frequencies", "noise") if getattr(spec.task, n) and n not in task.options):
        able = ", ".join(n for n, t in TASKS.items() if name in t.options)
        rule = f"the task {task.name} has no {name}: only {able} has"
        yield Fault(("task", name), rule, getattr(spec.task, name), todo="remove it")
    if "frequencies" in task.options and any(f >= fastest for f in spec.task.frequencies or ()):
        rule = f"with steps of {task.time_step_ms:g} ms a frequency of {fastest:g} per ms or more cannot be drawn"
        yield Fault(("task", "frequencies"), rule, max(spec.task.frequencies or ()), f"below {fastest:g} per ms")


@_reads("conditions", "task")
def _neurons_as_outputs(spec: StudySpec) -> Iterator[Fault]:
    task = spec.task.definition
    for name, condition in spec.conditions.items():
        if task.neurons_are_outputs and condition.hidden_size != task.outputs:
            rule = f"the outputs of the task {task.name} are its networks' neurons, without a readout"
            path, todo = ("conditions", name, "hidden_size"), f"write `hidden_size: {task.outputs}`"
            yield Fault(path, rule, condition.hidden_size, str(task.outputs), todo)


@_reads("conditions", "training")
def _sigma_v(spec: StudySpec) -> Iterator[Fault]:
    for name, value in spec.values.items():
        changes = spec.conditions[name].training
        annealed = changes.given.get("sigma_v") if changes is not None else None
        if annealed is not None and not _has_sigma_v(value):
            rule, path = f"{_a(value)} network has no sigma_v", ("conditions", name, "training", "sigma_v")
            yield Fault(path, rule, annealed.model_dump(), "null", "remove it")
    if spec.training.sigma_v and not any(_has_sigma_v(own) for own in spec.values.values()):
        rule, given = "no network of this study has a sigma_v: only GLIFR neurons have", spec.training.sigma_v
        yield Fault(("training", "sigma_v"), rule, given.model_dump(), "null", "remove it, or add a GLIFR condition")


def _has_sigma_v(condition: Condition) -> bool:
    return "sigma_v" in condition.kind.keys or "sigma_v" in dict(condition.kind.settings)


@_reads("task", "training")
def _batch(spec: StudySpec) -> Iterator[Fault]:
    yield from _too_large_batch(spec, ("training",), spec.training.batch_size)


@_reads("task", "training", "conditions")
def _batches_of_conditions(spec: StudySpec) -> Iterator[Fault]:
    for name in spec.conditions:
        size = spec.training_of(name).batch_size
        if size != spec.training.batch_size:
            yield from _too_large_batch(spec, ("conditions", name, "training"), size)


def _too_large_batch(spec: StudySpec, path: tuple[str, ...], batch: int) -> Iterator[Fault]:
    task = spec.task.definition
    if spec.task.source not in task.sources:
        return
    samples = task.samples_trained_on(spec.task.settings())
    if batch > samples:
        rule = f"a batch is larger than the training set of {samples} samples"
        yield Fault((*path, "batch_size"), rule, batch, f"a whole number from 1 to {samples}")
