"""Tables 2, 3 and 4: the factorial, the planned contrasts, and every pair of conditions."""

from __future__ import annotations

import math

from analysis import text, verdicts, wording
from analysis.assessment import Assessment
from analysis.cautions import Caution, codes_for
from analysis.contrasts import Judged
from analysis.factorial import Effect, Factorial
from analysis.findings import contrast_row, effect_row
from analysis.sheets.sheet import Cell, Head, Sheet
from analysis.study import Measure


def factorial_sheet(a: Assessment, found: list[Caution]) -> Sheet:
    """The seven effects; a row without diverged networks below each where some diverged."""
    measure = a.results.info.measure
    heads = (
        Head("Effect", "left"),
        Head("verdict", "left"),
        Head(f"estimate{_unit(measure)}"),
        *(Head(n) for n in ("95 % interval", "partial η²", "p", "p, Holm", "equivalence p, Holm")),
    )
    rows: list[list[Cell]] = []
    anchors: list[str] = []
    marked: set[int] = set()
    kept = a.factorial_kept.effects if a.factorial_kept else ()
    for i, effect in enumerate(a.factorial.effects):
        rows.append(_effect_cells(effect, measure, tuple(codes_for(found, "table-factorial", effect.name))))
        anchors.append(effect_row(i))
        if kept:
            marked.add(len(rows))
            rows.append(_small(_effect_cells(kept[i], measure, ())))
            anchors.append("")
    title, caption = "Table 2. The neuron's three parts", _factorial_caption(a)
    if kept:
        caption += " Small rows: the same without diverged networks."
    return Sheet("factorial", title, caption, heads, rows, frozenset(marked), tuple(anchors))


def _effect_cells(effect: Effect, measure: Measure, codes: tuple[str, ...]) -> list[Cell]:
    return [
        Cell(effect.name, codes=codes),
        verdict_cell(effect.verdict),
        Cell(text.number(effect.estimate * measure.scale, measure.decimals, sign=True)),
        Cell(wording.between(effect.low, effect.high, measure)),
        Cell(text.number(effect.eta2, 2)),
        *(Cell(text.p_value(p)) for p in (effect.p, effect.p_holm, effect.p_equivalence_holm)),
    ]


def _factorial_caption(a: Assessment) -> str:
    f: Factorial = a.factorial
    dropped = f" Seeds with a single network are left out: {text.listed(f.dropped)}." if f.dropped else ""
    return (
        f"The eight GLIFR conditions as a 2 × 2 × 2 factorial: {f.networks} networks of "
        f"{text.count(f.seeds, 'seed')}, {f.df} residual degrees of freedom. Estimate: with minus without the part, "
        "over all levels of the others; for an interaction (×) the difference of such differences, positive where "
        "the parts do more together than they add up to. Least squares with sum coding and the seed as a fixed "
        "effect; partial η² from type III sums of squares; p and intervals with HC3 standard errors. Holm: over the "
        "seven effects. Equivalence: two one-sided tests at "
        f"±{wording.margin(a.results.info.smallest_effect, a.results.info.measure)}.{dropped}"
    )


def contrasts_sheet(a: Assessment, found: list[Caution]) -> Sheet:
    """The planned contrasts with their verdicts; a row without diverged networks where that changes one."""
    info = a.results.info
    rows: list[list[Cell]] = []
    anchors: list[str] = []
    marked: set[int] = set()
    for i, judged in enumerate(a.planned):
        codes = codes_for(found, "table-contrasts", judged.contrast.name)
        rows.append(_contrast_cells(judged, info.measure, tuple(codes)))
        anchors.append(contrast_row(i))
        kept = a.planned_kept[i] if a.planned_kept else None
        if kept is not None and kept.interval.n < judged.interval.n:
            marked.add(len(rows))
            rows.append(_small(_contrast_cells(kept, info.measure, ())))
            anchors.append("")
    tested = sum(not math.isnan(j.p) for j in a.planned)
    declared = info.declaration
    caption = (
        f"Differences of {info.measure.label} ({info.measure.direction}) within each seed that all conditions of the "
        "contrast have. Interval: 95 % paired t interval of the mean difference, not adjusted. p: two-sided "
        f"sign-flip permutation test; Holm: over the {text.count(tested, 'test')} of this family. Welch: t test as if "
        "unpaired, as a check. g: Hedges' g. P(A > B): chance that a network of the first side is above one of the "
        "second. Equivalence: two one-sided paired t tests at "
        f"±{wording.margin(declared.smallest_effect, info.measure)}, Holm over the family. Verdict at α = "
        f"{declared.alpha:g}: {verdicts.RULE}."
    )
    if marked:
        caption += " Small rows: the same without diverged networks."
    return Sheet(
        "contrasts",
        "Table 3. Planned contrasts",
        caption,
        _contrast_heads(info.measure),
        rows,
        frozenset(marked),
        tuple(anchors),
    )


def _contrast_heads(measure: Measure) -> tuple[Head, ...]:
    names = ("95 % interval", "pairs", "p", "p, Holm", "p, Welch", "g", "P(A > B)", "equivalence p, Holm")
    return (
        Head("Contrast", "left"),
        Head("verdict", "left"),
        Head(f"difference{_unit(measure)}"),
        *(Head(n) for n in names),
    )


def _contrast_cells(judged: Judged, measure: Measure, codes: tuple[str, ...]) -> list[Cell]:
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


def _sides(judged: Judged) -> str:
    """What a contrast compares, where its name does not say it."""
    c = judged.contrast
    if len(c.conditions) == 2 and all(name in c.name for name in c.conditions):
        return ""
    of, minus = (wording.side(names) for names in (c.of, c.minus))
    return f"{of} minus {minus}"


def _small(cells: list[Cell]) -> list[Cell]:
    first = Cell("", "without diverged networks")
    return [first, *(Cell("", c.text) for c in cells[1:])]


def verdict_cell(verdict: verdicts.Verdict) -> Cell:
    """A verdict, to be set apart by its colour and its word."""
    return Cell(verdict, verdict=verdict)


def pairs_sheet(a: Assessment) -> Sheet:
    """Every pair of conditions."""
    info = a.results.info
    measure = info.measure
    heads = (
        Head("Pair", "left"),
        Head("verdict", "left"),
        Head(f"difference{_unit(measure)}"),
        *(Head(n) for n in ("95 % interval", "pairs", "p", "p, Holm", "p, Welch", "g")),
    )
    rows = [_contrast_cells(judged, measure, ())[: len(heads)] for judged in a.pairs]
    tested = sum(not math.isnan(j.p) for j in a.pairs)
    caption = (
        f"Exploratory: nobody planned these. Columns as in table 3; Holm over all {text.count(tested, 'test')}. A "
        "verdict here is a question for the next study, not an answer of this one."
    )
    title = f"Table 4. All {text.count(len(a.pairs), 'pair')} (exploratory)"
    return Sheet("pairs", title, caption, heads, rows, folded=len(rows) > 12)


def _unit(measure: Measure) -> str:
    return f" ({measure.difference_unit})" if measure.difference_unit else ""
