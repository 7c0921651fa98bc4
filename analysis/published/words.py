"""Sentences about a study beside the published runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis import text
from analysis.published.beside import ConditionComparison, PublishedComparison
from analysis.published.data import CITATION
from analysis.published.order import Order
from analysis.results.study import StudyInfo
from analysis.statistics import wording


def intro(b: PublishedComparison, info: StudyInfo) -> str:
    """What stands beside what."""
    runs = sum(len(values) for values in b.task.values.values())
    return (
        f"The {runs} published runs of {info.task.title} ({CITATION}), each one value, beside the final networks of "
        f"this study, by {b.measure.label} ({b.measure.direction})."
    )


def standing(b: PublishedComparison, evidence: bool) -> str:
    """What the comparison is: a repetition of the published runs, other settings, or no evidence at all."""
    quick = "" if evidence else "No evidence: this profile only shows that the system works. "
    changed = [r.condition for r in b.rows if b.other_settings(r.condition)]
    if not changed:
        return f"{quick}Every setting listed below is that of the published runs; only the seeds are others."
    which = "every condition" if len(changed) == len(b.rows) else text.listed(changed)
    return (
        f"{quick}Other settings than the published runs ({text.listed(differing(b))}) in {which}: a difference there "
        "is not a failure to reproduce them, and equivalence is not a repetition."
    )


def differing(b: PublishedComparison) -> list[str]:
    """The settings that differ in at least one condition."""
    return list(dict.fromkeys(name for r in b.rows for name in b.other_settings(r.condition)))


def order_words(order: Order) -> str:
    """How alike the order of the conditions is, and whether its ends are; '' with fewer than two conditions."""
    if len(order.published) < 2:
        return ""
    lines = [
        f"Order by the mean, best first. This study: {_chain(order.ours)}; published: {_chain(order.published)}.",
        _correlation(order),
        _ends(order),
    ]
    return " ".join(lines)


def _chain(names: Sequence[str]) -> str:
    return " > ".join(names)


def _correlation(order: Order) -> str:
    value = text.number(order.correlation, 2)
    if value == text.NOTHING:
        return f"No rank correlation: {order.reason}."
    shown = order.reason or f"95 % of the draws, with networks drawn again, {text.interval(order.low, order.high)}"
    return f"Rank correlation (Spearman) {value} ({shown})."


def _ends(order: Order) -> str:
    if not order.best and not order.worst:
        return "The published runs tell no condition at either end from all others (Welch, Holm over all pairs)."
    end = "this study's means have the same" if order.same else "this study's means have another"
    return f"The published runs tell apart (Welch, Holm over all pairs) {ends(order)}; {end} order there."


def ends(order: Order) -> str:
    """'LSTM > RNN > the rest', of the published order."""
    inner = len(order.published) - len(order.best) - len(order.worst)
    rest = ["the rest"] if inner > 1 else list(order.published[len(order.best) :][:inner])
    return _chain([*order.best, *rest, *order.worst[::-1]])


def margins(b: PublishedComparison) -> str:
    """'±0.341 points', '±27.1 % of the published mean'."""
    margin = b.task.margin
    if margin.relative:
        return f"±{text.significant(100 * margin.value)} % of the published mean"
    return f"±{wording.margin(margin.value, b.measure)}"


def margin_reason(b: PublishedComparison) -> str:
    """What the margin is, and what else it would let pass."""
    margin, conditions = b.task.margin, len(b.task.values)
    every, told = math.comb(conditions, 2), len(margin.told_apart)
    passing = b.passing_pairs
    wrong = len(passing & margin.told_apart)
    return (
        f"the smallest difference between two conditions that the published runs tell apart "
        f"({text.listed(margin.between)}; Welch, Holm over {text.count(every, 'pair')}). By the same interval it would "
        f"let pass {len(passing)} of the {text.count(every, 'pair')} of different published conditions: {wrong} of the "
        f"{told} that the published runs tell apart, {len(passing) - wrong} of the {every - told} that they do not"
    )


def equivalent_sentence(b: PublishedComparison, rows: Sequence[ConditionComparison]) -> str:
    """A finding: which conditions of those with the published settings came out equivalent."""
    names = text.listed([r.condition for r in rows])
    verb = "is" if len(rows) == 1 else "are"
    of = text.count(len(b.same), "condition")
    share = f"{len(rows)} of {of} with the published settings"
    small = [r for r in rows if r.verdict.sign]
    perhaps = [r for r in rows if r.verdict.note and not r.verdict.sign]
    but = f" Within the margin, but not zero (real but small): {amounts(b, small)}." if small else ""
    but += f" With an interval that excludes 0, though not after correction: {amounts(b, perhaps)}." if perhaps else ""
    every = math.comb(len(b.task.values), 2)
    also = f" The margin would let pass {len(b.passing_pairs)} of {every} pairs of different published conditions too."
    return f"{share} {verb} equivalent to the published runs ({margins(b)}): {names}.{but}{also}"


def differs_sentence(b: PublishedComparison, rows: Sequence[ConditionComparison]) -> str:
    """A finding: which conditions of those with the published settings differ, and by how much."""
    verb = "differs" if len(rows) == 1 else "differ"
    return f"{amounts(b, rows)} {verb} from the published runs with the same settings (Welch, Holm)."


def amounts(b: PublishedComparison, rows: Sequence[ConditionComparison]) -> str:
    """'Hom (−0.81 points) and LHet (+0.92 points)': ours minus published."""
    return text.listed([f"{r.condition} ({wording.amount(r.difference, b.measure)})" for r in rows])


def methods(b: PublishedComparison) -> str:
    """For the methods to paste."""
    return (
        f"Networks were compared with the published runs ({CITATION}) as two independent samples by {b.measure.label}: "
        f"Welch's t test, and two one-sided Welch tests at {margins(b)}, both Holm-adjusted over the conditions."
    )
