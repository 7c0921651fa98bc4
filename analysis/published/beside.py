"""Each condition of a study against the published runs of the same condition: two independent samples of networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import stats

from analysis.measure import Measure
from analysis.published.data import PublishedTask, published_task
from analysis.published.margin import LEVEL_APART
from analysis.published.order import Order, order
from analysis.published.settings import Setting, settings
from analysis.results.load import Results
from analysis.results.summaries import Tuning
from analysis.statistics.comparisons import holm
from analysis.statistics.effects import Values, equivalence_from, obstacle, welch, welch_p
from analysis.statistics.intervals import LEVEL, MeanInterval, t_interval
from analysis.statistics.verdicts import WITHHELD, Family, Numbers, Verdict, verdict

_NAN = float("nan")


@dataclass(frozen=True)
class ConditionComparison:
    """One condition beside its published runs, as recorded (not scaled).

    Attributes:
        ours: The study's sample.
        published: The published sample.
        margin: Margin of equivalence.
        difference: Ours minus published, with its 95 % Welch interval.
        p: Of Welch's test.
        p_holm: p after Holm's correction over the conditions.
        p_equivalence: Of two one-sided Welch tests at the margin.
        p_equivalence_holm: p_equivalence after Holm's correction over the conditions.
        reason: Why there is no test.
    """

    condition: str
    ours: MeanInterval
    published: MeanInterval
    margin: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_equivalence: float
    p_equivalence_holm: float
    verdict: Verdict
    reason: str

    @property
    def outside(self) -> bool:
        """True if the whole interval of the difference lies beyond the margin, on one side."""
        return self.low > self.margin or self.high < -self.margin


@dataclass(frozen=True)
class PublishedComparison:
    """A study beside the published runs of its task.

    Attributes:
        rows: One per condition, in the study's order.
        rows_kept: The same without diverged networks, None where none diverged.
        settings: Settings that differ, by condition.
        unpublished: Conditions that only the study has.
        absent: Conditions that only the published runs have.
    """

    task: PublishedTask
    measure: Measure
    rows: tuple[ConditionComparison, ...]
    rows_kept: tuple[ConditionComparison, ...] | None
    diverged: Mapping[str, int]
    settings: Mapping[str, tuple[Setting, ...]]
    order: Order
    unpublished: tuple[str, ...]
    absent: tuple[str, ...]

    @cached_property
    def would_pass(self) -> Mapping[str, tuple[str, ...]]:
        """By published condition the others whose runs the same rule would call equivalent to its own."""
        values, margin = self.task.values, self.task.margin
        near = {name: margin.around(float(runs.mean())) for name, runs in values.items()}
        alone = Family(1, LEVEL_APART, self.measure.higher_is_better)

        def passes(other: str, name: str) -> bool:
            r = compare(other, values[other], values[name], near[name])
            return verdict(Numbers(r.low, r.high, r.margin, r.p, r.p_equivalence), alone).word == "equivalent"

        return {name: tuple(o for o in values if o != name and passes(o, name)) for name in values}

    @property
    def passing_pairs(self) -> set[frozenset[str]]:
        """Pairs of different published conditions that would be called equivalent, one beside the other."""
        return {frozenset((name, other)) for name, others in self.would_pass.items() for other in others}

    def other_settings(self, condition: str) -> tuple[str, ...]:
        """The settings in which the condition differs from the published runs."""
        return tuple(s.name for s in self.settings[condition] if not s.same)

    @property
    def same(self) -> tuple[ConditionComparison, ...]:
        """The conditions whose settings are all the published ones."""
        return tuple(r for r in self.rows if not self.other_settings(r.condition))


def beside(results: Results, tunings: Iterable[Tuning]) -> PublishedComparison | None:
    """The study beside the published runs; None for a task, or conditions, without any."""
    info = results.info
    task = published_task(info.task.name)
    shared = [n for n in info.names if n in task.conditions] if task else []
    if task is None or not shared:
        return None
    measure = info.task.measure(task.measure)
    every, kept, diverged = _samples(results, measure, shared)
    alpha = info.declaration.alpha
    given = Family(0, alpha, measure.higher_is_better, info.evidence)
    return PublishedComparison(
        task=task,
        measure=measure,
        rows=_judged(every, task, given),
        rows_kept=_judged(kept, task, given) if any(diverged.values()) else None,
        diverged=diverged,
        settings=settings(results, task, tunings),
        order=order(every, {n: task.values[n] for n in shared}, measure.higher_is_better, alpha),
        unpublished=tuple(n for n in info.names if n not in task.conditions),
        absent=tuple(n for n in task.conditions if n not in shared),
    )


def _samples(
    results: Results, measure: Measure, names: list[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, int]]:
    """Values of independent units [n] by condition: of all networks, without those that diverged, and how many did."""
    every, kept = (results.unit_values(lost, measure.column) for lost in (False, True))
    diverged = results.diverged_finals() & results.final_values().notna()
    return (
        {name: every[name].dropna().to_numpy() for name in names},
        {name: kept[name].dropna().to_numpy() for name in names},
        {name: int(diverged[name].sum()) for name in names},
    )


def _judged(samples: Mapping[str, np.ndarray], task: PublishedTask, given: Family) -> tuple[ConditionComparison, ...]:
    """Each condition judged in the family of all; `given` says how. Welch's test has no smallest p."""
    rows = []
    for name, ours in samples.items():
        theirs = task.values[name]
        rows.append(compare(name, ours, theirs, task.margin.around(float(theirs.mean()))))
    adjusted, equivalence = holm([r.p for r in rows]), holm([r.p_equivalence for r in rows])
    family = replace(given, tests=int(np.isfinite(adjusted).sum()))
    return tuple(
        replace(
            r,
            p_holm=float(p),
            p_equivalence_holm=float(q),
            verdict=verdict(Numbers(r.low, r.high, r.margin, float(p), float(q), reason=r.reason), family),
        )
        for r, p, q in zip(rows, adjusted, equivalence, strict=True)
    )


def compare(condition: str, ours: Values, published: Values, margin: float) -> ConditionComparison:
    """Two independent samples of networks, `margin` as recorded. Still to be judged in its family."""
    estimate, error, df = welch(ours, published)
    mine, theirs = t_interval(ours), t_interval(published)
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    return ConditionComparison(
        condition=condition,
        ours=mine,
        published=theirs,
        margin=margin,
        difference=mine.mean - theirs.mean,
        low=estimate - half,
        high=estimate + half,
        p=welch_p(ours, published),
        p_holm=_NAN,
        p_equivalence=equivalence_from(estimate, error, df, margin),
        p_equivalence_holm=_NAN,
        verdict=WITHHELD,
        reason=mine.reason or theirs.reason or obstacle(ours, published),
    )
