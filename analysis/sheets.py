"""The report's tables as rows of ready texts; the template only lays them out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis import text
from analysis.comparisons import Difference
from analysis.intervals import MeanInterval
from analysis.load import Results
from analysis.study import ConditionInfo, Measure
from analysis.summaries import Performance, Tuning
from glifr.conditions import HYPERPARAMETERS
from glifr.records import STAGES

Align = Literal["left", "right"]
_ALPHA = 0.05


@dataclass(frozen=True)
class Cell:
    """One cell. note: small print below the text. condition: draws its marker before the text."""

    text: str
    note: str = ""
    condition: ConditionInfo | None = None


@dataclass(frozen=True)
class Head:
    """The head of a column. group: the heading that it shares with its neighbours."""

    text: str
    align: Align = "right"
    group: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table of the report. marked: rows set apart (the reference condition)."""

    name: str
    title: str
    caption: str
    heads: tuple[Head, ...]
    rows: list[list[Cell]]
    marked: frozenset[int] = field(default_factory=frozenset)

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


def _reference(results: Results) -> frozenset[int]:
    return frozenset(i for i, name in enumerate(results.info.names) if name == results.info.reference)


def design_sheet(results: Results) -> Sheet:
    """What the conditions are."""
    conditions = results.info.conditions
    keys = list(dict.fromkeys(key for c in conditions for key in c.features))
    rows = [
        [Cell(c.name, condition=c), *(Cell(c.features.get(key, text.NOTHING)) for key in keys), Cell(c.difference)]
        for c in conditions
    ]
    names = ("condition", *keys, "difference from the reference")
    heads = tuple(Head(name.capitalize(), "left") for name in names)
    return Sheet("design", "The conditions", "", heads, rows, _reference(results))


def counts_sheet(results: Results) -> Sheet:
    """Planned, done, pruned, failed and diverged, per condition and stage."""
    stages = [stage for stage in STAGES if results.info.planned(stage)]
    rows = []
    for condition in (*results.info.conditions, None):
        name = condition.name if condition else None
        counts = [{what: results.count(what, s, name) for what in results.counts.columns[2:]} for s in stages]
        diverged = results.count("diverged", "final", name)
        rows.append([Cell(name or "all", condition=condition), *(_count_cell(c) for c in counts), Cell(str(diverged))])
    heads = (Head("Condition", "left"), *(Head(s.capitalize()) for s in stages), Head("Diverged final networks"))
    caption = "Units done of those planned. A pruned trial (stopped early) is done; a failed unit gave no result."
    return Sheet("counts", "What has run", caption, heads, rows, _reference(results))


def _count_cell(counts: dict[str, int]) -> Cell:
    notes = [f"{counts[what]} {what}" for what in ("pruned", "failed", "unfinished", "not started") if counts[what]]
    return Cell(f"{counts['complete'] + counts['pruned']}/{counts['planned']}", ", ".join(notes))


def conditions_sheet(results: Results, rows: Sequence[Performance], tuned: Sequence[Tuning]) -> Sheet:
    """The table of conditions: final performance, network, cost. With a row without them where networks diverged."""
    measure = results.info.task.measure
    group = f"Final {measure.axis}"
    heads = (
        Head("Condition", "left"),
        *(Head(name, group=group) for name in ("mean", "95 % interval", "SD", "n", "median", "min", "max")),
        *(Head(name, group="Network") for name in ("neurons", "parameters", "delay")),
        *(Head(name, group="Cost") for name in ("trials", "time a network")),
    )
    sheet_rows: list[list[Cell]] = []
    marked: set[int] = set()
    for condition, row, tuning in zip(results.info.conditions, rows, tuned, strict=True):
        if condition.name == results.info.reference:
            marked.add(len(sheet_rows))
        sheet_rows.append(_condition_row(results, condition, row, tuning))
        if row.without_diverged is not None:
            label = Cell("", f"without {row.diverged} diverged")
            cells = [Cell("", c.text) for c in _interval_cells(row.without_diverged, measure)]
            sheet_rows.append([label, *cells, Cell("", str(row.without_diverged.n)), *[Cell("")] * 8])
    caption = (
        f"Each network is one observation: {measure.label} ({measure.direction}) of one seed. "
        "Interval: 95 % t interval of the mean over seeds. n: finished of planned networks. "
        "Delay: of the lateral input. Trials: configurations tried in the search. Time: mean wall "
        "time to train one final network."
        f"{_missing_words(rows)}{_diverged_words(rows)}"
    )
    return Sheet("conditions", "Conditions", caption, heads, sheet_rows, frozenset(marked))


def _interval_cells(interval: MeanInterval, measure: Measure) -> list[Cell]:
    low, high = interval.low * measure.scale, interval.high * measure.scale
    shown = text.interval(low, high, measure.decimals)
    reason = interval.reason if interval.n and shown == text.NOTHING else ""
    mean, sd = (text.number(x * measure.scale, measure.decimals) for x in (interval.mean, interval.sd))
    return [Cell(mean), Cell(shown, reason), Cell(sd)]


def _condition_row(results: Results, condition: ConditionInfo, row: Performance, tuning: Tuning) -> list[Cell]:
    measure = results.info.task.measure
    spread = [text.number(x * measure.scale, measure.decimals) for x in (row.median, row.minimum, row.maximum)]
    return [
        Cell(condition.name, "reference" if condition.name == results.info.reference else "", condition),
        *_interval_cells(row.interval, measure),
        Cell(f"{row.interval.n}/{row.planned}", f"{row.diverged} diverged" if row.diverged else ""),
        *(Cell(x) for x in spread),
        Cell(f"{condition.hidden_size:,}"),
        Cell(f"{condition.trained_parameters:,}"),
        Cell(delay(condition, results.info.task.time_step_ms)),
        Cell(str(tuning.complete + tuning.pruned + tuning.failed) if tuning.trials else text.NOTHING),
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


def differences_sheet(results: Results, differences: Sequence[Difference]) -> Sheet:
    """Paired differences from the reference."""
    measure, reference = results.info.task.measure, results.info.reference
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    names = (f"Mean difference{unit}", "95 % interval", "Pairs", "p", "p, Holm", "Smallest p possible")
    heads = (Head("Condition", "left"), *(Head(name) for name in names))
    by_name = {c.name: c for c in results.info.conditions}
    rows = []
    for d in differences:
        t, scale = d.interval, measure.scale
        between = text.interval(t.low * scale, t.high * scale, measure.decimals, sign=True)
        rows.append(
            [
                Cell(d.condition, condition=by_name[d.condition]),
                Cell(text.number(t.mean * scale, measure.decimals, sign=True)),
                Cell(between, t.reason),
                Cell(str(t.n), f"{len(d.unpaired)} unpaired" if d.unpaired else ""),
                Cell(text.p_value(d.p)),
                Cell(text.p_value(d.p_holm)),
                Cell(text.significant(d.smallest_p, 2)),
            ]
        )
    tested = [d for d in differences if not math.isnan(d.p)]
    caption = (
        f"Condition minus {reference} ({measure.direction}), paired by seed: only seeds that both have. Interval: "
        "95 % paired t interval of the mean difference, not adjusted for the number of comparisons. p: two-sided "
        "sign-flip permutation test of the mean difference; Holm: adjusted over the "
        f"{text.count(len(tested), 'test')} of this table. Smallest p possible: what the test could give at best with "
        f"so many pairs, before Holm.{_unreachable(tested)} An interval that includes 0 leaves the question open at "
        "this number of seeds."
    )
    return Sheet("differences", f"Differences from {reference}", caption, heads, rows)


def _unreachable(tested: Sequence[Difference]) -> str:
    if not tested or min(d.smallest_p for d in tested) * len(tested) < _ALPHA:
        return ""
    need = next(n for n in range(2, 64) if 2.0 ** (1 - n) * len(tested) < _ALPHA)
    return f" With so few pairs no adjusted p can fall below {_ALPHA}, whatever the difference; {need} seeds could."


def tuning_sheet(results: Results, tuned: Sequence[Tuning]) -> Sheet:
    """The budget and outcome of each condition's search."""
    heads = (
        Head("Condition", "left"),
        *(Head(name, group="Trials") for name in ("planned", "done", "pruned", "failed", "diverged", "time")),
        *(Head(name, group="Score, lower is better") for name in ("search", "confirmed", "final", "final − search")),
    )
    by_name = {c.name: c for c in results.info.conditions}
    rows = []
    for t in tuned:
        counts = (t.trials, t.complete + t.pruned, t.pruned, t.failed, t.diverged)
        confirmed = [text.significant(x, trim=False) for x in t.confirmed]
        rows.append(
            [
                Cell(t.condition, condition=by_name[t.condition]),
                *(Cell(str(n)) for n in counts),
                Cell(text.duration(t.seconds)),
                Cell(text.significant(t.chosen_value, trim=False)),
                Cell(confirmed[0] if confirmed else text.NOTHING, ", ".join(confirmed[1:])),
                Cell(text.significant(t.final_score, trim=False)),
                Cell(text.significant(t.gap, 2, sign=True)),
            ]
        )
    caption = (
        "Every trial counts for the budget, also a failed or pruned one. Diverged: trials with at least one diverged "
        "seed. Time: of search and confirmation. Score: mean validation loss after the last epoch (training loss where "
        "nothing is held out). Search: value of the chosen configuration in the search; confirmed: the best of those "
        "trained again on fresh tuning seeds, the others below; final: mean over the final networks. Final − search "
        "says how much the search flattered its choice."
    )
    return Sheet("tuning", "Budget and scores", caption, heads, rows, _reference(results))


def settings_sheet(results: Results, tuned: Sequence[Tuning]) -> Sheet:
    """The chosen hyperparameters, each with its range."""
    names = list(dict.fromkeys(n for n in HYPERPARAMETERS for t in tuned if n in t.chosen))
    rows = []
    for condition, t in zip(results.info.conditions, tuned, strict=True):
        note = "" if t.settled or not t.chosen else "best so far"
        rows.append([Cell(condition.name, note, condition), *(_setting(condition, t, name) for name in names)])
    heads = (
        Head("Condition", "left"),
        *(Head(_words(n)) for n in names),
    )
    flagged = sum(len(t.edges) for t in tuned)
    caption = (
        f"Below each value the range it was searched in. {text.count(flagged, 'value lies', 'values lie')} within "
        "5 % of an end of the range (on its logarithm where it is searched so)"
        f"{': a wider range may hold a better one' if flagged else ''}."
    )
    return Sheet("settings", "Chosen settings", caption, heads, rows, _reference(results))


def _words(name: str) -> str:
    return name.replace("after_spike", "after-spike").replace("_", " ").capitalize()


def _setting(condition: ConditionInfo, tuning: Tuning, name: str) -> Cell:
    if name not in tuning.chosen:
        return Cell(text.NOTHING)
    value, dimension = text.significant(tuning.chosen[name]), condition.space.get(name)
    if dimension is None:
        return Cell(value, "fixed")
    edge = f"at the {tuning.edges[name]} end of " if name in tuning.edges else ""
    return Cell(value, f"{edge}{dimension['low']:g} to {dimension['high']:g}")
