"""The declaration of a study in words."""

from __future__ import annotations

from analysis.results.study import StudyInfo
from analysis.statistics.wording import margin
from analysis.text import count, listed


def declaration_facts(info: StudyInfo) -> list[tuple[str, str]]:
    """(what, value) pairs: measure, smallest effect, alpha, contrasts, hash and its history."""
    d = info.declaration
    return [
        ("Primary measure", f"{info.measure.label} ({info.measure.direction})"),
        ("Smallest effect of interest", margin(d.smallest_effect, info.measure)),
        ("α", f"{d.alpha:g}, in each family after Holm"),
        ("Planned contrasts", listed([c.name for c in d.contrasts], limit=16) or "none"),
        ("Hash of the declaration", d.hash),
        ("Declared", _history(info)),
    ]


def _history(info: StudyInfo) -> str:
    if not info.history:
        return "not on record: these are the defaults of the report"
    words = [
        f"{entry['declared_at'][:10]} with {count(entry['final_results'], 'final result')} known ({entry['hash'][:12]})"
        for entry in info.history
    ]
    return "; changed ".join(words)
