"""Table 1: what the final networks of each condition reached."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import text
from analysis.assessment import Assessment
from analysis.cautions import Caution, codes_for
from analysis.intervals import BOOTSTRAP_FROM, MeanInterval
from analysis.sheets.sheet import Cell, Head, Sheet
from analysis.study import ConditionInfo, Measure
from analysis.summaries import Performance, Tuning, by_condition


def conditions_sheet(a: Assessment, found: list[Caution]) -> Sheet:
    """The table of conditions: final performance, network, cost. With a row without them where networks diverged."""
    info = a.results.info
    measure = info.measure
    group = f"Final {measure.axis}"
    names = ("mean", "95 % interval", "SD", "IQM", "n", "median", "min", "max")
    heads = (
        Head("Condition", "left"),
        *(Head(name, group=group) for name in names),
        *(Head(name, group="Network") for name in ("neurons", "parameters", "delay")),
        *(Head(name, group="Cost") for name in ("trials", "time a network")),
    )
    rows: list[list[Cell]] = []
    marked: set[int] = set()
    searches = by_condition(a.tunings)
    for condition, row in zip(info.conditions, a.performances, strict=True):
        if condition.name == info.reference:
            marked.add(len(rows))
        codes = codes_for(found, "table-conditions", condition.name)
        rows.append(_condition_row(a, condition, row, searches[condition.name], codes))
        if row.without_diverged is not None:
            label = Cell("", f"without {row.diverged} diverged")
            cells = [Cell("", c.text) for c in _interval_cells(row.without_diverged, measure)]
            blank = [Cell("")] * (len(heads) - 6)
            rows.append([label, *cells, Cell(""), Cell("", str(row.without_diverged.n)), *blank])
    caption = (
        f"Each network is one observation: {measure.label} ({measure.direction}) of one seed. Interval: 95 % t "
        "interval of the mean over seeds. IQM: interquartile mean, the mean of the middle half, with its 95 % "
        f"bootstrap interval from {BOOTSTRAP_FROM} networks on. n: finished of planned networks. Delay: of the "
        "lateral input. Trials: configurations tried in the search. Time: mean wall time to train one final "
        f"network.{_missing_words(a.performances)}{_diverged_words(a.performances)}"
    )
    return Sheet("conditions", "Table 1. Conditions", caption, heads, rows, frozenset(marked))


def _interval_cells(interval: MeanInterval, measure: Measure) -> list[Cell]:
    low, high = interval.low * measure.scale, interval.high * measure.scale
    shown = text.interval(low, high, measure.decimals)
    reason = interval.reason if interval.n and shown == text.NOTHING else ""
    mean, sd = (text.number(x * measure.scale, measure.decimals) for x in (interval.mean, interval.sd))
    return [Cell(mean), Cell(shown, reason), Cell(sd)]


def _condition_row(
    a: Assessment, condition: ConditionInfo, row: Performance, searches: Sequence[Tuning], codes: list[str]
) -> list[Cell]:
    info = a.results.info
    measure = info.measure
    spread = [text.number(x * measure.scale, measure.decimals) for x in (row.median, row.minimum, row.maximum)]
    middle = row.middle
    shown = text.interval(middle.low * measure.scale, middle.high * measure.scale, measure.decimals)
    return [
        Cell(condition.name, "reference" if condition.name == info.reference else "", condition, codes=tuple(codes)),
        *_interval_cells(row.interval, measure),
        Cell(text.number(middle.iqm * measure.scale, measure.decimals), "" if shown == text.NOTHING else shown),
        Cell(f"{row.interval.n}/{row.planned}", f"{row.diverged} diverged" if row.diverged else ""),
        *(Cell(x) for x in spread),
        Cell(f"{condition.hidden_size:,}"),
        Cell(f"{condition.trained_parameters:,}"),
        Cell(delay(condition, info.task.time_step_ms)),
        Cell(str(sum(t.ended for t in searches)) if condition.planned["search"] else text.NOTHING),
        Cell(text.duration(row.seconds)),
    ]


def delay(condition: ConditionInfo, time_step_ms: float) -> str:
    """The delay of the lateral input in words: 'none', '1 ms'."""
    steps = condition.delay_steps
    return "none" if steps is None else f"{steps * time_step_ms:g} ms"


def _missing_words(rows: Sequence[Performance]) -> str:
    lacking = [f"{r.condition} lacks seeds {text.listed(r.missing_seeds)}" for r in rows if r.missing_seeds]
    return f" Missing networks: {'; '.join(lacking)}." if lacking else ""


def _diverged_words(rows: Sequence[Performance]) -> str:
    if not any(r.diverged for r in rows):
        return ""
    return (
        " Diverged networks stay in, at the value of chance; the rows below them show what leaving them out would give."
    )
