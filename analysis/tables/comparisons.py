"""The planned contrasts, and every pair of conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.findings import contrast_row
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.measure import Measure
from analysis.statistics import wording
from analysis.statistics.contrasts import ContrastResult
from analysis.tables.table import Cell, Head, Table, rule_words, verdict_cell

PAIRED = (
    "95 % t interval of their mean, not adjusted; p of the two-sided sign-flip permutation test; equivalence by two "
    "one-sided t tests at"
)


def test_words(a: Assessment) -> str:
    """How each comparison of a family is tested."""
    near = wording.margin(a.results.info.smallest_effect, a.results.info.measure)
    if a.looked is not None:
        return (
            f"as the last look left them that judged them, on its {a.results.info.unit}s (table of the looks). 95 % "
            "interval that holds at all looks together; p of that look's two-sided sign-flip permutation test; after "
            f"Holm, of all looks so far; equivalence by two one-sided t tests at ±{near}"
        )
    return f"{PAIRED} ±{near}"


def family_words(a: Assessment, judged: Iterable[ContrastResult], what: str) -> str:
    """What Holm's correction runs over."""
    if a.looked is not None:
        return text.count(len(a.planned) + len(a.factorial.effects), "contrast or effect", "contrasts and effects")
    return text.count(tested(judged), what)


def tested(judged: Iterable[ContrastResult]) -> int:
    """How many of a family could be tested."""
    return sum(not math.isnan(j.p) for j in judged)


def contrasts_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """The planned contrasts with their verdicts; a row without diverged networks where that changes one."""
    info = a.results.info
    rows: list[list[Cell]] = []
    anchors: list[str] = []
    marked: set[int] = set()
    for i, judged in enumerate(a.planned):
        codes = codes_for(found, "table-contrasts", judged.contrast.name)
        rows.append(contrast_cells(judged, info.measure, tuple(codes)))
        anchors.append(contrast_row(i))
        kept = a.planned_kept[i] if a.planned_kept else None
        if kept is not None and _has_diverged(a, judged):
            marked.add(len(rows))
            rows.append(small(contrast_cells(kept, info.measure, ())))
            anchors.append("")
    caption = (
        f"Differences of {info.measure.label} ({info.measure.direction}), one per {info.unit} that all conditions of "
        f"the contrast have: {test_words(a)}. Holm: over the {family_words(a, a.planned, 'test')} here. "
        "Welch: t test as if unpaired, as a check. g: Hedges' g. P(A > B): chance that a "
        f"{'network' if info.unit == 'seed' else info.unit} of the first side is above one of the second."
        f"{rule_words(info)}{info.conditional_sentence}"
    )
    if marked:
        caption += " Small rows: the same without diverged networks."
    return Table(
        "contrasts",
        "Planned contrasts",
        caption,
        contrast_heads(info.measure),
        rows,
        frozenset(marked),
        tuple(anchors),
    )


def _has_diverged(a: Assessment, judged: ContrastResult) -> bool:
    if not len(judged.pairs):
        return False
    lost = a.results.diverged_units()
    return bool(lost.loc[judged.pairs.index, list(judged.contrast.conditions)].to_numpy().any())


def contrast_heads(measure: Measure) -> tuple[Head, ...]:
    """The heads over `contrast_cells`."""
    names = ("95 % interval", "pairs", "p", "p, Holm", "p, Welch", "g", "P(A > B)", "equivalence p, Holm")
    return (
        Head("Contrast", "left"),
        Head("verdict", "left"),
        Head(f"difference{unit_of(measure)}"),
        *(Head(n) for n in names),
    )


def contrast_cells(judged: ContrastResult, measure: Measure, codes: tuple[str, ...]) -> list[Cell]:
    """The row of one contrast."""
    t = judged.interval
    unpaired = f"{len(judged.unpaired)} unpaired" if judged.unpaired else ""
    return [
        Cell(judged.contrast.name, _sides(judged), codes=codes),
        verdict_cell(judged.verdict),
        Cell(text.number(t.mean * measure.scale, measure.decimals, sign=True)),
        Cell(wording.between(t.low, t.high, measure), judged.reason),
        Cell(str(t.n), unpaired),
        *(Cell(text.p_value(p)) for p in (judged.p, judged.p_holm, judged.p_welch)),
        Cell(text.number(judged.g, 2, sign=True)),
        Cell(text.number(judged.superiority, 2)),
        Cell(text.p_value(judged.p_equivalence_holm)),
    ]


def _sides(judged: ContrastResult) -> str:
    """What a contrast compares, where its name does not say it."""
    c = judged.contrast
    if len(c.conditions) == 2 and all(name in c.name for name in c.conditions):
        return ""
    of, minus = (wording.side(names) for names in (c.of, c.minus))
    return f"{of} minus {minus}"


def small(cells: list[Cell]) -> list[Cell]:
    """A row as small print: the same without diverged networks."""
    first = Cell("", "without diverged networks")
    return [first, *(Cell("", c.text) for c in cells[1:])]


def pairs_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """Every pair of conditions."""
    info = a.results.info
    measure = info.measure
    heads = (
        Head("Pair", "left"),
        Head("verdict", "left"),
        Head(f"difference{unit_of(measure)}"),
        *(Head(n) for n in ("95 % interval", "pairs", "p", "p, Holm", "p, Welch", "g")),
    )
    rows = []
    for judged in a.pairs:
        codes = tuple(codes_for(found, "table-pairs", judged.contrast.name))
        rows.append(contrast_cells(judged, measure, codes)[: len(heads)])
    caption = (
        "Exploratory: nobody planned these. Columns as for the planned contrasts; Holm over all "
        f"{text.count(tested(a.pairs), 'test')}."
    )
    if a.looked is not None:
        caption += " Of all networks that there are, and not corrected for the looks."
    if info.evidence:
        caption += " A verdict here is a question for the next study, not an answer of this one."
    title = f"All {text.count(len(a.pairs), 'pair')} (exploratory)"
    return Table("pairs", title, caption, heads, rows, folded=len(rows) > 12)


def unit_of(measure: Measure) -> str:
    """The unit of differences, for the head of a column."""
    return f" ({measure.difference_unit})" if measure.difference_unit else ""
