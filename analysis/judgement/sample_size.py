"""Computes how many more seeds would decide what is inconclusive, and the command that runs them.

In a study that repeats its search it is repeats that are counted, each with as many final seeds as before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.judgement.assessment import Assessment, ContrastSensitivity
from analysis.sequential.results import Looked
from analysis.statistics.power import FEWEST, MOST, PairsNeeded
from analysis.statistics.wording import pairs
from analysis.text import count, listed, without_paths

_SEEDS = re.compile(r"\s*--set[ =]['\"]?(?:final\.seeds|search\.repeats)=(?:\[[^\]]*\]|\S+)['\"]?")
_ADVISED = 20


@dataclass(frozen=True)
class SeedAdvice:
    """Advice on the number of seeds.

    Attributes:
        text: What more seeds would do.
        command: The command that runs them, and only what is missing; '' where none would help.
    """

    text: str
    command: str


def more_seeds(a: Assessment) -> SeedAdvice:
    """For the planned contrasts without a verdict: the seeds for 80 % power, either way."""
    if a.looked is not None:
        return _by_looks(a, a.looked)
    have = _planned(a)
    open_ = [r for r, j in zip(a.reaches, a.planned, strict=True) if not j.verdict.decided]
    if not a.planned:
        return SeedAdvice("No contrast is declared, so there is nothing to plan seeds for.", "")
    if not open_:
        return SeedAdvice("Every planned contrast has a verdict; no more seeds are needed for them.", "")
    known = [(r, need) for r in open_ if (need := _either(r)) is not None]
    if not known:
        return _first(a, open_, have)
    lacking = [(r, need) for r, need in known if need.seen is None or need.seen > have]
    if not lacking:
        return SeedAdvice(_enough([r for r, _ in known], count(have, a.results.info.unit)), "")
    return _more(a, lacking, have)


def _by_looks(a: Assessment, found: Looked) -> SeedAdvice:
    """Where looks decide how many are enough: nothing is to be advised, but to go on."""
    unit, most = a.results.info.unit, found.design.most
    if found.ended:
        text = f"Looks have decided how many {unit}s were enough; none is left to take."
        return SeedAdvice(text, "")
    going = count(sum(e.state == "open" for e in found.entries), "comparison") if found.entries else "all comparisons"
    text = f"Looks decide how many {unit}s are enough, {most} at most: still open, {going}. The same command goes on."
    return SeedAdvice(text, _command(a))


def _first(a: Assessment, open_: Sequence[ContrastSensitivity], have: int) -> SeedAdvice:
    """Where so few pairs tell the spread that a number made of it would mean nothing."""
    most = max(r.pairs for r in open_)
    if most >= FEWEST:
        why = "The paired differences have no spread, or failed networks decide them"
        return SeedAdvice(f"{why}, so there is nothing to plan seeds by.", "")
    unit = a.results.info.unit
    text = (
        f"No number of {unit}s can be given: the spread of the differences is known from {count(most, 'pair')} at "
        f"most, and from fewer than {FEWEST} such a number could be wrong by a factor of ten. Run {_ADVISED} {unit}s."
    )
    return SeedAdvice(text, command(a, _ADVISED) if have < _ADVISED else "")


def _enough(reaches: Sequence[ContrastSensitivity], have: str) -> str:
    return (
        f"{listed([r.contrast.name for r in reaches])}: inconclusive, though {have} give 80 % power for "
        "the smallest effect of interest. The true difference may lie near it. Decide on a number before looking "
        "again."
    )


def _more(a: Assessment, lacking: Sequence[tuple[ContrastSensitivity, PairsNeeded]], have: int) -> SeedAdvice:
    unit = a.results.info.unit
    within = [(r, need, need.seen) for r, need in lacking if need.seen is not None]
    beyond = [r.contrast.name for r, need in lacking if need.seen is None]
    never = f" {listed(beyond)}: more than {MOST:,} {unit}s, so adding some will not give a verdict." if beyond else ""
    if not within:
        return SeedAdvice(f"Inconclusive for want of {unit}s.{never}", "")
    worst, need, most = max(within, key=lambda found: found[2])
    text = (
        f"Inconclusive for want of {unit}s: {listed([r.contrast.name for r, _, _ in within])}. With the spread seen, "
        f"{most:,} {unit}s per condition, {most - have:,} more than planned, would decide each with 80 % power "
        f"({worst.contrast.name} needs the most). That number is an estimate from {count(worst.pairs, 'pair')}: "
        f"{pairs(need.low)} to {pairs(need.high)} with the ends of the 95 % interval of the spread.{never} Choose the "
        f"number once and judge only then: adding {unit}s until a result appears makes false findings likely."
    )
    return SeedAdvice(text, command(a, most))


def _either(reach: ContrastSensitivity) -> PairsNeeded | None:
    """Seeds that find the smallest effect, or else call equal conditions equivalent; None if unknown."""
    find, equal = reach.needed, reach.needed_for_equivalence
    if find is None or equal is None:
        return None
    return PairsNeeded(_larger(find.seen, equal.seen), _larger(find.low, equal.low), _larger(find.high, equal.high))


def _larger(a: int | None, b: int | None) -> int | None:
    """The larger of two needs; None, more than is counted, is larger than any."""
    return None if a is None or b is None else max(a, b)


def _planned(a: Assessment) -> int:
    """Units of each condition that are planned."""
    info = a.results.info
    seeds = max((c.planned["final"] for c in info.conditions), default=0)
    return info.repeats if info.repeats > 1 else seeds


def command(a: Assessment, units: int) -> str:
    """The study's own command with so many final seeds, or repeats of its search: it runs only the new ones."""
    info, words = a.results.info, without_paths(_SEEDS.sub("", _command(a)))
    repeats = f" --set search.repeats={units}" if info.repeats > 1 else ""
    seeds = units * (max(c.planned["final"] for c in info.conditions) // info.repeats if repeats else 1)
    given = info.section("final").get("seeds")
    value = str(seeds)
    if isinstance(given, list):
        fresh = (n for n in range(max(given) + 1, max(given) + seeds + 1))
        value = str([*given, *(next(fresh) for _ in range(seeds - len(given)))]).replace(" ", "")
    return f"{words}{repeats} --set final.seeds={value}"


def _command(a: Assessment) -> str:
    """The command of the last session, or that of a study without any."""
    info = a.results.info
    profile = "" if info.profile == "full" else f" --profile {info.profile}"
    last = str(a.results.sessions[-1].get("command") or "") if a.results.sessions else ""
    return without_paths(last) or f"python launch/study.py studies/{info.name}.yaml{profile}"
