"""The key findings: a sentence for each verdict that decides something, with the row of the page that carries it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.judgement.alike import alike_pairs, no_finding, repeated
from analysis.judgement.assessment import Assessment
from analysis.published.words import differs_sentence, equivalent_sentence
from analysis.statistics import wording
from analysis.statistics.verdicts import Verdict


@dataclass(frozen=True)
class Finding:
    """A sentence that a verdict stands behind.

    Attributes:
        row: Id of the table row with its numbers.
    """

    verdict: Verdict
    text: str
    row: str


def effect_row(place: int) -> str:
    """The id of a row of the table of the factorial."""
    return f"row-factorial-{place + 1}"


def contrast_row(place: int) -> str:
    """The id of a row of the table of planned contrasts."""
    return f"row-contrasts-{place + 1}"


def published_row(place: int) -> str:
    """The id of a row of the table beside the published runs."""
    return f"row-published-{place + 1}"


def findings(a: Assessment) -> list[Finding]:
    """A finding for each verdict that decides something: effects first, then planned contrasts, then the published."""
    if not a.results.info.evidence:
        return []
    info = a.results.info
    measure, smallest = info.measure, info.smallest_effect
    alike = alike_pairs(a)
    again = repeated([j.contrast for j in a.planned], alike)
    found = [
        Finding(e.verdict, wording.effect_sentence(e, measure, smallest), effect_row(i))
        for i, e in enumerate(a.factorial.effects)
        if e.verdict.decided
    ]
    found += [
        Finding(j.verdict, wording.contrast_sentence(j, measure, smallest), contrast_row(i))
        for i, j in enumerate(a.planned)
        if j.verdict.decided and not no_finding(j.contrast, alike) and j.contrast.name not in again
    ]
    return found + _beside(a)


def _beside(a: Assessment) -> list[Finding]:
    """Of the conditions with the published settings: which are equivalent to the published runs, which differ."""
    b = a.published
    if b is None:
        return []
    found = []
    for different, sentence in ((False, equivalent_sentence), (True, differs_sentence)):
        rows = [r for r in b.same if r.verdict.decided and r.verdict.different is different]
        if rows:
            found.append(Finding(rows[0].verdict, sentence(b, rows), published_row(b.rows.index(rows[0]))))
    return found
