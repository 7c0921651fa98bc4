"""The rules of a study's search: its ranges, its confirmation, and the seeds of all stages.

As in `checks`, each names the sections it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glifr.conditions import HYPERPARAMETERS
from glifr.records import Value
from launch.studyfile.dimensions import Dimension, cannot_be
from launch.studyfile.models import StudySpec
from launch.studyfile.parts.stages import SeedLooks
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.schema import allowed_at
from launch.studyfile.text.yaml_values import as_yaml
from launch.studyfile.tree import NOTHING, Fault
from launch.studyfile.values import MAX_LOOKS, MAX_REPEATS, SEEDS_OF_A_REPEAT, SEEDS_RULE, is_number, listed

SEARCH_CHECKS: Registered = []
_reads = reads_into(SEARCH_CHECKS)


@_reads("search", "confirm")
def _confirm(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is not None and spec.confirm is None:
        todo = "add `confirm: {top: 3, seeds: 3}`"
        yield Fault(("confirm",), "a study with a search needs the section `confirm`", NOTHING, todo=todo)
    elif spec.search is None and spec.confirm is not None:
        rule = "there is nothing to confirm without a search"
        yield Fault(("confirm",), rule, NOTHING, "null", "remove `confirm`, or add a search")
    elif spec.search and spec.confirm and spec.search.trials and spec.confirm.top > spec.search.trials:
        yield _too_many_confirmed(spec.confirm.top, spec.search.trials, "search.trials")


def _too_many_confirmed(top: int, trials: int, of: str) -> Fault:
    return Fault(
        ("confirm", "top"), "more configurations would be confirmed than are tried", top, f"1 to {trials} ({of})"
    )


@_reads("conditions", "search", "confirm")
def _confirm_of_grid(spec: StudySpec) -> Iterator[Fault]:
    if spec.search is None or spec.confirm is None or spec.search.sampler.name != "grid":
        return
    sizes = {name: spec.trials(name) for name in spec.conditions}
    smallest = min(sizes, key=lambda name: sizes[name], default=None)
    if smallest is not None and spec.confirm.top > sizes[smallest] > 0:
        yield _too_many_confirmed(spec.confirm.top, sizes[smallest], f"the grid of {smallest}")


@_reads("search")
def _ranges(spec: StudySpec) -> Iterator[Fault]:
    for family, space in spec.search.spaces.items() if spec.search else ():
        for name, dimension in space.items():
            yield from _range(("search", "spaces", family, name), name, dimension)


def _range(path: tuple[str, ...], name: str, dimension: Dimension) -> Iterator[Fault]:
    if dimension.choices is not None:
        given = [key for key in ("low", "high", "scale") if getattr(dimension, key) is not None]
        for key in given:
            rule = "a dimension has choices, or a range, not both"
            yield Fault((*path, key), rule, getattr(dimension, key), "null", "remove it, or remove `choices`")
        ends: tuple[Value, ...] = () if given else dimension.choices
    else:
        missing = [key for key in ("low", "high", "scale") if getattr(dimension, key) is None]
        for key in missing:
            allowed = {"scale": "log or linear"}.get(key, "a number")
            yield Fault((*path, key), f"the key {key!r} is missing", NOTHING, allowed, f"add `{key}:` here")
        if missing:
            return
        faults = [*_ends(path, name, dimension)]
        yield from faults
        ends = () if faults else (dimension.place("low"), dimension.place("high"))
    yield from _possible(path, name, dimension, ends)


def _possible(path: tuple[str, ...], name: str, dimension: Dimension, ends: Iterable[Value]) -> Iterator[Fault]:
    """Values that a setting does not take."""
    if name in HYPERPARAMETERS:
        if dimension.choices is not None and not all(is_number(c) and float(c) > 0 for c in ends):
            yield Fault((*path, "choices"), f"{name} is a number above 0", list(dimension.choices), "numbers above 0")
        return
    for value in (value for value in ends if cannot_be(name, value)):
        whole = isinstance(value, float) and value.is_integer() and not cannot_be(name, int(value))
        if whole:
            rule, todo = f"{name} is a whole number, and this range has others", "write `type: int`"
            yield Fault(path, rule, {"low": dimension.low, "high": dimension.high}, "type: int", todo)
            return
        where = (*path, "choices") if dimension.choices else path
        allowed = allowed_at(("conditions", "name", *name.split(".")))
        yield Fault(where, f"{name} cannot be {as_yaml(value)}", value, allowed or "what the setting takes")


def _ends(path: tuple[str, ...], name: str, dimension: Dimension) -> Iterator[Fault]:
    low, high = dimension.range
    if dimension.type == "int":
        for key, end in (("low", low), ("high", high)):
            if not end.is_integer():
                yield Fault((*path, key), "a range of whole numbers ends at whole numbers", end, "a whole number")
    if low >= high:
        rule = "low must be below high"
        yield Fault(path, rule, {"low": low, "high": high}, todo="swap them" if low > high else "widen the range")
    if dimension.log and low <= 0:
        rule = "a range on a log scale must lie above 0"
        todo = "raise low" if name == "learning_rate" else "raise low, or write `scale: linear`"
        yield Fault((*path, "low"), rule, low, "a number above 0", todo)
    elif name == "learning_rate" and low <= 0:
        yield Fault((*path, "low"), "the learning rate must be above 0", low, "a number above 0")
    elif low < 0 and name in HYPERPARAMETERS:
        yield Fault((*path, "low"), "a spread scales a width and cannot be negative", low, "a number from 0")


@_reads("conditions", "search")
def _spaces(spec: StudySpec) -> Iterator[Fault]:
    spaces = spec.search.spaces if spec.search else {}
    of = {name: value.family for name, value in spec.values.items()} if spec.search else {}
    for family in dict.fromkeys(of.values()):
        path, users = ("search", "spaces", family), [name for name, own in of.items() if own == family]
        if family not in spaces:
            rule = f"no search space for {', '.join(users)}"
            own = f'"{family}": {{learning_rate: {{low: 1e-4, high: 1e-2, scale: log}}}}'
            todo = f"add `{own if ':' in family else f'{family}: ../search_spaces/{family}.yaml'}` to search.spaces"
            yield Fault(path, rule, NOTHING, "a space file, or the space itself", todo)
        elif not spaces[family]:
            rule = f"the search space of {', '.join(users)} is empty"
            yield Fault(path, rule, {}, "one or more of " + ", ".join(HYPERPARAMETERS), _ADD_LEARNING_RATE)
        elif "learning_rate" not in spaces[family]:
            rule = f"the search space of {', '.join(users)} has no learning rate"
            yield Fault(path, rule, list(spaces[family]), "learning_rate is required", _ADD_LEARNING_RATE)


_ADD_LEARNING_RATE = "add `learning_rate: {low: 1e-4, high: 1e-2, scale: log}`"


@_reads("final", "exploratory")
def _looks(spec: StudySpec) -> Iterator[Fault]:
    path, given = ("final", "seeds"), spec.final.seeds
    if not isinstance(given, SeedLooks):
        return
    if given.most < given.first:
        rule = "the last look has fewer seeds than the first"
        yield Fault((*path, "most"), rule, given.most, f"a whole number from {given.first} (final.seeds.first)")
    elif (given.most - given.first) / given.step > MAX_LOOKS - 1:
        rule, enough = f"there can be {MAX_LOOKS} looks", -(-(given.most - given.first) // (MAX_LOOKS - 1))
        yield Fault((*path, "step"), rule, given.step, f"a whole number from {enough}", f"write `step: {enough}`")
    if spec.exploratory:
        rule = "an exploratory study gives no verdicts, so no look can decide how many seeds are enough"
        todo = "give a number of seeds here, as `final: {seeds: 2}`, or remove `exploratory`"
        yield Fault(path, rule, given.model_dump(), SEEDS_RULE, todo)


@_reads("search", "confirm", "final")
def _looks_at_repeats(spec: StudySpec) -> Iterator[Fault]:
    """Looks that add repeats of the search: whole ones, with seeds of their own."""
    looks, repeats = spec.final.seeds, spec.repeats
    if not isinstance(looks, SeedLooks) or repeats == 1 or looks.first % repeats:
        return
    share = looks.first // repeats
    for key, seeds in (("step", looks.step), ("most", looks.most)):
        if seeds % share:
            rule = (
                f"a look adds whole repeats of the search, each with {share} seeds (final.seeds.first, search.repeats)"
            )
            yield Fault(
                ("final", "seeds", key), rule, seeds, f"a multiple of {share}", f"give {-(-seeds // share) * share}"
            )
    if looks.most // share > MAX_REPEATS:
        rule = f"a search can be repeated {MAX_REPEATS} times"
        yield Fault(("final", "seeds", "most"), rule, looks.most, f"at most {MAX_REPEATS * share}")
    given = (
        (("search", "seeds_per_trial"), spec.search.seeds_per_trial if spec.search else 1),
        (("confirm", "seeds"), spec.confirm.seeds if spec.confirm else 1),
    )
    for path, listed_seeds in given:
        if not isinstance(listed_seeds, int):
            rule = "looks add repeats of the search, which need seeds of their own"
            yield Fault(path, rule, list(listed_seeds), "a whole number", "give how many, not which")


@_reads("search", "confirm", "final")
def _shares(spec: StudySpec) -> Iterator[Fault]:
    """Repeats of the search share the final seeds, and every list of seeds, equally."""
    repeats = spec.repeats
    given = (
        (("search", "seeds_per_trial"), spec.search.seeds_per_trial if spec.search else ()),
        (("confirm", "seeds"), spec.confirm.seeds if spec.confirm else ()),
        (("final", "seeds"), _first_seeds(spec)),
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


def _first_seeds(spec: StudySpec) -> int | tuple[int, ...]:
    """The final seeds that the study has from its beginning."""
    given = spec.final.seeds
    return given.first if isinstance(given, SeedLooks) else given


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
