"""One look: the family judged on its units, with the looks before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.results.load import Results
from analysis.results.study import StudyInfo
from analysis.sequential.family import Hypothesis, LookValues, design_of, hypotheses, look_values, planned_family
from analysis.sequential.futility import FUTILE, LastLook, chance_of_verdict, last_look
from analysis.sequential.spending import Boundaries, boundaries
from analysis.statistics.comparisons import holm, smallest_p
from analysis.statistics.intervals import MeanInterval, t_interval
from analysis.statistics.verdicts import Family, Numbers, Verdict, verdict
from glifr.records import InputError, Look, LookDesign, LookEntry, Problem, declared_in, digest

Earlier = Mapping[tuple[str, str], LookEntry]


@dataclass(frozen=True)
class _Totals:
    """p over all looks so far, of the whole family in its order; as it was where nothing is judged any more."""

    p: np.ndarray
    equivalence: np.ndarray

    def adjusted(self) -> tuple[np.ndarray, np.ndarray]:
        """Both after Holm. What has no p counts as a test that finds nothing: the family keeps its size."""
        return _holm(self.p), _holm(self.equivalence)


def _holm(p: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(p), np.nan, holm(np.nan_to_num(p, nan=1.0)))


def judge_next(results: Results, study: Mapping[str, Any]) -> Look:
    """Judges the look that is due.

    Args:
        results: What is done.
        study: The body of study.json.

    Returns:
        The look.

    Raises:
        InputError: Its units are not there.
    """
    looks, design = results.looks, design_of(results.info)
    asked = looks[-1].asks if looks else dict.fromkeys(results.info.names, design.first)
    if looks and looks[-1].last:
        todo = "nothing: the study is decided as far as it can be"
        raise InputError(Problem("the last look has been taken", str(results.source), looks[-1].number, todo=todo))
    units = design.sizes[len(looks)]
    seen = look_values(results, asked, units)
    entries = judge_look(seen, results.info, len(looks) + 1, looks)
    levels = boundaries(design.sizes)
    return Look(
        number=len(looks) + 1,
        units=units,
        declared=declared_in(study),
        data=data_hash(seen),
        nominal=float(levels.at(results.info.declaration.alpha)[len(looks)]),
        boundary=float(levels.at(results.info.declaration.alpha / len(entries))[len(looks)]),
        failed=seen.failed,
        entries=tuple(entries),
        asks=_asks(entries, results.info, design, len(looks) + 1, asked),
    )


def data_hash(seen: LookValues) -> str:
    """SHA-256 of a look's values by unit and condition."""
    own = {str(name): column.dropna() for name, column in seen.values.items()}
    return digest({name: [list(map(int, x.index)), list(map(float, x))] for name, x in own.items()})


def judge_look(seen: LookValues, info: StudyInfo, number: int, looks: Sequence[Look]) -> list[LookEntry]:
    """Every contrast and effect of the family; those that no look judges any more as they stand."""
    design, alpha = design_of(info), info.declaration.alpha
    earlier: Earlier = {entry.key: entry for entry in looks[-1].entries} if looks else {}
    family, levels = hypotheses(seen.values, info), boundaries(design.sizes)
    totals = _totals(family, earlier, levels, number - 1)
    p, equivalence = totals.adjusted()
    members = Family(len(family), alpha, info.measure.higher_is_better)
    nominal = float(levels.at(alpha)[number - 1])
    floor = float(levels.total(np.array(smallest_p(design.sizes[number - 1])), number - 1))
    found = []
    for i, one in enumerate(family):
        before = earlier.get(one.key)
        if before is not None and before.state != "open":
            found.append(before)
            continue
        t = interval_of(one, nominal)
        numbers = Numbers(
            t.low, t.high, info.smallest_effect, p[i], equivalence[i], floor, one.result.reason, one.asked
        )
        own = (totals.p[i], totals.equivalence[i], p[i], equivalence[i])
        found.append(_entry(one, number, t, own, verdict(numbers, members)))
    if number == len(design.sizes):
        return [replace(e, state="undecided") if e.state == "open" else e for e in found]
    return _without_hope(found, family, info, levels, number)


def interval_of(one: Hypothesis, nominal: float) -> MeanInterval:
    """The interval that holds at all looks together: the t interval at the level of this one."""
    usual = one.result.interval
    if math.isnan(usual.low):
        return usual
    return t_interval(one.result.pairs.to_numpy(dtype=np.float64), 1 - nominal / one.choices)


def _totals(family: Sequence[Hypothesis], earlier: Earlier, levels: Boundaries, look: int) -> _Totals:
    now = [
        levels.total(np.array([getattr(one.result, name) for one in family]), look) for name in ("p", "p_equivalence")
    ]
    for i, one in enumerate(family):
        before = earlier.get(one.key)
        if before is None:
            continue
        stood = (before.value("p_total"), before.value("p_equivalence_total"))
        for totals, old in zip(now, stood, strict=True):
            totals[i] = old if before.state != "open" else np.fmin(totals[i], old)
    return _Totals(*now)


def _entry(
    one: Hypothesis, number: int, t: MeanInterval, own: tuple[float, float, float, float], word: Verdict
) -> LookEntry:
    return LookEntry(
        family=one.family,
        name=one.name,
        look=number,
        units=t.n,
        mean=_known(t.mean),
        low=_known(t.low),
        high=_known(t.high),
        p=_known(one.result.p),
        p_equivalence=_known(one.result.p_equivalence),
        p_total=_known(own[0]),
        p_equivalence_total=_known(own[1]),
        p_holm=_known(own[2]),
        p_equivalence_holm=_known(own[3]),
        word=word.word,
        note=word.note,
        sign=word.sign,
        state="decided" if word.decided else "open",
        chance=None,
    )


def _without_hope(
    found: list[LookEntry], family: Sequence[Hypothesis], info: StudyInfo, levels: Boundaries, number: int
) -> list[LookEntry]:
    """The entries, with what is open and has too little chance of a verdict by the last look marked as futile."""
    last, sizes = _last_look(found, info, levels), design_of(info).sizes
    told = []
    for entry, one in zip(found, family, strict=True):
        if entry.state != "open":
            told.append(entry)
            continue
        t = one.result.interval
        chance = float(
            chance_of_verdict(np.array(t.mean), np.array(t.sd), sizes[number - 1], info.smallest_effect, last)
        )
        lost = math.isnan(chance) or math.isnan(t.low) or chance < FUTILE
        told.append(replace(entry, chance=_known(chance), state="futile" if lost else "open"))
    return told


def _last_look(found: Sequence[LookEntry], info: StudyInfo, levels: Boundaries) -> LastLook:
    """What the last look will ask, at the steps of Holm that the family has come to."""
    alpha, units = info.declaration.alpha, design_of(info).most

    def boundary(name: str) -> float:
        left = sum(not entry.value(name) <= alpha for entry in found)
        return float(levels.at(alpha / max(1, left))[-1])

    nominal = float(levels.at(alpha)[-1])
    return last_look(units, boundary("p_holm"), boundary("p_equivalence_holm"), nominal)


def _asks(
    entries: Sequence[LookEntry], info: StudyInfo, design: LookDesign, number: int, asked: Mapping[str, int]
) -> dict[str, int]:
    """The units that each condition is to have: more for what something open uses, or what that starts from."""
    using = conditions_of(info)
    on = {name for entry in entries if entry.state == "open" for name in using[entry.key]}
    starts = {c.name: c.start_from for c in info.conditions}
    while more := {source for name in on if (source := starts[name]) is not None} - on:
        on |= more
    if not on:
        return dict(asked)
    return {name: design.sizes[number] if name in on else units for name, units in asked.items()}


def conditions_of(info: StudyInfo) -> dict[tuple[str, str], tuple[str, ...]]:
    """The conditions that each contrast and effect of the family uses."""
    return {one.key: one.conditions for one in planned_family(info)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
