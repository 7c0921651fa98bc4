"""Warnings about tuning: unequal chances, choices at an end of their range, leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from analysis.judgement import fairness
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning
from analysis.results.summaries import Tuning, by_condition
from analysis.text import count, listed


def bounds(a: Assessment) -> Iterator[ReportWarning]:
    """at-a-bound: the chosen value lies at an end of its range."""
    at = [
        f"{name} ({listed(_edges(own))})" for name, own in by_condition(a.tunings).items() if any(t.edges for t in own)
    ]
    if at:
        names = tuple(t.name for t in a.tunings if t.edges)
        text = f"The chosen value lies at an end of its range: {listed(at)}. A wider range may hold a better one."
        yield ReportWarning("at-a-bound", text, "table-settings", names)


def _edges(searches: list[Tuning]) -> list[str]:
    """'learning rate'; of a condition that was searched several times 'learning rate in 2 of 9 searches'."""
    counted = Counter(name.replace("_", " ") for t in searches for name in t.edges)
    of = f" of {count(len(searches), 'search', 'searches')}"
    return [name if len(searches) == 1 else f"{name} in {n}{of}" for name, n in counted.items()]


def chances(a: Assessment) -> Iterator[ReportWarning]:
    """unequal-budgets, unequal-spaces, coarse-search and unequal-sizes."""
    budgets = fairness.unequal_budgets(a.results, a.tunings)
    if budgets:
        yield ReportWarning("unequal-budgets", f"Unequal budgets: {'; '.join(budgets)}.", "table-tuning")
    spaces = fairness.unequal_spaces(a.results)
    if spaces:
        text = f"Conditions search a shared hyperparameter in different ranges: {'; '.join(spaces)}."
        yield ReportWarning("unequal-spaces", text.replace("ranges. ", "ranges: "), "table-settings")
    searched, more = fairness.coarse_searches(a.results.info)
    if more:
        text = (
            f"Conditions search different numbers of settings in equal numbers of trials ({searched}; "
            f"{fairness.TRIALS_PER_SETTING} per setting are advised). More settings are then searched more coarsely, "
            "which puts a condition at a disadvantage; differences between such conditions hold at this budget."
        )
        yield ReportWarning("coarse-search", text, "table-settings", tuple(more))
    sizes = fairness.unequal_sizes(a.results)
    if sizes:
        yield ReportWarning("unequal-sizes", f"Networks of unequal size: {sizes}.", "table-conditions")


def leaks(a: Assessment) -> Iterator[ReportWarning]:
    """seeds-overlap and test-read-twice."""
    shared = fairness.shared_seeds(a.results)
    if shared:
        text = f"Seeds used both in tuning and for final networks: {listed(shared)}. Their results flatter the winner."
        yield ReportWarning("seeds-overlap", text, "table-tuning")
    twice = fairness.seeds_of_two_repeats(a.results)
    if twice:
        text = f"Seeds used by two repeats of the search: {listed(twice)}. These repeats are not independent."
        yield ReportWarning("seeds-overlap", text, "table-tuning")
    reads = fairness.repeated_test_reads(a.results)
    if reads:
        yield ReportWarning(
            "test-read-twice", f"Test data were read more than once: {'; '.join(reads)}.", "table-tuning"
        )
