"""A warning, and where its code belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analysis.judgement.assessment import Assessment
from analysis.statistics.contrasts import ContrastResult


@dataclass(frozen=True)
class ReportWarning:
    """A warning of the report.

    Attributes:
        code: Stable, for searching.
        place: Id of the table or section that it is about.
        subjects: Names of that table's rows.
        beside: Rows of other tables that it concerns too, as place and subjects.
    """

    code: str
    text: str
    place: str
    subjects: tuple[str, ...] = ()
    beside: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def touches(self, place: str, subject: str) -> bool:
        """True if its code belongs beside a row."""
        return any(where == place and subject in rows for where, rows in ((self.place, self.subjects), *self.beside))


Check = Callable[[Assessment], Iterator[ReportWarning]]


def codes_for(found: list[ReportWarning], place: str, subject: str) -> list[str]:
    """The codes of the warnings that belong beside one row of a table."""
    return list(dict.fromkeys(c.code for c in found if c.touches(place, subject)))


def names_of(judged: Sequence[ContrastResult]) -> tuple[str, ...]:
    """The names of contrasts."""
    return tuple(j.contrast.name for j in judged)
