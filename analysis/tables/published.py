"""Each condition beside the published runs of the same condition, and both sides' settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.findings import published_row
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.measure import Measure
from analysis.published import CITATION, ConditionComparison, PublishedComparison, Setting
from analysis.published.words import margin_reason, margins
from analysis.results.study import ConditionInfo
from analysis.statistics import wording
from analysis.tables.table import Cell, Head, Table, rule_words, verdict_cell

_RANK, _ALSO = 8, 9  # columns: a rank is among all networks, what would pass too is of published ones alone


def published_sheets(a: Assessment, found: list[ReportWarning]) -> list[Table]:
    """The two tables of a study whose task has published values, else none."""
    return [_values(a, a.published, found), _settings(a, a.published)] if a.published else []


def _values(a: Assessment, b: PublishedComparison, found: list[ReportWarning]) -> Table:
    unit = f" ({b.measure.difference_unit})" if b.measure.difference_unit else ""
    runs = text.span([row.published.n for row in b.rows])
    heads = (
        Head("Condition", "left"),
        Head("verdict", "left"),
        *(Head(n, group=f"This study: {b.measure.axis}") for n in ("mean", "95 % interval", "SD", "n")),
        *(Head(n, group=f"Published: {runs} runs") for n in ("mean", "SD")),
        Head("rank"),
        Head("would pass too"),
        *(Head(n, group=f"Difference{unit}") for n in ("mean", "95 % interval", "p, Holm", "equivalence p, Holm")),
    )
    infos = {c.name: c for c in a.results.info.conditions}
    rows: list[list[Cell]] = []
    anchors: list[str] = []
    marked: set[int] = set()
    for i, row in enumerate(b.rows):
        codes = tuple(codes_for(found, "table-published", row.condition))
        rows.append(_cells(b, row, infos[row.condition], codes))
        anchors.append(published_row(i))
        if b.rows_kept is not None and b.diverged[row.condition]:
            marked.add(len(rows))
            rows.append(_small(_cells(b, b.rows_kept[i], infos[row.condition], ()), b.diverged[row.condition]))
            anchors.append("")
    title, caption = "Comparison with published runs", _caption(b, rule_words(a.results.info))
    return Table("published", title, caption, heads, rows, frozenset(marked), tuple(anchors))


def _cells(
    b: PublishedComparison, row: ConditionComparison, condition: ConditionInfo, codes: tuple[str, ...]
) -> list[Cell]:
    measure, ours, theirs = b.measure, row.ours, row.published
    other = "other settings" if b.other_settings(row.condition) and b.same else ""
    diverged = b.diverged[row.condition]
    ranks = (_rank(row.condition, side) for side in (b.order.ours, b.order.published))
    return [
        Cell(row.condition, other, condition, codes=codes),
        verdict_cell(row.verdict),
        Cell(_shown(ours.mean, measure)),
        Cell(text.interval(ours.low * measure.scale, ours.high * measure.scale, measure.decimals)),
        Cell(_shown(ours.sd, measure)),
        Cell(str(ours.n), f"{diverged} diverged" if diverged else ""),
        Cell(_shown(theirs.mean, measure)),
        Cell(_shown(theirs.sd, measure)),
        Cell("{} ({})".format(*ranks)),
        _also(b, row.condition),
        Cell(
            text.number(row.difference * measure.scale, measure.decimals, sign=True), f"±{_shown(row.margin, measure)}"
        ),
        Cell(wording.between(row.low, row.high, measure), row.reason),
        Cell(text.p_value(row.p_holm)),
        Cell(text.p_value(row.p_equivalence_holm)),
    ]


def _also(b: PublishedComparison, condition: str) -> Cell:
    also = b.would_pass[condition]
    return Cell(f"{len(also)} of {len(b.task.values) - 1}", text.listed(also))


def _shown(value: float, measure: Measure) -> str:
    return text.number(value * measure.scale, measure.decimals)


def _rank(condition: str, order: Sequence[str]) -> str:
    return str(order.index(condition) + 1) if condition in order else text.NOTHING


def _small(cells: list[Cell], diverged: int) -> list[Cell]:
    kept = [Cell("", "" if place in (_RANK, _ALSO) else cell.text) for place, cell in enumerate(cells)]
    return [Cell("", f"without {diverged} diverged"), *kept[1:]]


def _caption(b: PublishedComparison, rule: str) -> str:
    tested = sum(not math.isnan(r.p) for r in b.rows)
    caption = (
        f"{b.measure.label.capitalize()} ({b.measure.direction}). Published: {CITATION}; one value a run. "
        "Two independent samples. Interval of this study: 95 % t interval of the mean; of the difference, this study "
        f"minus published: 95 % Welch interval, not adjusted. p: Welch's t test, Holm over {tested} tests. "
        "Equivalence: two one-sided Welch tests at the margin, Holm over them too. Margin, below the difference: "
        f"{margins(b)}; {margin_reason(b)}.{rule} Rank: by the mean, best first; in brackets the published. Would pass "
        "too: other published conditions whose runs, judged beside this one's, are equivalent at the margin as well."
    )
    if not b.same:
        caption += " Every condition has other settings than the published runs."
    if b.diverged and any(b.diverged.values()):
        caption += " Small rows: the same without diverged networks."
    if b.unpublished:
        caption += f" No published values are stored of: {text.listed(b.unpublished)}."
    if b.absent:
        caption += f" Published, but not in this study: {text.listed(b.absent)}."
    return caption


def _settings(a: Assessment, b: PublishedComparison) -> Table:
    heads = tuple(Head(n, "left") for n in ("Setting", "same", "this study", "published"))
    rows: list[list[Cell]] = []
    marked: set[int] = set()
    for name in dict.fromkeys(s.name for own in b.settings.values() for s in own):
        found = {condition: s for condition, own in b.settings.items() for s in own if s.name == name}
        ours, theirs = ({c: getattr(s, side) for c, s in found.items()} for side in ("ours", "published"))
        if not all(s.same for s in found.values()):
            marked.add(len(rows))
        rows.append([Cell(name), Cell(_same(found)), Cell(_grouped(ours)), Cell(_grouped(theirs))])
    planned = text.span([c.planned["final"] for c in a.results.info.conditions])
    runs = text.span([len(values) for values in b.task.values.values()])
    rows.append(
        [
            Cell("networks per condition"),
            Cell(text.NOTHING),
            Cell(f"{planned} planned"),
            Cell(f"{runs}, of other seeds"),
        ]
    )
    caption = "What this study and the published runs were trained with, condition by condition; rows set apart differ."
    return Table("published_settings", "Settings beside the published", caption, heads, rows, frozenset(marked))


def _same(found: dict[str, Setting]) -> str:
    other = [condition for condition, setting in found.items() if not setting.same]
    if not other:
        return "yes"
    return "no" if len(other) == len(found) else f"not {text.listed(other)}"


def _grouped(by_condition: dict[str, str]) -> str:
    """One value for all, or each with its conditions: '256 (RNN and Hom); 122 (LSTM)'."""
    values = list(dict.fromkeys(by_condition.values()))
    if len(values) == 1:
        return values[0]
    named = {value: [c for c, own in by_condition.items() if own == value] for value in values}
    return "; ".join(f"{value or text.NOTHING} ({text.listed(names)})" for value, names in named.items())
