"""The effects of the declared factors, the means of their levels, and pairs of levels without an order."""

from __future__ import annotations

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.findings import effect_row
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.measure import Measure
from analysis.statistics import wording
from analysis.statistics.factorial import Effect
from analysis.tables.comparisons import (
    PAIRED,
    contrast_cells,
    contrast_heads,
    family_words,
    small,
    test_words,
    tested,
    unit_of,
)
from analysis.tables.table import Cell, Head, Table, rule_words, verdict_cell
from glifr.records import Factor


def factorial_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """The effects; a row without diverged networks below each where some diverged."""
    measure = a.results.info.measure
    heads = (
        Head("Effect", "left"),
        Head("verdict", "left"),
        Head(f"estimate{unit_of(measure)}"),
        *(Head(n) for n in ("95 % interval", "n", "p", "p, Holm", "equivalence p, Holm", "η²")),
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
            rows.append(small(_effect_cells(kept[i], measure, ())))
            anchors.append("")
    title, caption = "Effects of the factors", _factorial_caption(a)
    if kept:
        caption += " Small rows: the same without diverged networks."
    return Table("factorial", title, caption, heads, rows, frozenset(marked), tuple(anchors))


def _effect_cells(effect: Effect, measure: Measure, codes: tuple[str, ...]) -> list[Cell]:
    kind = {"difference": "", "trend": "trend", "levels": f"largest: {effect.largest}"}[effect.kind]
    return [
        Cell(effect.name, "; ".join(filter(None, (kind, effect.at))), codes=codes),
        verdict_cell(effect.verdict),
        Cell(text.number(effect.estimate * measure.scale, measure.decimals, sign=True)),
        Cell(wording.between(effect.low, effect.high, measure), effect.judged.reason),
        Cell(str(effect.units)),
        *(Cell(text.p_value(p)) for p in (effect.p, effect.p_holm, effect.p_equivalence_holm)),
        Cell(text.number(effect.eta2, 2)),
    ]


def _factorial_caption(a: Assessment) -> str:
    f, info = a.factorial, a.results.info
    kinds = {effect.kind for effect in f.effects}
    caption = (
        f"{text.count(len(f.cells), 'condition')} ({text.listed(f.cells)}) as cells of a factorial: "
        f"{'; '.join(map(factor_words, info.factors))}. For each effect one number per {info.unit} with "
        "all its cells: the mean at the second level minus that at the first, over the levels of the others; for an "
        "interaction (×) the difference of such differences, positive where the second levels give more together than "
        "they add up to."
    )
    if "trend" in kinds:
        caption += " Trend: the change from the first level to the last on the straight line through the levels' means."
    if "levels" in kinds:
        caption += (
            " Levels without an order: whether any two of them differ, by one permutation test of the largest "
            f"difference in which all differences of a {info.unit} change sign together; shown is the largest, its "
            "interval widened for the choice (Bonferroni)."
        )
    caption += (
        f" n: how many such numbers. They are judged as a planned contrast is: {test_words(a)}; Holm over the "
        f"{family_words(a, (e.judged for e in f.effects), 'effect')}. η²: partial, with the {info.unit} as a factor "
        f"of its own; a description, no test rests on it.{rule_words(info)}{info.conditional_sentence}"
    )
    if f.untested:
        caption += f" Not testable with these conditions: {text.listed(f.untested)}."
    if f.incomplete:
        caption += f" Left out of an effect that needs a cell they lack: {info.unit}s {text.listed(f.incomplete)}."
    return caption


def factor_words(factor: Factor) -> str:
    """'delay (0.5, 1 and 2, ordered)'."""
    scale = " on a logarithmic scale" if factor.scale == "log" else ""
    return (
        f"{factor.name} ({text.listed([x.name for x in factor.levels])}{', ordered' if factor.ordered else ''}{scale})"
    )


def levels_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """The mean of each level of each factor."""
    info = a.results.info
    measure = info.measure
    unit = f" ({measure.unit})" if measure.unit else ""
    heads = (
        Head("Factor", "left"),
        Head("level", "left"),
        Head(f"mean{unit}"),
        *(Head(n) for n in ("95 % interval", "band of the curve", "n")),
    )
    rows = []
    for mean in a.factorial.means:
        t, codes = mean.interval, tuple(codes_for(found, "table-levels", mean.factor.name))
        rows.append(
            [
                Cell(mean.factor.name, mean.at, codes=codes),
                Cell(mean.level.name, text.listed(mean.level.conditions, limit=8)),
                Cell(text.number(t.mean * measure.scale, measure.decimals)),
                Cell(text.interval(t.low * measure.scale, t.high * measure.scale, measure.decimals), t.reason),
                Cell(text.interval(mean.band_low * measure.scale, mean.band_high * measure.scale, measure.decimals)),
                Cell(str(t.n)),
            ]
        )
    caption = (
        f"{measure.label.capitalize()} ({measure.direction}) at each level, the mean over the cells of the other "
        f"factors within each {info.unit} that has them all (n), with its 95 % t interval. Such intervals hold the "
        f"spread between {info.unit}s, which effects do not: levels are compared by the effects. Band, of an ordered "
        f"factor: the same, so that it holds the whole curve (Bonferroni over its levels).{info.conditional_sentence}"
    )
    return Table("levels", "Levels of the factors", caption, heads, rows)


def level_pairs_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """Every difference between two levels that have no order."""
    info, judged = a.results.info, a.factorial.pairs
    rows = [
        contrast_cells(j, info.measure, tuple(codes_for(found, "table-level_pairs", j.contrast.name))) for j in judged
    ]
    caption = (
        "Every difference between two levels of a factor that has more than two and no order, over the levels of the "
        f"others: which of them its effect above is about. {PAIRED} "
        f"±{wording.margin(info.smallest_effect, info.measure)}. Holm: over the {text.count(tested(judged), 'test')} "
        f"here.{rule_words(info)}{info.conditional_sentence}"
    )
    if a.looked is not None:
        caption += " Of all networks that there are, and not corrected for the looks."
    return Table("level_pairs", "Pairs of levels", caption, contrast_heads(info.measure), rows)
