"""How many more seeds would decide what is open, and the command that runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.assessment import Assessment, Reach
from analysis.text import count, listed, without_paths

_SEEDS = re.compile(r"\s*--set[ =]['\"]?final\.seeds=(?:\[[^\]]*\]|\S+)['\"]?")
_ADVISED = 20


@dataclass(frozen=True)
class Advice:
    """text: what more seeds would do. command: that runs them, and only what is missing; '' where none would help."""

    text: str
    command: str


def more_seeds(a: Assessment) -> Advice:
    """For the planned contrasts that are inconclusive: the seeds for 80 % power, either way."""
    info = a.results.info
    have = max((c.planned["final"] for c in info.conditions), default=0)
    open_ = [r for r, j in zip(a.reaches, a.planned, strict=True) if not j.verdict.decided]
    if not a.planned:
        return Advice("No contrast is declared, so there is nothing to plan seeds for.", "")
    if not open_:
        return Advice("Every planned contrast has a verdict; no more seeds are needed for them.", "")
    known = [(r, n) for r in open_ if (n := _either(r)) is not None]
    if not known:
        todo = f"The spread of the differences is not known yet. Start with {_ADVISED} seeds."
        return Advice(todo, command(a, _ADVISED) if have < _ADVISED else "")
    worst, most = max(known, key=lambda pair: pair[1])
    enough = [r.contrast.name for r, n in known if n <= have]
    names = [r.contrast.name for r, n in known if n > have]
    if not names:
        text = (
            f"{listed(enough)}: open, though {count(have, 'seed')} give 80 % power for the smallest effect of "
            "interest. The true difference may lie near it. Decide on a number of seeds before looking again."
        )
        return Advice(text, "")
    text = (
        f"Open for want of seeds: {listed(names)}. With the spread seen, {count(most, 'seed')} a condition, "
        f"{most - have:,} more than planned, would decide each with 80 % power ({worst.contrast.name} needs the "
        "most). Choose the number once and judge only then: to add seeds until a result appears makes false findings "
        "likely."
    )
    return Advice(text, command(a, most))


def _either(reach: Reach) -> int | None:
    """Seeds that find the smallest effect, or else call equal conditions equivalent; None if unknown."""
    both = (reach.needed, reach.needed_for_equivalence)
    return None if None in both else max(n for n in both if n is not None)


def command(a: Assessment, seeds: int) -> str:
    """The study's own command with `seeds` final seeds: it runs only the new ones."""
    info = a.results.info
    profile = "" if info.profile == "full" else f" --profile {info.profile}"
    last = str(a.results.sessions[-1].get("command") or "") if a.results.sessions else ""
    words = without_paths(_SEEDS.sub("", last)) or f"python launch/study.py studies/{info.name}.yaml{profile}"
    given = info.section("final").get("seeds")
    value = str(seeds)
    if isinstance(given, list):
        fresh = (n for n in range(max(given) + 1, max(given) + seeds + 1))
        value = str([*given, *(next(fresh) for _ in range(seeds - len(given)))]).replace(" ", "")
    return f"{words} --set final.seeds={value}"
