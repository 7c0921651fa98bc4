"""What the final networks of each condition reached."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.measure import Measure
from analysis.results.study import ConditionInfo, StudyInfo
from analysis.results.summaries import Performance, Tuning, by_condition
from analysis.statistics.intervals import BOOTSTRAP_FROM, MeanInterval
from analysis.tables.table import Cell, Head, Table


def conditions_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """The table of conditions: final performance, network, cost. With a row without them where networks diverged."""
    info = a.results.info
    measure = info.measure
    group = f"Final {measure.axis}"
    names = ("mean", "95 % interval", "SD", "test-set SE", "IQM", "n", "median", "min", "max")
    heads = (
        Head("Condition", "left"),
        *(Head(name, group=group) for name in names),
        *(Head(name, group="Network") for name in ("neurons", "parameters", "delay")),
        *(Head(name, group="Cost") for name in ("trials", "time per network")),
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
            blank = [Cell("")] * (len(heads) - 7)
            rows.append([label, *cells, Cell(""), Cell(""), Cell("", str(row.finished - row.diverged)), *blank])
    one = "seed" if info.repeats == 1 else "repeat of the search, the mean of its networks,"
    caption = (
        f"Each {one} is one observation of {measure.label} ({measure.direction}). Interval: 95 % t interval of the "
        f"mean over {info.unit}s.{info.conditional_sentence} {_test_set_words(info)} IQM: interquartile mean, "
        f"the mean of the middle half, with its 95 % bootstrap interval, from {BOOTSTRAP_FROM} {info.unit}s on. n: "
        "finished of planned networks. Delay: of the "
        "lateral input. Trials: configurations tried in the search. Time: mean wall time to train one final "
        f"network.{_missing_words(a.performances)}{_diverged_words(a.performances)}{_untold(a)}"
    )
    return Table("conditions", "Conditions", caption, heads, rows, frozenset(marked))


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
        Cell(text.number(row.test_error * measure.scale, measure.decimals)),
        Cell(text.number(middle.iqm * measure.scale, measure.decimals), "" if shown == text.NOTHING else shown),
        Cell(f"{row.finished}/{row.planned}", text.listed(_number_notes(info, row))),
        *(Cell(x) for x in spread),
        Cell(f"{condition.hidden_size:,}"),
        Cell(f"{condition.trained_parameters:,}"),
        Cell(delay(condition, info.task.time_step_ms)),
        Cell(str(sum(t.ended for t in searches)) if condition.planned["search"] else text.NOTHING),
        Cell(text.duration(row.seconds)),
    ]


def _number_notes(info: StudyInfo, row: Performance) -> list[str]:
    """What must be known of a number of networks: how many units they make, and how many of them diverged."""
    repeats = [text.count(row.interval.n, info.unit)] if info.repeats > 1 else []
    return [*repeats, *([f"{row.diverged} diverged"] if row.diverged else [])]


def _test_set_words(info: StudyInfo) -> str:
    """What the test set adds to the uncertainty, or why that is not known."""
    if not info.task.held_out:
        return "Test-set SE: not available, as the task holds no data out."
    n = text.count(info.task.splits["test"], "test sample")
    alone = (
        "No interval of this report covers another draw of the test data, those of differences between conditions "
        f"included: all networks were tested on the same {n}."
    )
    if info.declaration.primary != "accuracy":
        return f"Test-set SE: not available for a loss, as those of single samples are not recorded. {alone}"
    return f"Test-set SE: binomial standard error of the mean with {n}, beside the interval, not in it. {alone}"


def delay(condition: ConditionInfo, time_step_ms: float) -> str:
    """The delay of the lateral input in words: 'none', '1 ms'."""
    steps = condition.delay_steps
    return "none" if steps is None else f"{steps * time_step_ms:g} ms"


def _untold(a: Assessment) -> str:
    """Why no condition's spread can be divided between searches and seeds, where that is so for one reason."""
    reason, *others = {c.reason for c in a.components} or {""}
    return f" {reason[0].upper()}{reason[1:]}." if reason and not others else ""


def _missing_words(rows: Sequence[Performance]) -> str:
    lacking = [f"{r.condition} lacks seeds {text.listed(r.missing_seeds)}" for r in rows if r.missing_seeds]
    return f" Missing networks: {'; '.join(lacking)}." if lacking else ""


def _diverged_words(rows: Sequence[Performance]) -> str:
    if not any(r.diverged for r in rows):
        return ""
    return (
        " Diverged networks stay in, at the value of chance; the rows below them show what leaving them out would give."
    )
