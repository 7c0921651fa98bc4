"""The rules of samplers, pruners, and what a search begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from glifr.errors import nearest
from glifr.records import Value
from launch.studyfile.dimensions import Dimension
from launch.studyfile.models import StudySpec
from launch.studyfile.parts.stages import Search
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.search.known import LEARNING_RATES, PUBLISHED
from launch.studyfile.search.samplers import LEARNING, CmaesSampler
from launch.studyfile.tree import NOTHING, Fault, KeyPath

RULE_CHECKS: Registered = []
_reads = reads_into(RULE_CHECKS)
_MOST_TRIALS = 100_000


@_reads("search")
def _packages(spec: StudySpec) -> Iterator[Fault]:
    for key in ("sampler", "pruner") if spec.search else ():
        chosen = getattr(spec.search, key)
        for package in (package for package in chosen.needs if find_spec(package) is None):
            rule = f"the {key} {chosen.name} needs the package {package}, which is not installed"
            todo = f"python -m pip install {package}, or choose another {key}"
            yield Fault(("search", key, "name"), rule, chosen.name, todo=todo)


@_reads("search")
def _cmaes(spec: StudySpec) -> Iterator[Fault]:
    sampler = spec.search.sampler if spec.search else None
    if not isinstance(sampler, CmaesSampler):
        return
    given = [key for key in ("separable", "margin", "adapt_rate") if getattr(sampler, key)]
    for key in given[1:]:
        rule = f"{given[0]} and {key} exclude each other"
        yield Fault(("search", "sampler", key), rule, True, "false", "set one of them to false")
    for family, space in spec.search.spaces.items() if spec.search else ():
        if space and all(dimension.choices is not None for dimension in space.values()):
            rule, todo = (
                "cmaes needs a dimension with a range: choices alone it draws at random",
                "choose tpe, or a grid",
            )
            yield Fault(("search", "spaces", family), rule, list(space), "a dimension with low and high", todo)


# -- trials and grids --------------------------------------------------------------------------------------------------


@_reads("search")
def _trials(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is None:
        return
    path, grid = ("search", "trials"), spec.search.sampler.name == "grid"
    if spec.search.trials is None and not grid:
        yield Fault(
            path, "the key 'trials' is missing", NOTHING, "a whole number from 1 to 100000", "add `trials:` here"
        )
    elif spec.search.trials is not None and grid:
        rule = "a grid tries each of its combinations once, so their number is that of the trials"
        yield Fault(path, rule, spec.search.trials, "null", "remove it, or write `trials: null` where it is inherited")


@_reads("search")
def _grid(spec: StudySpec) -> Iterator[Fault]:
    spaces = spec.search.spaces.items() if spec.search else ()
    grid = spec.search is not None and spec.search.sampler.name == "grid"
    for family, space in spaces:
        for name, dimension in space.items():
            path = ("search", "spaces", family, name)
            if dimension.points is not None and not grid:
                rule, todo = "only a grid has points", "remove it, or write `sampler: grid`"
                yield Fault((*path, "points"), rule, dimension.points, "null", todo)
            elif grid:
                yield from _dimension_of_grid(path, dimension)


def _dimension_of_grid(path: KeyPath, dimension: Dimension) -> Iterator[Fault]:
    if dimension.choices is not None:
        if dimension.points is not None:
            rule = "choices are points already"
            yield Fault((*path, "points"), rule, dimension.points, "null", "remove it")
    elif not dimension.finite:
        allowed = "a range with `points`, a range of whole numbers, or choices"
        yield Fault(path, "a grid cannot have every number of a range", NOTHING, allowed, "add `points: 5`")
    elif dimension.type == "int" and dimension.points and dimension.complete:
        low, high = dimension.range
        if len(set(dimension.grid())) < dimension.points:
            rule = "some points would be the same whole number"
            yield Fault((*path, "points"), rule, dimension.points, f"at most {int(high - low) + 1}", "give fewer")


@_reads("conditions", "search")
def _size_of_grid(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is None or spec.search.sampler.name != "grid":
        return
    for name, value in spec.values.items():
        if (trials := spec.trials(name)) > _MOST_TRIALS:
            rule, todo = f"the grid of {name} has too many combinations", "give fewer points or choices"
            path = ("search", "spaces", value.family)
            yield Fault(path, rule, trials, f"at most {_MOST_TRIALS:,}", todo)


# -- pruners -----------------------------------------------------------------------------------------------------------


@_reads("search")
def _seeds_of_wilcoxon(spec: StudySpec) -> Iterator[Fault]:
    pruner = spec.search.pruner if spec.search else None
    if pruner is None or not pruner.per_seed:
        return
    seeds, first = len(spec.search_seeds()), pruner.first_stop()
    if seeds <= first:
        rule = f"with {_seeds(seeds)} per trial {pruner.name} can stop none early"
        allowed = f"at least {first + 1}: n seeds reach no p below 2^-n, and a stop after the last saves nothing"
        path = ("search", "seeds_per_trial")
        yield Fault(path, rule, seeds, allowed, f"give {first + 1} seeds or more, or choose another pruner")


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


@_reads("conditions", "training", "search")
def _epochs_of_pruner(spec: StudySpec) -> Iterator[Fault]:
    pruner = spec.search.pruner if spec.search else None
    if pruner is None or pruner.per_seed or pruner.name in ("none", "median"):  # of median: as files have it
        return
    epochs = min(spec.epochs("search", name) for name in spec.conditions)
    path, first = ("search", "pruner", "name"), pruner.first_stop()
    if first >= epochs:
        rule = f"{pruner.name} stops no trial before epoch {first}, and a trial has {epochs}"
        yield Fault(path, rule, pruner.name, f"more than {first} epochs", "lower its settings, or choose none")
    elif pruner.name == "hyperband" and pruner.min_epochs * pruner.reduction_factor > epochs:
        least = pruner.min_epochs * pruner.reduction_factor
        rule = f"hyperband needs trials of at least min_epochs x reduction_factor = {least} epochs for two brackets"
        yield Fault(path, rule, epochs, f"at least {least} epochs", "train longer, or choose successive_halving")


# -- what a search begins with -----------------------------------------------------------------------------------------


@_reads("search")
def _begins_with(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is None:
        return
    sampler = spec.search.sampler
    if spec.search.start_at and sampler.name == "grid":
        rule = "a grid tries its own points alone"
        yield Fault(("search", "start_at"), rule, list(spec.search.start_at), "nothing", "remove it")
    if spec.search.learn_from is not None:
        given, path = spec.search.learn_from["from"], ("search", "learn_from")
        if not isinstance(sampler, LEARNING):
            rule = f"the sampler {sampler.name} learns from no trial"
            yield Fault(path, rule, given, "with tpe, gp or cmaes", "remove it, or choose one of these samplers")
        if spec.search.pruner.per_seed:
            rule = f"{spec.search.pruner.name} compares trials on the same seeds, and those of another study had others"
            yield Fault(path, rule, given, "with another pruner", "remove it, or choose another pruner")
        if isinstance(sampler, CmaesSampler) and sampler.separable:
            rule = "a separable CMA-ES cannot begin from other trials"
            yield Fault(path, rule, given, "with separable: false", "remove it, or `separable`")


@_reads("conditions", "task", "search")
def _start_at(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is None:
        return
    for index, point in enumerate(spec.search.start_at):
        path = ("search", "start_at", index)
        if point == PUBLISHED:
            if spec.task.name not in LEARNING_RATES:
                rule = f"no networks of the task {spec.task.name} were published"
                yield Fault(path, rule, point, ", ".join(LEARNING_RATES), "give a point with its values")
        else:
            yield from _given_point(spec.search, path, point)
    yield from _too_many_points(spec)


def _given_point(search: Search, path: KeyPath, point: Mapping[str, Value]) -> Iterator[Fault]:
    known = list(dict.fromkeys(name for space in search.spaces.values() for name in space))
    for name, value in point.items():
        if name not in known:
            rule = f"the study searches no dimension {name!r}"
            yield Fault((*path, name), rule, value, ", ".join(known), nearest(name, known) or "remove it")
            continue
        for family, space in search.spaces.items():
            if name in space and space[name].complete and not space[name].holds(value):
                rule = f"the value lies outside the search space of {family}"
                yield Fault(
                    (*path, name), rule, value, _values_of(space[name]), "give one of these, or widen the space"
                )
                break


def _too_many_points(spec: StudySpec) -> Iterator[Fault]:
    count, trials = len(spec.search.start_at) if spec.search else 0, spec.search.trials if spec.search else None
    if trials is not None and count > trials:
        rule = "there are more points to begin with than trials"
        yield Fault(("search", "start_at"), rule, count, f"at most {trials} (search.trials)", "give fewer points")


def _values_of(dimension: Dimension) -> str:
    if dimension.choices is not None:
        return "one of " + ", ".join(map(str, dimension.choices))
    return f"{dimension.low:g} to {dimension.high:g}"
