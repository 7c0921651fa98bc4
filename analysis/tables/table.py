"""A table of the report as rows of ready texts: the page lays them out, the LaTeX export sets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from analysis.results.load import Results
from analysis.results.study import ConditionInfo, StudyInfo
from analysis.statistics.verdicts import RULE, Verdict
from analysis.text import NOTHING

Align = Literal["left", "right"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        note: Small print below the text.
        condition: The condition whose marker is drawn.
        verdict: The verdict whose colour it has.
    """

    text: str
    note: str = ""
    condition: ConditionInfo | None = None
    verdict: str = ""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        group: The heading that it shares with its neighbours.
    """

    text: str
    align: Align = "right"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        marked: Rows set apart (the reference condition).
        anchors: Ids of the rows, where findings link to them.
        folded: Whether it is too long to be shown unasked.
    """

    name: str
    title: str
    caption: str
    heads: tuple[Head, ...]
    rows: list[list[Cell]]
    marked: frozenset[int] = field(default_factory=frozenset)
    anchors: tuple[str, ...] = ()
    folded: bool = False

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over the columns with how many each spans; empty where no column has one."""
        spans: list[tuple[str, int]] = []
        for head in self.heads:
            if spans and spans[-1][0] == head.group:
                spans[-1] = (head.group, spans[-1][1] + 1)
            else:
                spans.append((head.group, 1))
        return spans if any(head.group for head in self.heads) else []


def verdict_cell(found: Verdict) -> Cell:
    """A verdict, to be set apart by its colour and its word; a dash where none is given."""
    return Cell(found.word or NOTHING, found.note, verdict=found.word.replace(" ", "-"))


def rule_words(info: StudyInfo) -> str:
    """The rule of verdicts for a caption; '' where none is given."""
    return f" Verdict at α = {info.declaration.alpha:g}: {RULE}." if info.evidence else ""


def reference_rows(results: Results) -> frozenset[int]:
    """The rows of the reference condition in a table with one row per condition."""
    return frozenset(i for i, name in enumerate(results.info.names) if name == results.info.reference)
