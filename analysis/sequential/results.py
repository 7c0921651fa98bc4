"""The looks in a report: each contrast and effect as the look left it that judged it last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.results.load import Results
from analysis.results.study import StudyInfo
from analysis.sequential.family import Hypothesis, LookValues, design_of, hypotheses, look_values
from analysis.sequential.judge import data_hash
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.factorial import Factorial
from analysis.statistics.verdicts import Verdict
from glifr.records import InputError, Look, LookDesign, LookEntry, design_in

_NAN = float("nan")
NO_LOOK = Verdict("not testable", "no look has been taken yet")


@dataclass(frozen=True)
class Looked:
    """What looks have found.

    Attributes:
        problems: Where the records are no longer those that a look saw.
    """

    design: LookDesign
    looks: tuple[Look, ...]
    judged: Mapping[tuple[str, str], ContrastResult]
    problems: tuple[str, ...] = ()

    def contrasts(self, planned: Sequence[ContrastResult]) -> list[ContrastResult]:
        """The planned contrasts as looks have judged them."""
        return [self._of("contrast", found) for found in planned]

    def factorial(self, found: Factorial) -> Factorial:
        """The effects as looks have judged them."""
        effects = (replace(effect, judged=self._of("effect", effect.judged)) for effect in found.effects)
        return replace(found, effects=tuple(effects))

    def _of(self, family: str, found: ContrastResult) -> ContrastResult:
        return self.judged.get((family, found.contrast.name)) or _unseen(found)

    @property
    def entries(self) -> tuple[LookEntry, ...]:
        """The whole family as it stands."""
        return self.looks[-1].entries if self.looks else ()

    @property
    def ended(self) -> bool:
        """True if no look is left to take."""
        return bool(self.looks) and self.looks[-1].last


def looked(results: Results) -> Looked | None:
    """What looks have found in a study that takes them; None in one with a fixed number of seeds."""
    design = design_in(results.info.spec)
    if design is None:
        return None
    problems, judged = [], {}
    for look in results.looks:
        seen = _seen(results, look)
        if seen is None or data_hash(seen) != look.data:
            text = (
                f"look {look.number} saw other values than those on record now; its verdicts stand as they were given"
            )
            problems.append(text)
        own = {} if seen is None else {one.key: one for one in hypotheses(seen.values, results.info)}
        judged.update({e.key: _as_judged(own.get(e.key), e, design) for e in look.entries if e.look == look.number})
    found = {key: result for key, result in judged.items() if result is not None}
    return Looked(design, results.looks, found, tuple(problems))


def _seen(results: Results, look: Look) -> LookValues | None:
    """The values of a look's units as they are now; None where some are gone."""
    before = results.looks[look.number - 2].asks if look.number > 1 else {}
    asked = before or dict.fromkeys(results.info.names, design_of(results.info).first)
    try:
        return look_values(results, asked, look.units)
    except InputError:
        return None


def _as_judged(one: Hypothesis | None, entry: LookEntry, design: LookDesign) -> ContrastResult | None:
    """A contrast or effect with the numbers of its look."""
    if one is None:
        return None
    mean, low, high = map(entry.value, ("mean", "low", "high"))
    return replace(
        one.result,
        interval=replace(one.result.interval, n=entry.units, mean=mean, low=low, high=high),
        p=entry.value("p"),
        p_holm=entry.value("p_holm"),
        p_equivalence=entry.value("p_equivalence"),
        p_equivalence_holm=entry.value("p_equivalence_holm"),
        verdict=look_verdict(entry, design),
    )


def look_verdict(entry: LookEntry, design: LookDesign) -> Verdict:
    """The verdict of a look, with what became of it where it decides nothing."""
    if entry.state == "decided":
        return Verdict(entry.word, entry.note, entry.sign)  # type: ignore[arg-type]
    notes = {
        "futile": f"futile at look {entry.look}: {_share(entry.chance)} of a verdict by {design.most}",
        "open": f"open after look {entry.look} of {len(design.sizes)}",
        "undecided": "open after the last look",
    }
    note = "; ".join(filter(None, (notes[entry.state], entry.note)))
    return Verdict(entry.word, note, entry.sign)  # type: ignore[arg-type]


def _share(chance: float | None) -> str:
    return "no chance" if chance is None else f"a chance of {100 * chance:.2g} %"


def _unseen(found: ContrastResult) -> ContrastResult:
    """As it is before the first look: nothing of it is tested."""
    interval = replace(found.interval, low=_NAN, high=_NAN, reason=NO_LOOK.note)
    return replace(
        found,
        interval=interval,
        p=_NAN,
        p_holm=_NAN,
        p_welch=_NAN,
        p_equivalence=_NAN,
        p_equivalence_holm=_NAN,
        verdict=NO_LOOK,
        reason=NO_LOOK.note,
    )


@dataclass(frozen=True)
class Price:
    """Final networks that looks have asked for, and those of a design with all seeds for every condition."""

    asked: int
    fixed: int

    @property
    def share(self) -> float:
        return self.asked / self.fixed if self.fixed else math.nan


def price(info: StudyInfo, found: Looked) -> Price:
    """What the study costs in final networks, with all that the looks so far have asked for."""
    each = info.networks_a_unit
    asked = sum(found.looks[-1].asks.values()) if found.looks else found.design.first * len(info.names)
    return Price(each * asked, each * found.design.most * len(info.names))
