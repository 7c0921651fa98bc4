"""The report's first sentence: the study's answer in clauses, each with the part of the page that carries it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.judgement import fairness
from analysis.judgement.alike import alike_pairs
from analysis.judgement.assessment import Assessment
from analysis.judgement.findings import contrast_row, effect_row
from analysis.measure import Measure
from analysis.statistics import wording
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.factorial import Effect
from analysis.statistics.verdicts import WORDS
from analysis.text import count, listed
from glifr.records import levels_of


@dataclass(frozen=True)
class Clause:
    """A part of a sentence.

    Attributes:
        row: Id of the row, table or section of the page that carries it.
    """

    text: str
    row: str


@dataclass(frozen=True)
class Headline:
    """One sentence: what it is about, and what is said of it. Without clauses `lead` is the sentence."""

    lead: Clause
    clauses: tuple[Clause, ...] = ()

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        said = f": {'; '.join(clause.text for clause in self.clauses)}" if self.clauses else ""
        return f"{self.lead.text}{said}."


def answer(a: Assessment) -> Headline:
    """The factorial and the largest planned contrast with their verdicts, and what all of it is conditional on."""
    info = a.results.info
    if not len(a.results.finals):
        return Headline(Clause("No answer yet: no final network has a result", "table-counts"))
    if not info.evidence:
        text = "No answer: this profile only shows that the system works; its numbers are no evidence"
        return Headline(Clause(text, "warning-quick-profile"))
    if not a.factorial.effects and not a.planned:
        text = f"No comparison was declared: the report describes {count(len(info.conditions), 'condition')}"
        return Headline(Clause(text, "table-conditions"))
    lead = Clause(f"On {info.task.title}, by {info.measure.label} (95 % intervals in brackets)", "declaration")
    return Headline(lead, (*_effects(a), *_contrasts(a), *_conditions(a)))


def _effects(a: Assessment) -> Iterator[Clause]:
    """Each part of the neuron, and each interaction that is there: it qualifies the parts that it is of."""
    for place, effect in enumerate(a.factorial.effects):
        if effect.single or effect.verdict.different:
            at = f" ({effect.at})" if effect.at else ""
            said = _estimate(effect.judged, a.results.info.measure)
            yield Clause(f"{effect.name}{at} {said}{_empty_cells(a, effect)}", effect_row(place))


def _empty_cells(a: Assessment, effect: Effect) -> str:
    """Which of the pairs that a main effect averages over are numerically one network, so that it cannot show there."""
    factors, found = a.results.info.factors, []
    for pair in alike_pairs(a):
        one, other = (levels_of(factors, name) for name in pair)
        if one and other and {name for name in one if one[name] != other[name]} == set(effect.factors):
            found.append(listed(pair))
    return f", though it averages over {' and over '.join(found)}, which behave alike" if found else ""


def _contrasts(a: Assessment) -> Iterator[Clause]:
    """The largest planned contrast; where there is no factorial, after how many of them have which verdict."""
    if a.planned and not a.factorial.effects:
        words = [j.verdict.word for j in a.planned]
        counted = listed([f"{words.count(word)} {word}" for word in WORDS if word in words])
        yield Clause(f"of {count(len(a.planned), 'planned contrast')} {counted}", "table-contrasts")
    known = [(place, j) for place, j in enumerate(a.planned) if j.interval.n]
    if known:  # of those that could be tested, if any could
        place, largest = max(known, key=lambda found: (not math.isnan(found[1].p), abs(found[1].interval.mean)))
        said = _estimate(largest, a.results.info.measure)
        yield Clause(f"the largest planned contrast, {largest.contrast.name}, is {said}", contrast_row(place))


def _estimate(judged: ContrastResult, measure: Measure) -> str:
    """'+0.40 points (+0.21 to +0.59), better'."""
    t = judged.interval
    between = "" if t.reason else f" ({wording.between(t.low, t.high, measure)})"
    return f"{wording.amount(t.mean, measure)}{between}, {judged.verdict}"


def _conditions(a: Assessment) -> Iterator[Clause]:
    """What all of it is conditional on."""
    info = a.results.info
    if on := info.conditional_on:
        yield Clause(f"all of it conditional on {on}", "warning-one-search" if info.planned("search") else "design")
    elif trials := fairness.trials_per_search(info):
        yield Clause(f"each condition with settings found in searches of {count(trials, 'trial')}", "table-tuning")
    done, planned = a.results.count("complete", "final"), info.planned("final")
    if done < planned:
        yield Clause(f"from {done:,} of {count(planned, 'planned final network')}", "table-counts")
