"""The head of the report: one sentence, four lights, key findings. All of it comes from verdicts and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis import wording
from analysis.alike import alike_pairs, no_finding, repeated
from analysis.assessment import Assessment
from analysis.cautions import Caution
from analysis.factorial import Effect
from analysis.published.words import differs_sentence, equivalent_sentence
from analysis.text import count, listed
from analysis.verdicts import WORDS, Verdict, Word

State = Literal["yes", "partly", "no"]
_FEWEST = 5  # networks: below, no test of a family can succeed
_UNFAIR = {"unequal-budgets", "unequal-spaces", "unequal-sizes"}
_LEAKS = {"seeds-overlap", "test-read-twice", "nested-replicates"}


@dataclass(frozen=True)
class Light:
    """One of the four: what is asked, the answer and why."""

    name: str
    state: State
    why: str


@dataclass(frozen=True)
class Finding:
    """A sentence that a verdict stands behind. row: id of the table row with its numbers."""

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


def answer(a: Assessment) -> str:
    """The study's answer in one sentence."""
    info = a.results.info
    if not len(a.results.finals):
        return "No answer yet: no final network has a result."
    if not info.evidence:
        return "No answer: this profile only shows that the system works; its numbers are no evidence."
    if a.factorial.effects:
        return _of_parts([e for e in a.factorial.effects if e.single], a)
    counts = _counted(j.verdict for j in a.planned)
    if not a.planned:
        return f"No comparison was declared: the report describes {count(len(info.conditions), 'condition')}."
    return f"Of {count(len(a.planned), 'planned contrast')} on {info.task.title}, {counts}."


def _of_parts(effects: Sequence[Effect], a: Assessment) -> str:
    """Of the three parts of the neuron: which make a real difference, which none that matters, which are open."""
    info = a.results.info
    groups: dict[Word, list[str]] = {word: [] for word in WORDS}
    for effect in effects:
        shown = wording.amount(effect.estimate, info.measure)
        groups[effect.verdict.word].append(f"{effect.factors[0]} ({shown})")
    near = wording.margin(info.smallest_effect, info.measure)
    parts = []
    if groups["better"]:
        parts.append(f"{listed(groups['better'])} {_verb(groups['better'], 'improves', 'improve')} it")
    if groups["worse"]:
        parts.append(f"{listed(groups['worse'])} {_verb(groups['worse'], 'worsens', 'worsen')} it")
    if groups["equivalent"]:
        many = _verb(groups["equivalent"], "makes", "make")
        parts.append(f"{listed(groups['equivalent'])} {many} no difference that matters (±{near})")
    open_ = groups["inconclusive"] + groups["not testable"]
    if open_:
        parts.append(f"{listed(open_)} {_verb(open_, 'stays', 'stay')} open")
    return f"On {info.task.title}, of the neuron's three parts and by {info.measure.label}: {'; '.join(parts)}."


def _verb(subjects: list[str], one: str, many: str) -> str:
    plural = len(subjects) > 1 or subjects[0].startswith("after-spike currents")
    return many if plural else one


def _counted(verdicts: Iterable[Verdict]) -> str:
    found = [v.word for v in verdicts]
    return listed([f"{found.count(word)} {word}" for word in WORDS if word in found])


def lights(a: Assessment, found: Sequence[Caution]) -> list[Light]:
    """Complete, fair, powered, reproducible: each with its reason."""
    codes = {c.code for c in found}
    return [_complete(a), _fair(a, codes), _powered(a, codes), _reproducible(codes)]


def _complete(a: Assessment) -> Light:
    done, planned = a.results.count("complete", "final"), a.results.info.planned("final")
    share = f"{done:,} of {count(planned, 'planned final network')} have a result"
    if not done:
        return Light("Complete", "no", f"{share}.")
    if a.results.complete:
        return Light("Complete", "yes", f"All {count(planned, 'planned final network')} have a result.")
    return Light("Complete", "partly", f"{share}; what follows is of those.")


def _fair(a: Assessment, codes: set[str]) -> Light:
    if leaks := sorted(codes & _LEAKS):
        return Light("Fair", "no", f"See {listed(leaks)} below.")
    if unfair := sorted(codes & _UNFAIR):
        return Light("Fair", "partly", f"See {listed(unfair)} below.")
    if not a.results.info.planned("search"):
        return Light("Fair", "partly", "Nothing was tuned: each condition ran with the settings of the study file.")
    same = "Same budget, ranges and sizes for every condition; fresh final seeds"
    if "at-a-bound" in codes:
        return Light("Fair", "partly", f"{same}, but some settings lie at an end of their range.")
    read = "test data read once" if a.results.info.task.held_out else "the task holds no data out"
    return Light("Fair", "yes", f"{same}; {read}.")


def _powered(a: Assessment, codes: set[str]) -> Light:
    networks = [r.interval.n for r in a.performances]
    low = min(networks, default=0)
    if low < _FEWEST:
        return Light(
            "Powered", "no", f"The fewest networks of a condition are {low}; at least 10 are needed, 20 advised."
        )
    planned = [c for c in a.reaches if c.power >= 0.8]
    enough = f"{len(planned)} of {count(len(a.reaches), 'planned contrast')} would find the smallest effect of interest"
    if not a.reaches or "underpowered" in codes or "few-seeds" in codes or len(planned) < len(a.reaches):
        return Light("Powered", "partly" if planned or a.factorial.effects else "no", f"{enough} with 80 % power.")
    return Light("Powered", "yes", f"All {count(len(a.reaches), 'planned contrast')} have 80 % power or more.")


def _reproducible(codes: set[str]) -> Light:
    if "unknown-origin" in codes:
        return Light("Reproducible", "no", "No session is on record.")
    bad = sorted(codes & {"mixed-origin", "uncommitted-changes", "damaged-records", "declaration-changed"})
    if bad:
        return Light("Reproducible", "partly", f"See {listed(bad)} below.")
    return Light(
        "Reproducible", "yes", "One commit, one set of libraries and one kind of hardware; declared beforehand."
    )
