"""Checks that every condition had the same chances, from what ran rather than from what was meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from analysis.results.load import Results
from analysis.results.study import StudyInfo
from analysis.results.summaries import Tuning, by_condition
from analysis.text import count, listed
from glifr.records import design_in

_NAMED = 9  # conditions or searches of one kind that are named one by one
TRIALS_PER_SETTING = 10  # Loeppky, Sacks and Welch, Technometrics 51(4), 2009: ten runs per input
SIZE_TOLERANCE = 1.02  # largest over smallest number of trained parameters


def unequal_budgets(results: Results, tuned: list[Tuning]) -> list[str]:
    """In which respects the searches had different budgets."""
    found = []
    # looks give conditions unequal numbers of seeds, of their own first units, which is no unfairness
    finals = {c.name: c.planned["final"] for c in results.info.conditions if design_in(results.info.spec) is None}
    for what, numbers in (
        ("trials that ended", _by_search(tuned, lambda t: t.ended)),
        ("confirm runs", _by_search(tuned, lambda t: len(t.confirmed))),
        ("planned final seeds", finals),
        ("trials of another study that the search learned from", _learned(results, tuned)),
        ("known points that the search began with", results.info.known_points),
    ):
        if len(set(numbers.values())) > 1:
            found.append(f"{what}: {_grouped(numbers)}")
    table = results.tables["trials"]
    for stage in ("search", "confirm"):
        ended = table[(table["stage"] == stage) & (table["status"] == "complete")]
        columns = (("epochs", "epochs of a whole trial"), ("seeds", "seeds of a trial"))
        for column, what in (pair for pair in columns if f"training.{pair[0]}" not in results.info.varied_settings):
            by_condition = ended.groupby("condition", sort=False)[column]
            seen = {str(name): listed(sorted(own.unique())) for name, own in by_condition}
            if len(set(seen.values())) > 1:
                found.append(f"{what} ({stage}): {_grouped(seen)}")
    return found


def _learned(results: Results, tuned: list[Tuning]) -> dict[str, int]:
    """They are of a condition's budget too: what another study has spent on it."""
    return _by_search(tuned, lambda t: results.info.learned.get(t.name, 0))


def _by_search(tuned: list[Tuning], number: Callable[[Tuning], int]) -> dict[str, int]:
    """The number of each search; of a condition, where all its searches have the same."""
    found: dict[str, int] = {}
    for condition, own in by_condition(tuned).items():
        alike = len({number(t) for t in own}) == 1
        found |= {condition if alike else t.name: number(t) for t in own}
    return found


def unequal_spaces(results: Results) -> list[str]:
    """Hyperparameters that conditions share but search in different ranges."""
    found = []
    for name in results.info.dimensions:
        ranges = {c.name: json.dumps(c.space[name], sort_keys=True) for c in results.info.conditions if name in c.space}
        if len(set(ranges.values())) > 1:
            words = {n: _range(json.loads(text)) for n, text in ranges.items()}
            found.append(f"{name.replace('_', ' ')}: {_grouped(words)}")
    return found


def trials_per_search(info: StudyInfo) -> int:
    """The fewest that a search of a condition was given; 0 without a search."""
    return min((c.planned["search"] // info.repeats for c in info.conditions if c.planned.get("search")), default=0)


def coarse_searches(info: StudyInfo) -> tuple[str, list[str]]:
    """Finds whether conditions with more settings to search had too few trials to search them as well as the others.

    Returns:
        Numbers of settings and of trials per search in words, and the conditions that search more settings than another
        one; '' and none if all search as many, or if there are `TRIALS_PER_SETTING` trials for each setting.
    """
    sizes = {c.name: len(c.space) for c in info.conditions if c.planned.get("search")}
    trials = trials_per_search(info)
    least = min(sizes.values(), default=0)
    more = [name for name, size in sizes.items() if size > least and trials < TRIALS_PER_SETTING * size]
    if not more:
        return "", []
    return f"{_grouped(sizes)}; {count(trials, 'trial')} per search", more


def varied_on_purpose(info: StudyInfo) -> list[str]:
    """In which settings conditions had unequal chances because that is what the study declares to study."""
    found = []
    for key in info.varied_settings:
        of = {c.name: info.training_of(c.name).get(key.removeprefix("training.")) for c in info.conditions}
        found.append(f"{key} is {_grouped(of)}")
    if found:
        seen = {c.name: f"{_samples_seen(info, c.name):,}" for c in info.conditions}
        found.append(f"samples that a final network has seen: {_grouped(seen)}")
    return found


def no_longer_shared(info: StudyInfo) -> list[str]:
    """What networks of one seed no longer share where conditions differ in what is declared to vary."""
    words = {
        "training.epochs": "the number of epochs (the order of samples is the same in those that both have)",
        "training.batch_size": "the batches, and so the number of steps (the order of samples is the same)",
    }
    return [words[key] for key in info.varied_settings if key in words]


def _samples_seen(info: StudyInfo, condition: str) -> int:
    """Samples that one final network has been trained on, each as often as it was seen."""
    names = info.task.train_on.split("+")
    in_a_pass = sum(size for name, size in info.task.splits.items() if name in names)
    return in_a_pass * info.task.passes * int(info.training_of(condition).get("epochs") or 0)


def unequal_sizes(results: Results) -> str:
    """The smallest and largest network where their trained parameters differ by more than 2 %; '' else."""
    sizes = {c.name: c.trained_parameters for c in results.info.conditions}
    if not sizes or max(sizes.values()) <= SIZE_TOLERANCE * min(sizes.values()):
        return ""
    low, high = min(sizes, key=lambda n: sizes[n]), max(sizes, key=lambda n: sizes[n])
    return f"trained parameters run from {sizes[low]:,} ({low}) to {sizes[high]:,} ({high})"


def shared_seeds(results: Results) -> list[int]:
    """Seeds that both a tuning run and a final network had, whichever repeat of the search they belong to."""
    seeds = results.tables["seeds"]
    final = seeds["stage"] == "final"
    return sorted({int(s) for s in set(seeds.loc[final, "seed"]) & set(seeds.loc[~final, "seed"])})


def seeds_of_two_repeats(results: Results) -> list[int]:
    """Seeds that two repeats of the search had: they are then not independent."""
    owners = results.tables["seeds"].groupby("seed")["repeat"].nunique()
    return sorted(int(seed) for seed in owners.index[owners > 1])


def repeated_test_reads(results: Results) -> list[str]:
    """Where the test data were read other than once for each final network."""
    seeds = results.tables["seeds"]
    found = []
    tuned = seeds[(seeds["stage"] != "final") & (seeds["test_loss"].notna() | seeds["test_accuracy"].notna())]
    if len(tuned):
        found.append(f"tuning runs have test results ({listed(sorted(set(tuned['condition'])))})")
    final = seeds[(seeds["stage"] == "final") & (seeds["status"] == "complete")]
    again = final[final.duplicated(["condition", "identity"], keep=False)]
    if len(again):
        named = sorted({f"{c} seed {s}" for c, s in zip(again["condition"], again["seed"], strict=True)})
        found.append(f"one network was trained and tested more than once ({listed(named)})")
    return found


def _grouped(values: Mapping[str, object]) -> str:
    """'40 for RNN and LSTM, 39 for Hom'."""
    by_value: dict[object, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    most = max(by_value, key=lambda value: len(by_value[value]))
    if len(by_value[most]) > _NAMED:  # in a study with repeats there are many: the exceptions tell
        others = {value: names for value, names in by_value.items() if value != most}
        return ", ".join(
            [*(f"{value} for {listed(names)}" for value, names in others.items()), f"{most} for the others"]
        )
    return ", ".join(f"{value} for {listed(names)}" for value, names in by_value.items())


def _range(space: Mapping[str, object]) -> str:
    if isinstance(choices := space.get("choices"), list | tuple):
        return f"one of {listed([str(choice) for choice in choices])}"
    return f"{space['low']:g} to {space['high']:g}{'' if space['log'] else ' (linear)'}"
