"""Warnings to the reader. Each has a code, and stands at the head of the report and beside its number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analysis.judgement import fairness
from analysis.judgement.alike import AlikeConditions, alike_pairs, averaging, no_finding, repeated
from analysis.judgement.assessment import Assessment
from analysis.published.words import amounts, differing
from analysis.results.provenance import mixtures
from analysis.results.summaries import Tuning, by_condition
from analysis.statistics.clusters import CONTINUUM, UNSTABLE
from analysis.statistics.comparisons import smallest_p, units_needed
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.power import WANTED
from analysis.statistics.skewness import are_skewed
from analysis.statistics.wording import margin
from analysis.text import count, listed, significant
from glifr.records import Contrast

FEW, ADVISED = 10, 20  # networks; repeats, of which each is a whole search, are too dear for more than the least
SPREAD = 2.0
_NO_CLUSTERS = (CONTINUUM, UNSTABLE)


@dataclass(frozen=True)
class ReportWarning:
    """A warning of the report.

    Attributes:
        code: Stable, for searching.
        place: Id of the table or section that it is about.
        subjects: Names of that table's rows.
        beside: Rows of other tables that it concerns too, as place and subjects.
    """

    code: str
    text: str
    place: str
    subjects: tuple[str, ...] = ()
    beside: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def touches(self, place: str, subject: str) -> bool:
        """True if its code belongs beside a row."""
        return any(where == place and subject in rows for where, rows in ((self.place, self.subjects), *self.beside))


Check = Callable[[Assessment], Iterator[ReportWarning]]
_CHECKS: list[Check] = []


def _check(check: Check) -> Check:
    _CHECKS.append(check)
    return check


def cautions(assessment: Assessment) -> list[ReportWarning]:
    """All warnings, those that touch everything first."""
    return [caution for check in _CHECKS for caution in check(assessment)]


def codes_for(found: list[ReportWarning], place: str, subject: str) -> list[str]:
    """The codes of the warnings that belong beside one row of a table."""
    return list(dict.fromkeys(c.code for c in found if c.touches(place, subject)))


@_check
def _quick(a: Assessment) -> Iterator[ReportWarning]:
    if not a.results.info.evidence:
        text = "This profile shows that the system works. Its numbers are no evidence, so no verdict is given."
        yield ReportWarning("quick-profile", text, "design")


@_check
def _nothing_held_out(a: Assessment) -> Iterator[ReportWarning]:
    if not a.results.info.task.held_out:
        text = (
            "This task holds no data out: every value here is of the sequences that were trained on. It says how well "
            "a network can be fitted, not how well it generalises."
        )
        yield ReportWarning("nothing-held-out", text, "design")


@_check
def _one_search(a: Assessment) -> Iterator[ReportWarning]:
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
            ("table-level_pairs", _names(a.factorial.pairs)),
            ("table-contrasts", _names(a.planned)),
            ("table-pairs", _names(a.pairs)),
        )
        yield ReportWarning("one-search", text, "table-settings", conditions, beside)


@_check
def _damaged(a: Assessment) -> Iterator[ReportWarning]:
    if a.problems:
        text = f"{count(len(a.problems), 'problem')} with the records; each is named at the end of the report."
        yield ReportWarning("damaged-records", text, "problems")


@_check
def _declaration(a: Assessment) -> Iterator[ReportWarning]:
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


@_check
def _missing(a: Assessment) -> Iterator[ReportWarning]:
    lacking = {r.condition: r.planned - r.finished for r in a.performances if r.finished < r.planned}
    if lacking:
        named = listed([f"{n} of {name}" for name, n in lacking.items()])
        text = (
            f"Planned final networks without a result: {named}. A contrast uses the seeds that all its conditions have."
        )
        yield ReportWarning("missing-seeds", text, "table-conditions", tuple(lacking))


@_check
def _extra(a: Assessment) -> Iterator[ReportWarning]:
    rows = a.results.counts[a.results.counts["stage"] != "silencing"].to_dict("records")  # silenced as often as trained
    ended = {(r["condition"], r["stage"]): r["complete"] + r["pruned"] + r["failed"] - r["planned"] for r in rows}
    extra = {key: more for key, more in ended.items() if more > 0}
    if extra:
        named = listed([f"{condition} {more} ({stage})" for (condition, stage), more in extra.items()])
        text = f"More units have ended than the study now plans, and all are used: {named}."
        yield ReportWarning("beyond-plan", text, "table-conditions", tuple({condition: None for condition, _ in extra}))


@_check
def _few(a: Assessment) -> Iterator[ReportWarning]:
    few = {r.condition: r.interval.n for r in a.performances if r.interval.n < FEW}
    if few:
        named = listed([f"{name} {n}" for name, n in few.items()])
        once = a.results.info.repeats == 1
        what, advised = ("finished networks", ADVISED) if once else ("repeats of the search", FEW)
        text = f"Fewer than {FEW} {what}: {named}. An interval then says little; {advised} are advised."
        yield ReportWarning("few-seeds", text, "table-conditions", tuple(few))


@_check
def _nested(a: Assessment) -> Iterator[ReportWarning]:
    doubled = a.results.doubled
    if doubled:
        named = listed([f"{c} seed {s}" for c, s in doubled])
        text = f"More than one value for a network ({named}): repeats within one are no samples; the first counts."
        yield ReportWarning("nested-replicates", text, "table-conditions", tuple(dict.fromkeys(c for c, _ in doubled)))


@_check
def _diverged(a: Assessment) -> Iterator[ReportWarning]:
    lost = {r.condition: r.diverged for r in a.performances if r.diverged}
    if lost:
        named = listed([f"{n} of {name}" for name, n in lost.items()])
        text = (
            f"Diverged final networks: {named}. They stay in, at the value of chance; a t interval then covers too "
            "little, the interquartile mean holds."
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
            text = f"Without diverged networks the verdict would be another: {listed(parts)}."
            yield ReportWarning("verdict-hangs-on-diverged", text, "table-factorial", tuple(parts))
    if changed:
        text = f"Without diverged networks the verdict would be another: {listed(changed)}."
        yield ReportWarning("verdict-hangs-on-diverged", text, "table-contrasts", tuple(changed))


@_check
def _skewed(a: Assessment) -> Iterator[ReportWarning]:
    values = a.results.unit_values().dropna(how="all", axis="columns")
    diverged = {r.condition for r in a.performances if r.diverged}  # these have a warning of their own
    own = {name: values[name].dropna().to_numpy(dtype="float64") for name in values.columns if name not in diverged}
    skewed = [str(name) for name, x in own.items() if are_skewed(x[None], len(values.columns))[0]]
    if skewed:
        text = (
            f"Skewed, or with a value far from the others: {listed(skewed)}. A t interval of such a mean covers less "
            "than it says; the interquartile mean holds."
        )
        yield ReportWarning("skewed", text, "table-conditions", tuple(skewed))


@_check
def _no_variance(a: Assessment) -> Iterator[ReportWarning]:
    flat = [r.condition for r in a.performances if r.interval.n > 1 and r.interval.sd == 0]
    if flat:
        text = f"All networks of {listed(flat)} have the same value: no interval is possible."
        yield ReportWarning("zero-variance", text, "table-conditions", tuple(flat))
    same = [j.contrast.name for j in a.planned if j.interval.n > 1 and j.interval.sd == 0]
    if same:
        text = f"All paired differences are equal, so there is no interval: {listed(same)}."
        yield ReportWarning("zero-variance", text, "table-contrasts", tuple(same))


@_check
def _unattainable(a: Assessment) -> Iterator[ReportWarning]:
    alpha = a.results.info.declaration.alpha
    for place, family, judged in (
        ("table-contrasts", "planned contrasts", a.planned),
        ("table-pairs", "pairs", a.pairs),
    ):
        tested = [j for j in judged if not math.isnan(j.p)]
        hollow = [j for j in tested if j.smallest_p * len(tested) > alpha]
        if hollow:
            yield ReportWarning(
                "p-unattainable", _unattainable_words(hollow, len(tested), family, a), place, _names(hollow)
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


@_check
def _underpowered(a: Assessment) -> Iterator[ReportWarning]:
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


@_check
def _undecided(a: Assessment) -> Iterator[ReportWarning]:
    open_ = [j for j in a.planned if j.verdict.word and not j.verdict.decided]
    if open_:
        untested = _names([j for j in open_ if j.verdict.word == "not testable"])
        cannot = f" Not testable: {'each of them' if len(untested) == len(open_) else listed(untested)}."
        text = f"Neither different nor equivalent; the data leave open: {listed(_names(open_))}."
        yield ReportWarning("undecided", f"{text}{cannot if untested else ''}", "table-contrasts", _names(open_))


@_check
def _spread(a: Assessment) -> Iterator[ReportWarning]:
    wide = [j.contrast.name for j in a.planned if j.sd_ratio > SPREAD]
    if wide:
        text = (
            f"One side spreads more than {SPREAD:g} times as much as the other: {listed(wide)}. See Welch's p beside."
        )
        yield ReportWarning("unequal-spread", text, "table-contrasts", tuple(wide))


@_check
def _bounds(a: Assessment) -> Iterator[ReportWarning]:
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


@_check
def _chances(a: Assessment) -> Iterator[ReportWarning]:
    budgets = fairness.unequal_budgets(a.results, a.tunings)
    if budgets:
        yield ReportWarning("unequal-budgets", f"Unequal budgets: {'; '.join(budgets)}.", "table-tuning")
    spaces = fairness.unequal_spaces(a.results)
    if spaces:
        text = f"Conditions search a shared hyperparameter in different ranges: {'; '.join(spaces)}."
        yield ReportWarning("unequal-spaces", text.replace("ranges. ", "ranges: "), "table-settings")
    sizes = fairness.unequal_sizes(a.results)
    if sizes:
        yield ReportWarning("unequal-sizes", f"Networks of unequal size: {sizes}.", "table-conditions")


@_check
def _varied(a: Assessment) -> Iterator[ReportWarning]:
    info = a.results.info
    if told := fairness.varied_on_purpose(info):
        text = (
            f"Conditions had unequal chances on purpose, which is what this study asks about: {'; '.join(told)}. "
            f"Networks of one seed share no longer {listed(fairness.no_longer_shared(info))}."
        )
        yield ReportWarning("varied-on-purpose", text, "design")


@_check
def _controls(a: Assessment) -> Iterator[ReportWarning]:
    info = a.results.info
    if controls := [c.name for c in info.conditions if c.control]:
        luck = ", and the luck of two searches" if info.planned("search") else ""
        text = (
            f"Equal to another condition on purpose: {listed(controls)}. Such a difference is a negative control: "
            f"what it shows is chance{luck}, and any verdict on it but 'equivalent' or none is a false alarm."
        )
        yield ReportWarning("negative-control", text, "table-conditions", tuple(controls))


@_check
def _leaks(a: Assessment) -> Iterator[ReportWarning]:
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


@_check
def _alike(a: Assessment) -> Iterator[ReportWarning]:
    """Conditions that are numerically one network, and what of the tables is no finding by it."""
    if not a.alike:
        return
    pairs = alike_pairs(a)
    named = listed([_alike_words(found, a) for found in a.alike])
    text = (
        f"Numerically one network: {named}. They are one condition, not two findings; what still sets them apart is "
        "chance, and in a study with a search the luck of two searches: a free negative control."
    )
    yield ReportWarning("alike", text, "table-conditions", tuple(dict.fromkeys(n for pair in pairs for n in pair)))
    planned, every = ([j.contrast for j in judged] for judged in (a.planned, a.pairs))
    empty, again = tuple(c.name for c in planned if no_finding(c, pairs)), repeated(planned, pairs)
    if empty:
        yield ReportWarning(
            "alike", f"No finding, as both sides are one network: {listed(empty)}.", "table-contrasts", empty
        )
    if again:
        twice = listed([f"{second} is {first}" for second, first in again.items()])
        yield ReportWarning(
            "alike", f"One finding, not two, as the networks are the same: {twice}.", "table-contrasts", tuple(again)
        )
    of_pairs = tuple(c.name for c in every if no_finding(c, pairs))
    yield ReportWarning("alike", f"No finding, as both are one network: {listed(of_pairs)}.", "table-pairs", of_pairs)
    diluted = {e.name: found for e in a.factorial.effects if (found := averaging(_signs(e.judged.contrast), pairs))}
    if diluted:
        over = listed(list(dict.fromkeys(" and ".join(pair) for found in diluted.values() for pair in found)))
        text = f"These effects average over {over}, between which they have no effect: {listed(list(diluted))}."
        yield ReportWarning("alike", text, "table-factorial", tuple(diluted))


def _signs(contrast: Contrast) -> dict[str, int]:
    return {**dict.fromkeys(contrast.of, 1), **dict.fromkeys(contrast.minus, -1)}


def _alike_words(found: AlikeConditions, a: Assessment) -> str:
    """'Hom and HomA (at the start; per seed at most 0.05 points apart in 10 seeds)'."""
    seen = ["equal outputs at the start and after a few training steps"] if found.at_start else []
    if found.in_results:
        apart = margin(found.largest, a.results.info.measure)
        seen.append(f"results at most {apart} apart within each of {count(found.seeds, 'seed')}")
    return f"{' and '.join(found.pair)} ({', '.join(seen)})"


@_check
def _published(a: Assessment) -> Iterator[ReportWarning]:
    b = a.published
    if b is None:
        return
    changed = tuple(r.condition for r in b.rows if b.other_settings(r.condition))
    if changed:
        which = "Every condition" if len(changed) == len(b.rows) else listed(changed)
        text = (
            f"{which}: other settings than the published runs beside ({listed(differing(b))}). A difference from them "
            "is no failure to reproduce."
        )
        # beside a row only where it sets the row apart
        yield ReportWarning("published-other-settings", text, "table-published", changed if b.same else ())
    outside = [r for r in b.same if r.outside] if a.results.info.evidence else []
    if outside:
        text = (
            f"With the published settings, and beyond the margin by the whole interval: {amounts(b, outside)}, this "
            "study minus published. An error here, a setting that is not on record, or a real difference."
        )
        yield ReportWarning("published-differs", text, "table-published", tuple(r.condition for r in outside))


@_check
def _clusters(a: Assessment) -> Iterator[ReportWarning]:
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
            "neurons are cut otherwise, so their number and members mean nothing."
        )
        yield ReportWarning("clusters-not-stable", text, "table-clusters", tuple(unstable))


@_check
def _uncompiled(a: Assessment) -> Iterator[ReportWarning]:
    found = {c.name: c.uncompiled for c in a.results.info.conditions if c.uncompiled}
    if found:
        operations = listed(list(dict.fromkeys(found.values())))
        text = (
            f"{listed(list(found))}: the neuron's step uses {operations}, which cannot be compiled, so the portable "
            "engine computed it. The numbers are as good; each took about 2 to 10 times as long as compiled."
        )
        yield ReportWarning("portable-engine", text, "provenance", tuple(found))


@_check
def _origin(a: Assessment) -> Iterator[ReportWarning]:
    mixed = mixtures(a.results)
    if mixed:
        text = f"The results are not all of one kind: {listed(mixed)} changed between sessions or networks."
        yield ReportWarning("mixed-origin", text, "provenance")
    differ = list(dict.fromkeys(what for s in a.results.sessions for what in s.get("nodes_differ") or []))
    if differ:
        text = f"Nodes of the cluster had different versions of what computes the results: {listed(differ)}."
        yield ReportWarning("mixed-nodes", text, "provenance")
    if any(s.get("dirty") for s in a.results.sessions):
        text = "A session ran with uncommitted changes: the commit alone does not say what ran."
        yield ReportWarning("uncommitted-changes", text, "provenance")
    if not a.results.sessions:
        yield ReportWarning(
            "unknown-origin", "No session is on record: versions and hardware are unknown.", "provenance"
        )


def _names(judged: Sequence[ContrastResult]) -> tuple[str, ...]:
    return tuple(j.contrast.name for j in judged)
