"""The rules that join fields or sections of a study.

Each check names the sections it reads and runs when they are good, whatever is wrong in the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from glifr.conditions import CONDITIONS, HYPERPARAMETERS
from glifr.errors import nearest
from glifr.tasks import TASKS
from launch.studyfile.models import ConditionSpec, Dimension, StudySpec
from launch.studyfile.tree import NOTHING, Fault
from launch.studyfile.values import SEEDS_OF_A_REPEAT, listed

Check = Callable[[StudySpec], Iterator[Fault]]
_CHECKS: list[tuple[frozenset[str], Check]] = []


def _reads(*sections: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _CHECKS.append((frozenset(sections), check))
        return check

    return register


def cross_faults(sections: dict[str, Any]) -> list[Fault]:
    """The faults between sections, from those that are good: section name -> its validated value."""
    spec = StudySpec.model_construct(**sections)
    return [fault for needed, check in _CHECKS if needed <= sections.keys() for fault in check(spec)]


@_reads("conditions", "reference")
def _reference(spec: StudySpec) -> Iterator[Fault]:
    if spec.conditions and spec.reference not in spec.conditions:
        allowed = "one of " + ", ".join(spec.conditions)
        yield Fault(("reference",), "the reference is not among the study's conditions", spec.reference, allowed)


@_reads("conditions")
def _delays(spec: StudySpec) -> Iterator[Fault]:
    if not spec.conditions:
        yield Fault(("conditions",), "a study needs at least one condition", {}, "one or more of " + _all_conditions())
    for name, condition in spec.conditions.items():
        path = ("conditions", name, "delay")
        if CONDITIONS[name].architecture == "LSTM" and condition.delay != "none":
            rule = "an LSTM has no delay: its cell takes the state of the step before"
            yield Fault(path, rule, condition.delay, "none", "write `delay: none`")
        elif CONDITIONS[name].architecture != "LSTM" and condition.delay == "none":
            rule = f"a {CONDITIONS[name].architecture} network needs a delay: its lateral input is earlier output"
            yield Fault(path, rule, condition.delay, "one_step, or milliseconds above 0", "write `delay: one_step`")


def _all_conditions() -> str:
    return ", ".join(CONDITIONS)


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
            yield from _fixed_values(name, condition)


@_reads("conditions", "search")
def _starts(spec: StudySpec) -> Iterator[Fault]:
    possible = [name for name, condition in CONDITIONS.items() if condition.learned_from]
    for name in (name for name, condition in spec.conditions.items() if condition.start == "learned"):
        path, source = ("conditions", name, "start"), CONDITIONS[name].learned_from
        if source is None:
            yield Fault(path, _no_source(name), "learned", "prior; learned for " + ", ".join(possible), "remove it")
        elif spec.search is not None:
            rule = (
                f"a start from the trained {source} would give {name} more training than the same search gives others"
            )
            todo = "write `start: prior`, or set `search: null` and `confirm: null` and give `fixed` hyperparameters"
            yield Fault(path, rule, "learned", "prior, in a study with a search", todo)
        elif source not in spec.conditions:
            rule = f"{name} would start from trained {source} networks, and {source} is not in the study"
            yield Fault(path, rule, "learned", "prior", f"add {source} to the conditions")


def _no_source(name: str) -> str:
    condition = CONDITIONS[name]
    if condition.start != "heterogeneous":
        return f"{name} has no heterogeneous start that could be drawn from a trained network"
    alike = f"a homogeneous start and {condition.num_ascs} after-spike currents"
    return f"there is no condition that {name} could start from: none that learns has {alike}"


def _fixed_values(name: str, condition: ConditionSpec) -> Iterator[Fault]:
    path, fixed = ("conditions", name, "fixed"), condition.fixed or {}
    if "learning_rate" not in fixed:
        rule = f"a study without search needs a learning rate for {name}"
        yield Fault((*path, "learning_rate"), rule, NOTHING, "a number above 0", "add `fixed: {learning_rate: 1e-3}`")
    elif fixed["learning_rate"] <= 0:
        rule = "the learning rate must be above 0"
        yield Fault((*path, "learning_rate"), rule, fixed["learning_rate"], "a number above 0")
    known = CONDITIONS[name].hyperparameters
    for key in fixed:
        if key not in known:
            rule = f"{name} has no {key}: nothing in it that this would scale ({HYPERPARAMETERS[key]})"
            yield Fault((*path, key), rule, fixed[key], ", ".join(known), "remove it")
        elif condition.start == "learned" and key != "learning_rate":
            rule = f"{name} starts from a trained network, so there is nothing that {key} would scale"
            yield Fault((*path, key), rule, fixed[key], "learning_rate", "remove it, or write `start: prior`")


@_reads("conditions", "analysis")
def _contrasts(spec: StudySpec) -> Iterator[Fault]:
    for name, contrast in (spec.analysis.contrasts or {}).items():
        path = ("analysis", "contrasts", name)
        for side, conditions in (("of", contrast.of), ("minus", contrast.minus)):
            for unknown in (c for c in conditions if c not in spec.conditions):
                rule, allowed = "a contrast names a condition that is not in the study", ", ".join(spec.conditions)
                yield Fault(
                    (*path, side), rule, unknown, f"one of {allowed}", "remove the contrast, or add the condition"
                )
        if both := set(contrast.of) & set(contrast.minus):
            rule = "a condition stands on both sides of a contrast"
            yield Fault(path, rule, ", ".join(sorted(both)), todo="leave it on one side")


@_reads("analysis", "task")
def _primary(spec: StudySpec) -> Iterator[Fault]:
    task = spec.task.definition
    given = spec.analysis
    if given.primary == "accuracy" and task.chance_accuracy is None:
        yield Fault(("analysis", "primary"), f"the task {task.name} has no accuracy", given.primary, "loss")
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
    if spec.training.sigma_v and not any(CONDITIONS[name].architecture == "GLIFR" for name in spec.conditions):
        rule, given = "no network of this study has a sigma_v: only GLIFR neurons have", spec.training.sigma_v
        yield Fault(("training", "sigma_v"), rule, given.model_dump(), "null", "remove it, or add a GLIFR condition")


@_reads("task", "training")
def _batch(spec: StudySpec) -> Iterator[Fault]:
    task = spec.task.definition
    if spec.task.source not in task.sources:
        return
    samples, batch = task.samples_trained_on(spec.task.settings()), spec.training.batch_size
    if batch > samples:
        rule = f"a batch is larger than the training set of {samples} samples"
        yield Fault(("training", "batch_size"), rule, batch, f"a whole number from 1 to {samples}")


@_reads("search", "confirm")
def _confirm(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is not None and spec.confirm is None:
        todo = "add `confirm: {top: 3, seeds: 3}`"
        yield Fault(("confirm",), "a study with a search needs the section `confirm`", NOTHING, todo=todo)
    elif spec.search is None and spec.confirm is not None:
        rule = "there is nothing to confirm without a search"
        yield Fault(("confirm",), rule, NOTHING, "null", "remove `confirm`, or add a search")
    elif spec.search and spec.confirm and spec.confirm.top > spec.search.trials:
        rule = "more configurations would be confirmed than are tried"
        yield Fault(("confirm", "top"), rule, spec.confirm.top, f"1 to {spec.search.trials} (search.trials)")


@_reads("search")
def _ranges(spec: StudySpec) -> Iterator[Fault]:
    for family, space in spec.search.spaces.items() if spec.search else ():
        for name, dimension in space.items():
            yield from _range(("search", "spaces", family, name), name, dimension)


def _range(path: tuple[str, ...], name: str, dimension: Dimension) -> Iterator[Fault]:
    low, high = dimension.low, dimension.high
    if low >= high:
        rule = "low must be below high"
        yield Fault(path, rule, {"low": low, "high": high}, todo="swap them" if low > high else "widen the range")
    if dimension.log and low <= 0:
        rule = "a range on a log scale must lie above 0"
        todo = "raise low" if name == "learning_rate" else "raise low, or write `scale: linear`"
        yield Fault((*path, "low"), rule, low, "a number above 0", todo)
    elif name == "learning_rate" and low <= 0:
        yield Fault((*path, "low"), "the learning rate must be above 0", low, "a number above 0")
    elif low < 0:
        yield Fault((*path, "low"), "a spread scales a width and cannot be negative", low, "a number from 0")


@_reads("conditions", "search")
def _spaces(spec: StudySpec) -> Iterator[Fault]:
    spaces = spec.search.spaces if spec.search else {}
    families = dict.fromkeys(CONDITIONS[name].family for name in spec.conditions) if spec.search else {}
    for family in families:
        path, users = ("search", "spaces", family), [n for n in spec.conditions if CONDITIONS[n].family == family]
        if family not in spaces:
            rule = f"no search space for {', '.join(users)}"
            todo = f"add `{family}: ../search_spaces/{family}.yaml` to search.spaces"
            yield Fault(path, rule, NOTHING, "a space file, or the space itself", todo)
        elif not spaces[family]:
            rule = f"the search space of {', '.join(users)} is empty"
            yield Fault(path, rule, {}, "one or more of " + ", ".join(HYPERPARAMETERS), _ADD_LEARNING_RATE)
        elif "learning_rate" not in spaces[family]:
            rule = f"the search space of {', '.join(users)} has no learning rate"
            yield Fault(path, rule, list(spaces[family]), "learning_rate is required", _ADD_LEARNING_RATE)


_ADD_LEARNING_RATE = "add `learning_rate: {low: 1e-4, high: 1e-2, scale: log}`"


@_reads("search", "confirm", "final")
def _shares(spec: StudySpec) -> Iterator[Fault]:
    """Repeats of the search share the final seeds, and every list of seeds, equally."""
    repeats = spec.repeats
    given = (
        (("search", "seeds_per_trial"), spec.search.seeds_per_trial if spec.search else ()),
        (("confirm", "seeds"), spec.confirm.seeds if spec.confirm else ()),
        (("final", "seeds"), spec.final.seeds),
    )
    for path, seeds in given if repeats > 1 else ():
        total = seeds if isinstance(seeds, int) else len(seeds)
        shared = path[0] == "final" or not isinstance(seeds, int)
        if shared and total % repeats:
            rule = f"{total} seeds cannot be shared equally by the {repeats} independent searches of a condition"
            allowed = f"a multiple of {repeats} (search.repeats) of them"
            found = seeds if isinstance(seeds, int) else list(seeds)
            yield Fault(path, rule, found, allowed, f"give {total // repeats * repeats + repeats}, or change repeats")
        elif total // (repeats if shared else 1) > SEEDS_OF_A_REPEAT:
            rule = "that is too many seeds for each of several independent searches"
            yield Fault(path, rule, total, f"at most {SEEDS_OF_A_REPEAT} for each of the {repeats} (search.repeats)")


@_reads("seed", "search", "confirm", "final")
def _seeds(spec: StudySpec) -> Iterator[Fault]:
    stages = (
        (("search", "seeds_per_trial"), spec.search_seeds),
        (("confirm", "seeds"), spec.confirm_seeds),
        (("final", "seeds"), spec.final_seeds),
    )
    used = [(path, [seed for r in range(spec.repeats) for seed in seeds(r)]) for path, seeds in stages]
    for index, (path, seeds) in enumerate(used):
        for other, others in used[:index]:
            yield from _overlap(path, seeds, ".".join(other), others)


def _overlap(path: tuple[str, ...], seeds: Iterable[int], other: str, others: Iterable[int]) -> Iterator[Fault]:
    shared = sorted(set(seeds) & set(others))
    if shared:
        rule = f"seeds used here and in {other}: each stage needs fresh seeds, or its numbers flatter the winner"
        yield Fault(path, rule, listed(shared), "seeds that no other stage uses", "change one of the two lists")
