"""Warnings about a condition's values: too few, diverged, skewed, without spread."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning
from analysis.statistics.skewness import are_skewed
from analysis.text import listed

FEW, ADVISED = 10, 20  # networks; repeats, of which each is a whole search, are too dear for more than the least
SPREAD = 2.0


def too_few(a: Assessment) -> Iterator[ReportWarning]:
    """few-seeds: so few values that an interval says little."""
    few = {r.condition: r.interval.n for r in a.performances if r.interval.n < FEW}
    if few:
        named = listed([f"{name} {n}" for name, n in few.items()])
        once = a.results.info.repeats == 1
        what, advised = ("finished networks", ADVISED) if once else ("repeats of the search", FEW)
        text = f"Fewer than {FEW} {what}: {named}. An interval then says little; {advised} are advised."
        yield ReportWarning("few-seeds", text, "table-conditions", tuple(few))


def diverged(a: Assessment) -> Iterator[ReportWarning]:
    """diverged, and verdict-hangs-on-diverged."""
    lost = {r.condition: r.diverged for r in a.performances if r.diverged}
    if lost:
        named = listed([f"{n} of {name}" for name, n in lost.items()])
        text = (
            f"Diverged final networks: {named}. They stay in, at the value of chance; a t interval then covers too "
            "little; the interquartile mean is reliable."
        )
        yield ReportWarning("diverged", text, "table-conditions", tuple(lost))
    changed = [
        j.contrast.name
        for j, kept in zip(a.planned, a.planned_kept or [], strict=False)
        if j.verdict.word != kept.verdict.word
    ]
    if a.factorial_kept is not None:
        pairs = zip(a.factorial.effects, a.factorial_kept.effects, strict=False)
        parts = [e.name for e, kept in pairs if e.verdict.word != kept.verdict.word]
        if parts:
            text = f"Without diverged networks the verdict would be different: {listed(parts)}."
            yield ReportWarning("verdict-hangs-on-diverged", text, "table-factorial", tuple(parts))
    if changed:
        text = f"Without diverged networks the verdict would be different: {listed(changed)}."
        yield ReportWarning("verdict-hangs-on-diverged", text, "table-contrasts", tuple(changed))


def skewed(a: Assessment) -> Iterator[ReportWarning]:
    """skewed: a t interval covers less than it says."""
    values = a.results.unit_values().dropna(how="all", axis="columns")
    diverged = {r.condition for r in a.performances if r.diverged}  # these have a warning of their own
    own = {name: values[name].dropna().to_numpy(dtype="float64") for name in values.columns if name not in diverged}
    skewed = [str(name) for name, x in own.items() if are_skewed(x[None], len(values.columns))[0]]
    if skewed:
        text = (
            f"Skewed, or with a value far from the others: {listed(skewed)}. A t interval of such a mean covers less "
            "than it says; the interquartile mean is reliable."
        )
        yield ReportWarning("skewed", text, "table-conditions", tuple(skewed))


def no_variance(a: Assessment) -> Iterator[ReportWarning]:
    """zero-variance: all values are equal."""
    flat = [r.condition for r in a.performances if r.interval.n > 1 and r.interval.sd == 0]
    if flat:
        text = f"All networks of {listed(flat)} have the same value: no interval is possible."
        yield ReportWarning("zero-variance", text, "table-conditions", tuple(flat))
    same = [j.contrast.name for j in a.planned if j.interval.n > 1 and j.interval.sd == 0]
    if same:
        text = f"All paired differences are equal, so there is no interval: {listed(same)}."
        yield ReportWarning("zero-variance", text, "table-contrasts", tuple(same))


def spread(a: Assessment) -> Iterator[ReportWarning]:
    """unequal-spread: one side of a contrast spreads much more."""
    wide = [j.contrast.name for j in a.planned if j.sd_ratio > SPREAD]
    if wide:
        text = (
            f"One side spreads more than {SPREAD:g} times as much as the other: {listed(wide)}. See Welch's p beside "
            "it."
        )
        yield ReportWarning("unequal-spread", text, "table-contrasts", tuple(wide))
