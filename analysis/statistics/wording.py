"""Effects and verdicts in words, the same in every part of the report."""

from __future__ import annotations

from analysis import text
from analysis.measure import Measure
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.factorial import Effect
from analysis.statistics.power import MOST
from analysis.statistics.verdicts import Verdict, Word


def amount(value: float, measure: Measure) -> str:
    """'+1.63 points', of a difference as recorded."""
    unit = f" {measure.difference_unit}" if measure.difference_unit else ""
    return f"{text.number(value * measure.scale, measure.decimals, sign=True)}{unit}"


def margin(value: float, measure: Measure) -> str:
    """'0.5 points': the smallest effect of interest."""
    unit = f" {measure.difference_unit}" if measure.difference_unit else ""
    return f"{text.significant(value * measure.scale)}{unit}"


def pairs(n: int | None) -> str:
    """'1,200'; 'over 10,000' for a need that is not counted further."""
    return f"over {MOST:,}" if n is None else f"{n:,}"


def between(low: float, high: float, measure: Measure) -> str:
    """'+1.20 to +2.05'; an en dash where it could not be computed."""
    return text.interval(low * measure.scale, high * measure.scale, measure.decimals, sign=True)


def effect_words(effect: Effect) -> str:
    """What an effect is about, to begin a sentence with: 'Delay (2 instead of 0.5)'."""
    factors = effect.term.factors
    said = text.listed(effect.factors)
    if effect.single and effect.kind != "levels":
        first, last = factors[0].levels[0].name, factors[0].levels[-1].name
        said += f" (from {first} to {last})" if effect.kind == "trend" else f" ({last} instead of {first})"
    return said[0].upper() + said[1:]


def effect_sentence(effect: Effect, measure: Measure, smallest: float) -> str:
    """One sentence on one effect of the factorial."""
    near, largest = f"within ±{margin(smallest, measure)}", ""
    if effect.kind == "levels":
        said, largest = _levels_words(effect.verdict, near), f" (the largest, {effect.largest})"
    else:
        said = (_part_words if effect.single else _interaction_words)(effect.verdict, near)
    at = f" ({effect.at})" if effect.at else ""
    seen = _evidence(effect.estimate, effect.low, effect.high, measure)
    return f"{effect_words(effect)}{at} {said}: {seen}{largest}, {_tail(effect.judged)}."


def _part_words(v: Verdict, near: str) -> str:
    words: dict[Word, str] = {
        "better": "made the networks better",
        "worse": "made the networks worse",
        "equivalent": f"had a real but small effect ({near})" if v.sign else f"changed nothing that matters ({near})",
        "inconclusive": "is inconclusive",
        "not testable": f"cannot be tested here ({v.note})",
    }
    return words[v.word]


def _interaction_words(v: Verdict, near: str) -> str:
    words: dict[Word, str] = {
        "present": f"interact: together they give {'more' if v.sign > 0 else 'less'} than they add up to",
        "equivalent": f"add up except for a real but small remainder ({near})" if v.sign else f"add up ({near})",
        "inconclusive": "may or may not add up",
        "not testable": f"cannot be tested for an interaction here ({v.note})",
    }
    return words[v.word]


def _levels_words(v: Verdict, near: str) -> str:
    words: dict[Word, str] = {
        "present": "made a difference",
        "equivalent": f"changed nothing that matters between any two levels ({near})",
        "inconclusive": "is inconclusive",
        "not testable": f"cannot be tested here ({v.note})",
    }
    return words[v.word]


def contrast_sentence(judged: ContrastResult, measure: Measure, smallest: float) -> str:
    """One sentence on one contrast."""
    of, minus = side(judged.contrast.of), side(judged.contrast.minus)
    v, near = judged.verdict, f"±{margin(smallest, measure)}"
    small = ", the difference real but small" if v.sign else ""
    words: dict[Word, str] = {
        "better": f"{of} did better than {minus}",
        "worse": f"{of} did worse than {minus}",
        "equivalent": f"{of} and {minus} are equivalent within {near}{small}",
        "inconclusive": f"{of} against {minus} is left open",
        "not testable": f"{of} against {minus} cannot be tested here ({v.note})",
    }
    t = judged.interval
    said = words[v.word]
    said = said[0].upper() + said[1:] if len(judged.contrast.of) > 1 else said
    return f"{said}: {_evidence(t.mean, t.low, t.high, measure)}, {_tail(judged)}."


def _tail(judged: ContrastResult) -> str:
    """The p that the verdict rests on, what qualifies it, and the sample."""
    v = judged.verdict
    noted = f", {v.note}" if v.word == "inconclusive" and v.note else ""
    ps = p_words(judged.p_holm, judged.p_equivalence_holm, v)
    return f"{ps}{noted}, {text.count(judged.interval.n, 'pair')}"


def _evidence(estimate: float, low: float, high: float, measure: Measure) -> str:
    return f"{amount(estimate, measure)} (95 % interval {between(low, high, measure)})"


def p_words(p: float, p_equivalence: float, verdict: Verdict) -> str:
    """The p that the verdict rests on, after Holm."""
    if verdict.word == "equivalent":
        return f"equivalence p {_equals(p_equivalence)} after Holm"
    return f"p {_equals(p)} after Holm"


def _equals(p: float) -> str:
    shown = text.p_value(p)
    return shown if shown.startswith("<") else f"= {shown}"


def side(names: tuple[str, ...]) -> str:
    """One side of a contrast in words."""
    if len(names) > 3:
        return f"the mean of {len(names)} conditions ({names[0]} to {names[-1]})"
    return names[0] if len(names) == 1 else f"the mean of {text.listed(names)}"
