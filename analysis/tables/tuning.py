"""What the searches cost and found, and the settings they chose.

In a study that repeats its search a row is a condition, with medians and ranges over its searches; each search has a
row of its own in a folded table below.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis import text
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.results.load import Results
from analysis.results.optimism import Optimism
from analysis.results.study import ConditionInfo
from analysis.results.summaries import Tuning, by_condition
from analysis.statistics.importance import as_shown
from analysis.tables.table import Cell, Head, Table, reference_rows
from glifr.conditions import HYPERPARAMETERS
from glifr.records import Value

_PLACE = "table-settings"
_BUDGET = (
    Head("Condition", "left"),
    *(Head(name, group="Trials") for name in ("planned", "done", "pruned", "failed", "diverged", "epochs", "time")),
    *(Head(name, group="Score, lower is better") for name in ("search", "confirmed", "final", "final − chosen")),
)
_OVER = "One row per condition and all its searches"
_EACH = "One row per condition and repeat of its search, counted from 0. "


def tuning_sheets(results: Results, tuned: Sequence[Tuning], found: list[ReportWarning]) -> list[Table]:
    """Budgets and scores, then settings; with a folded table of the single searches after each if they are several."""
    if results.info.repeats == 1:
        return [_budgets(results, tuned), _settings(results, tuned, found)]
    return [
        _budgets_over(results, tuned),
        _budgets(results, tuned),
        _settings_over(results, tuned, found),
        _settings(results, tuned, found),
    ]


# -- budgets and scores ------------------------------------------------------------------------------------------------


def _budgets(results: Results, tuned: Sequence[Tuning]) -> Table:
    """The budget and outcome of each search."""
    by_name = {c.name: c for c in results.info.conditions}
    rows = []
    for t in tuned:
        confirmed = [text.significant(x, trim=False) for x in t.confirmed]
        rows.append(
            [
                _searched(results, t, by_name[t.condition]),
                *_counts([t]),
                Cell(text.significant(t.chosen_value, trim=False)),
                Cell(confirmed[0] if confirmed else text.NOTHING, ", ".join(confirmed[1:])),
                Cell(text.significant(t.final_score, trim=False)),
                _gap(t.optimism),
            ]
        )
    name, title, folded = _named(results, "tuning", "Budget and scores")
    caption = _budget_caption("the best of those trained again on fresh tuning seeds, the others below")
    if folded:
        caption = f"{_EACH}Columns as above; confirmed: the others below the best."
    return Table(name, title, caption, _BUDGET, rows, _reference_rows(results, tuned), folded=folded)


def _budgets_over(results: Results, tuned: Sequence[Tuning]) -> Table:
    """The same of all searches of a condition together."""
    rows = []
    for condition, own in _grouped(results, tuned):
        rows.append(
            [
                Cell(condition.name, text.count(len(own), "search", "searches"), condition),
                *_counts(own),
                _over([t.chosen_value for t in own], _score),
                _over([t.confirmed[0] for t in own if t.confirmed], _score),
                _over([t.final_score for t in own], _score),
                _gaps([t.optimism for t in own]),
            ]
        )
    of_all = f"{_OVER}: trials and time are sums over them, scores medians with the range below. "
    caption = of_all + _budget_caption("the best of those trained again on fresh tuning seeds")
    return Table("tuning", "Budget and scores", caption, _BUDGET, rows, reference_rows(results))


def _budget_caption(confirmed: str) -> str:
    return (
        "Every trial counts for the budget, also a failed or pruned one. Diverged: trials with at least one diverged "
        "seed. Epochs of one seed and time: of search and confirmation. "
        "Score: mean validation loss after the last epoch (training loss where "
        "nothing is held out). Search: value of the chosen configuration in the search; confirmed: "
        f"{confirmed}; final: mean over the final networks. Final − chosen says how much the choice was flattered by "
        "the score that it was made by: mean score of the final networks minus that score, in the stage and after the "
        "epochs that are named below it. Scores after different epochs are never compared."
    )


def _counts(own: Sequence[Tuning]) -> list[Cell]:
    """Trials planned, done, pruned, failed and diverged, and what they cost, of some searches together."""
    numbers = [(t.trials, t.complete + t.pruned, t.pruned, t.failed, t.diverged, t.epochs) for t in own]
    return [
        *(Cell(f"{sum(n):,}") for n in zip(*numbers, strict=True)),
        Cell(text.duration(sum(t.seconds for t in own))),
    ]


def _gap(choice: Optimism) -> Cell:
    """The optimism of a choice, with where it was measured or why it was not."""
    if choice.reason:
        return Cell(text.NOTHING, f"not comparable: {choice.reason}")
    return Cell(text.significant(choice.gap, 2, sign=True), _measured(choice))


def _gaps(choices: Sequence[Optimism]) -> Cell:
    """The optimism of several choices, of those that could be measured."""
    known = [c for c in choices if not c.reason]
    if not known:
        return _gap(choices[0])
    some = f"of {len(known)} of {len(choices)} searches" if len(known) < len(choices) else ""
    middle = _over([c.gap for c in known], lambda x: text.significant(x, 2, sign=True))
    where = " or ".join(dict.fromkeys(map(_measured, known)))
    return Cell(middle.text, "; ".join(filter(None, (middle.note, where, some))))


def _measured(choice: Optimism) -> str:
    return f"{choice.stage}, {text.count(choice.epochs, 'epoch')}"


# -- settings ----------------------------------------------------------------------------------------------------------


def _settings(results: Results, tuned: Sequence[Tuning], found: list[ReportWarning]) -> Table:
    """The chosen hyperparameters of each search, each with its range."""
    names = _chosen_names(tuned)
    by_name = {c.name: c for c in results.info.conditions}
    rows = []
    for t in tuned:
        condition = by_name[t.condition]
        note = "" if t.settled or not t.chosen else "best so far"
        first = _searched(results, t, condition, note, tuple(codes_for(found, _PLACE, t.name)))
        rows.append([first, *(_setting(condition, t, name) for name in names)])
    name, title, folded = _named(results, "settings", "Chosen settings")
    caption = f"{_EACH if folded else ''}Below each value the range it was searched in.{_edge_words(tuned)}"
    return Table(name, title, caption, _setting_heads(names), rows, _reference_rows(results, tuned), folded=folded)


def _settings_over(results: Results, tuned: Sequence[Tuning], found: list[ReportWarning]) -> Table:
    """The hyperparameters that the searches of each condition chose."""
    names, rows = _chosen_names(tuned), []
    for condition, own in _grouped(results, tuned):
        codes = [code for t in own for code in codes_for(found, _PLACE, t.name)]
        note = text.count(len(own), "search", "searches")
        first = Cell(condition.name, note, condition, codes=tuple(dict.fromkeys(codes)))
        rows.append([first, *(_setting_over(condition, own, name) for name in names)])
    title, what = (
        "Chosen settings",
        "the median of what they chose, below it from least to most, and the range",
    )
    caption = f"{_OVER}: {what} that was searched.{_edge_words(tuned)}"
    return Table("settings", title, caption, _setting_heads(names), rows, reference_rows(results))


def _chosen_names(tuned: Sequence[Tuning]) -> list[str]:
    chosen = dict.fromkeys(name for t in tuned for name in t.chosen)
    return [n for n in HYPERPARAMETERS if n in chosen] + [n for n in chosen if n not in HYPERPARAMETERS]


def _setting_heads(names: Sequence[str]) -> tuple[Head, ...]:
    return (Head("Condition", "left"), *(Head(_words(n)) for n in names))


def _edge_words(tuned: Sequence[Tuning]) -> str:
    flagged = sum(len(t.edges) for t in tuned)
    return (
        f" {text.count(flagged, 'value lies', 'values lie')} within 5 % of an end of the range (on its logarithm where "
        f"it is searched so){': a wider range may hold a better one' if flagged else ''}."
    )


def _setting(condition: ConditionInfo, tuning: Tuning, name: str) -> Cell:
    if name not in tuning.chosen:
        return Cell(text.NOTHING)
    value, dimension = _shown(tuning.chosen[name]), condition.space.get(name)
    if dimension is None:
        return Cell(value, "fixed")
    if "choices" in dimension:
        return Cell(value, _choices(dimension))
    edge = f"at the {tuning.edges[name]} end of " if name in tuning.edges else ""
    return Cell(value, f"{edge}{dimension['low']:g} to {dimension['high']:g}")


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else text.significant(value)


def _choices(dimension: Mapping[str, Any]) -> str:
    return f"of {text.listed([as_shown(choice) for choice in dimension['choices']])}"


def _setting_over(condition: ConditionInfo, own: Sequence[Tuning], name: str) -> Cell:
    chosen = [t.chosen[name] for t in own if name in t.chosen]
    if not chosen:
        return Cell(text.NOTHING)
    dimension = condition.space.get(name)
    if dimension is not None and "choices" in dimension:
        often = Counter(map(_shown, chosen)).most_common()
        return Cell(", ".join(f"{value} ({count})" for value, count in often), _choices(dimension))
    middle = _over([float(value) for value in chosen], text.significant)
    if dimension is None:
        return Cell(middle.text, "fixed")
    ends = [t.edges[name] for t in own if name in t.edges]
    at = [f"{ends.count(end)} at the {end} end" for end in ("lower", "upper") if end in ends]
    return Cell(middle.text, "; ".join([middle.note, f"searched {dimension['low']:g} to {dimension['high']:g}", *at]))


# -- both --------------------------------------------------------------------------------------------------------------


def _named(results: Results, name: str, title: str) -> tuple[str, str, bool]:
    """Name and title of a table of single searches, and whether it is folded below one of conditions."""
    several = results.info.repeats > 1
    return (f"{name}_searches", f"{title}, search by search", True) if several else (name, title, False)


def _score(value: float) -> str:
    return text.significant(value, trim=False)


def _over(values: Sequence[float], shown: Callable[[float], str]) -> Cell:
    """The median of what several searches found, with the range."""
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return Cell(text.NOTHING)
    return Cell(shown(float(np.median(known))), f"{shown(min(known))} to {shown(max(known))}")


def _grouped(results: Results, tuned: Sequence[Tuning]) -> list[tuple[ConditionInfo, list[Tuning]]]:
    searches = by_condition(tuned)
    return [(condition, searches[condition.name]) for condition in results.info.conditions]


def _reference_rows(results: Results, tuned: Sequence[Tuning]) -> frozenset[int]:
    return frozenset(i for i, t in enumerate(tuned) if t.condition == results.info.reference)


def _searched(
    results: Results, t: Tuning, condition: ConditionInfo, note: str = "", codes: tuple[str, ...] = ()
) -> Cell:
    """The first cell of a row: the condition, and which repeat of its search where there are several."""
    several = f"repeat {t.repeat}" if results.info.repeats > 1 else ""
    return Cell(condition.name, ", ".join(filter(None, (several, note))), condition, codes=codes)


def _words(name: str) -> str:
    return name.replace("after_spike", "after-spike").replace("_", " ").capitalize()
