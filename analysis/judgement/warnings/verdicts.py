"""Warnings about verdicts: those that cannot be reached, are left open, or are no findings."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning, names_of
from analysis.statistics.clusters import CONTINUUM, UNSTABLE
from analysis.statistics.comparisons import smallest_p, units_needed
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.power import WANTED
from analysis.text import count, listed, significant

_NO_CLUSTERS = (CONTINUUM, UNSTABLE)


def unattainable(a: Assessment) -> Iterator[ReportWarning]:
    """p-unattainable: too few pairs for any significant p."""
    alpha = a.results.info.declaration.alpha
    for place, family, judged in (
        ("table-contrasts", "planned contrasts", a.planned),
        ("table-pairs", "pairs", a.pairs),
    ):
        tested = [j for j in judged if not math.isnan(j.p)]
        hollow = [j for j in tested if j.smallest_p * len(tested) > alpha]
        if hollow:
            yield ReportWarning(
                "p-unattainable", _unattainable_words(hollow, len(tested), family, a), place, names_of(hollow)
            )


def _unattainable_words(hollow: list[ContrastResult], tests: int, family: str, a: Assessment) -> str:
    info = a.results.info
    alpha, pairs = info.declaration.alpha, max(j.interval.n for j in hollow)
    enough = units_needed(tests, alpha)
    return (
        f"With {count(pairs, 'pair')} the permutation test gives at best p = {significant(smallest_p(pairs), 2)}; "
        f"after Holm over {tests} {family} that cannot reach {alpha:g}, whatever the difference. {enough} "
        f"{info.unit}s could."
    )


def underpowered(a: Assessment) -> Iterator[ReportWarning]:
    """underpowered: too little power for the smallest effect of interest."""
    weak = [r.contrast.name for r in a.reaches if r.power < WANTED]
    if weak:
        which = "every planned contrast" if len(weak) == len(a.reaches) else listed(weak)
        text = (
            f"Less than {100 * WANTED:g} % power to find a difference as small as the declared smallest effect: "
            f"{which}. The section on power says how many seeds would do."
        )
        # beside a row only where it matters: a contrast with a verdict had power enough
        open_ = {j.contrast.name for j in a.planned if j.verdict.word == "inconclusive"}
        yield ReportWarning("underpowered", text, "table-contrasts", tuple(name for name in weak if name in open_))


def undecided(a: Assessment) -> Iterator[ReportWarning]:
    """undecided: planned contrasts without a verdict."""
    open_ = [j for j in a.planned if j.verdict.word and not j.verdict.decided]
    if open_:
        untested = names_of([j for j in open_ if j.verdict.word == "not testable"])
        cannot = f" Not testable: {'each of them' if len(untested) == len(open_) else listed(untested)}."
        text = f"Neither different nor equivalent; the data leave open: {listed(names_of(open_))}."
        yield ReportWarning("undecided", f"{text}{cannot if untested else ''}", "table-contrasts", names_of(open_))


def clusters(a: Assessment) -> Iterator[ReportWarning]:
    """clusters-not-beyond-null and clusters-not-stable."""
    judged = [g for g in a.groups if g.computed]
    found = {finding: [g.condition for g in judged if g.finding == finding] for finding in _NO_CLUSTERS}
    if alike := found[CONTINUUM]:
        text = (
            f"The neurons of {listed(alike)} have no structure beyond a continuum: the best number of clusters of such "
            "data means nothing."
        )
        yield ReportWarning("clusters-not-beyond-null", text, "table-clusters", tuple(alike))
    if unstable := found[UNSTABLE]:
        text = (
            f"The neurons of {listed(unstable)} have structure beyond a continuum, but no stable clusters: resampled "
            "neurons fall into other clusters, so their number and members mean nothing."
        )
        yield ReportWarning("clusters-not-stable", text, "table-clusters", tuple(unstable))
