"""Everything that is computed from a results folder, once: what tables, figures, findings and warnings are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.judgement.alike import AlikeConditions, find_alike
from analysis.published import PublishedComparison, beside
from analysis.results.load import Results
from analysis.results.neurons import Neurons, observe
from analysis.results.summaries import Performance, Tuning, performances, tunings
from analysis.sequential.results import Looked, looked
from analysis.statistics.components import Components, components
from analysis.statistics.contrasts import ContrastResult, all_pairs, judge
from analysis.statistics.factorial import Factorial, factorial
from analysis.statistics.groups import Groups, groups
from analysis.statistics.power import FEWEST, PairsNeeded, detectable, need, power, seeds_for_equivalence, seeds_needed
from analysis.statistics.robustness import silenced_networks
from glifr.records import Contrast


@dataclass(frozen=True)
class ContrastSensitivity:
    """What a planned contrast could detect. Where too few pairs show the spread, none of this is known.

    Attributes:
        alpha: What its p must not exceed at the first step of Holm's correction.
        power: Power for a difference of the smallest effect of interest; NaN if unknown.
        detectable: The difference found with 80 % power, as recorded; NaN if unknown.
        needed: Pairs for 80 % power; None if unknown.
        needed_for_equivalence: Pairs for 80 % power to show equivalence; None if unknown.
    """

    contrast: Contrast
    pairs: int
    sd: float
    alpha: float
    power: float
    detectable: float
    needed: PairsNeeded | None
    needed_for_equivalence: PairsNeeded | None


@dataclass(frozen=True)
class Assessment:
    """A study judged.

    Attributes:
        planned: The declared contrasts.
        looked: What looks have found, in a study that takes them; planned contrasts and effects are then as looks left
            them.
        factorial_kept: The factorial without diverged networks, None where none diverged.
        planned_kept: The declared contrasts without diverged networks, likewise.
        pairs: Every pair of conditions, exploratory.
        silenced: What each silenced network loses.
        reaches: What each contrast could detect, in the order of `planned`.
        published: Comparison with published values; None for a task without them.
    """

    results: Results
    performances: list[Performance]
    tunings: list[Tuning]
    factorial: Factorial
    factorial_kept: Factorial | None
    planned: list[ContrastResult]
    planned_kept: list[ContrastResult] | None
    pairs: list[ContrastResult]
    silenced: pd.DataFrame
    reaches: list[ContrastSensitivity]
    published: PublishedComparison | None
    looked: Looked | None = None

    @cached_property
    def neurons(self) -> Neurons:
        """What the final networks are like: read when it is asked for, as that takes time."""
        return observe(self.results)

    @cached_property
    def groups(self) -> list[Groups]:
        """True if neurons fall into groups, one row per condition of GLIFR neurons that are on file."""
        return groups(self.neurons.clustered)

    @cached_property
    def components(self) -> list[Components]:
        """What of the spread is the search's and what the seeds'; none in a study that searched once or never."""
        if self.results.info.repeats == 1:
            return []
        values, repeat = self.results.final_values(), self.results.repeat_of_seed
        return [components(name, own := values[name].dropna(), repeat[own.index]) for name in self.results.info.names]

    @cached_property
    def alike(self) -> tuple[AlikeConditions, ...]:
        """Pairs of conditions that are numerically one network."""
        return find_alike(self.results)

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that could not be used."""
        looked = self.looked.problems if self.looked else ()
        return (*self.results.problems, *self.neurons.problems, *looked)


def assess(results: Results) -> Assessment:
    """Judges a results folder by its declaration."""
    info, declared = results.info, results.info.declaration
    values = results.unit_values()
    measure = info.measure

    def judged(frame: pd.DataFrame, contrasts: Sequence[Contrast]) -> list[ContrastResult]:
        return judge(
            frame,
            contrasts,
            smallest_effect=declared.smallest_effect,
            alpha=declared.alpha,
            higher_is_better=measure.higher_is_better,
            evidence=info.evidence,
        )

    def effects(frame: pd.DataFrame) -> Factorial:
        return factorial(
            frame,
            smallest_effect=declared.smallest_effect,
            alpha=declared.alpha,
            higher_is_better=measure.higher_is_better,
            factors=info.factors,
            evidence=info.evidence,
        )

    planned, crossed, by_looks = judged(values, declared.contrasts), effects(values), looked(results)
    if by_looks is not None:
        planned, crossed = by_looks.contrasts(planned), by_looks.factorial(crossed)
    any_lost = bool(results.diverged_finals().to_numpy().any())
    kept = results.unit_values(without_diverged=True)
    silenced, tuned = results.tables["silencing"], tunings(results)
    return Assessment(
        results=results,
        performances=performances(results),
        tunings=tuned,
        factorial=crossed,
        factorial_kept=effects(kept) if any_lost else None,
        planned=planned,
        planned_kept=judged(kept, declared.contrasts) if any_lost else None,
        pairs=judged(values, all_pairs(info.names)),
        silenced=silenced_networks(silenced[silenced[measure.column].notna()], measure),
        reaches=reaches(planned, declared.smallest_effect, declared.alpha),
        published=beside(results, tuned),
        looked=by_looks,
    )


def reaches(judged: Sequence[ContrastResult], smallest_effect: float, alpha: float) -> list[ContrastSensitivity]:
    """The reach of each contrast of a family, at alpha over the number of contrasts that could be tested."""
    tests = max(1, sum(not math.isnan(j.p) for j in judged))
    own = alpha / tests
    return [_reach(j, smallest_effect, own) for j in judged]


def _reach(judged: ContrastResult, effect: float, alpha: float) -> ContrastSensitivity:
    n, sd = judged.interval.n, judged.interval.sd
    told = n >= FEWEST and not math.isnan(judged.p)
    return ContrastSensitivity(
        contrast=judged.contrast,
        pairs=n,
        sd=sd,
        alpha=alpha,
        power=power(n, effect, sd, alpha) if told else math.nan,
        detectable=detectable(n, sd, alpha) if told else math.nan,
        needed=need(lambda spread: seeds_needed(effect, spread, alpha), sd, n) if told else None,
        needed_for_equivalence=need(lambda spread: seeds_for_equivalence(effect, spread, alpha), sd, n)
        if told
        else None,
    )
