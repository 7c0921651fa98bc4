"""Warnings about conditions that are numerically one network, and what is no finding because of it."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.judgement.alike import AlikeConditions, alike_pairs, averaging, no_finding, repeated
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning
from analysis.statistics.wording import margin
from analysis.text import count, listed
from glifr.records import Contrast


def alike(a: Assessment) -> Iterator[ReportWarning]:
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
