"""Warnings about the design: what the study can and cannot tell, and when that was declared."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.judgement import fairness
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning, names_of
from analysis.text import count, listed


def quick(a: Assessment) -> Iterator[ReportWarning]:
    """quick-profile: the profile is no evidence."""
    if not a.results.info.evidence:
        text = "This profile shows that the system works. Its numbers are no evidence, so no verdict is given."
        yield ReportWarning("quick-profile", text, "design")


def nothing_held_out(a: Assessment) -> Iterator[ReportWarning]:
    """nothing-held-out: every value is of data that were trained on."""
    if not a.results.info.task.held_out:
        text = (
            "This task holds no data out: every value here is of the sequences that were trained on. It says how well "
            "a network can be fitted, not how well it generalises."
        )
        yield ReportWarning("nothing-held-out", text, "design")


def one_search(a: Assessment) -> Iterator[ReportWarning]:
    """one-search: everything is conditional on one search per condition."""
    info = a.results.info
    if info.planned("search") and info.repeats == 1:
        text = (
            "Each condition's settings come of one search, which is random too: every interval and verdict is "
            "conditional on it, and another search can move a condition by more than its interval says. "
            "'search.repeats' in the study file repeats it."
        )
        conditions = tuple(info.names)
        beside = (
            *((place, conditions) for place in ("table-conditions", "table-silencing", "table-published")),
            ("table-factorial", tuple(e.name for e in a.factorial.effects)),
            ("table-levels", tuple(factor.name for factor in info.factors)),
            ("table-level_pairs", names_of(a.factorial.pairs)),
            ("table-contrasts", names_of(a.planned)),
            ("table-pairs", names_of(a.pairs)),
        )
        yield ReportWarning("one-search", text, "table-settings", conditions, beside)


def declaration(a: Assessment) -> Iterator[ReportWarning]:
    """declaration-changed: it was declared, or changed, with results known."""
    history = a.results.info.history
    late = [d for d in history if d["final_results"] > 0]
    if not late:
        return
    when = late[-1]
    known = f"when {count(when['final_results'], 'final network')} had a result"
    if len(history) == 1:
        text = f"The declaration was first recorded {known}."
    else:
        text = f"The declaration was changed on {when['declared_at'][:10]}, {known}: read the verdicts as exploratory."
    yield ReportWarning("declaration-changed", text, "declaration")


def varied(a: Assessment) -> Iterator[ReportWarning]:
    """varied-on-purpose: conditions had unequal chances, which is what the study asks about."""
    info = a.results.info
    if told := fairness.varied_on_purpose(info):
        text = (
            f"Conditions had unequal chances on purpose, which is what this study asks about: {'; '.join(told)}. "
            f"Networks of one seed no longer share {listed(fairness.no_longer_shared(info))}."
        )
        yield ReportWarning("varied-on-purpose", text, "design")


def negative_controls(a: Assessment) -> Iterator[ReportWarning]:
    """negative-control: conditions are equal on purpose."""
    info = a.results.info
    if controls := [c.name for c in info.conditions if c.control]:
        luck = ", and the luck of two searches" if info.planned("search") else ""
        text = (
            f"Equal to another condition on purpose: {listed(controls)}. Such a difference is a negative control: "
            f"what it shows is chance{luck}, and any verdict on it but 'equivalent' or none is a false alarm."
        )
        yield ReportWarning("negative-control", text, "table-conditions", tuple(controls))
