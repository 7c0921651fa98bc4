"""Table 6: what each search cost and found, and the settings it chose."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import text
from analysis.judgement.warnings import Caution, codes_for
from analysis.results.load import Results
from analysis.results.optimism import Optimism
from analysis.results.study import ConditionInfo
from analysis.results.summaries import Tuning
from analysis.tables.table import Cell, Head, Sheet


def tuning_sheet(results: Results, tuned: Sequence[Tuning]) -> Sheet:
    """The budget and outcome of each condition's search."""
    heads = (
        Head("Condition", "left"),
        *(Head(name, group="Trials") for name in ("planned", "done", "pruned", "failed", "diverged", "time")),
        *(Head(name, group="Score, lower is better") for name in ("search", "confirmed", "final", "final − chosen")),
    )
    by_name = {c.name: c for c in results.info.conditions}
    rows = []
    for t in tuned:
        counts = (t.trials, t.complete + t.pruned, t.pruned, t.failed, t.diverged)
        confirmed = [text.significant(x, trim=False) for x in t.confirmed]
        rows.append(
            [
                _searched(results, t, by_name[t.condition]),
                *(Cell(str(n)) for n in counts),
                Cell(text.duration(t.seconds)),
                Cell(text.significant(t.chosen_value, trim=False)),
                Cell(confirmed[0] if confirmed else text.NOTHING, ", ".join(confirmed[1:])),
                Cell(text.significant(t.final_score, trim=False)),
                _gap(t.optimism),
            ]
        )
    caption = (
        f"{_one_row(results)}Every trial counts for the budget, also a failed or pruned one. Diverged: trials with at "
        "least one diverged seed. Time: of search and confirmation. Score: mean validation loss after the last epoch "
        "(training loss where nothing is held out). Search: value of the chosen configuration in the search; "
        "confirmed: the best of those trained again on fresh tuning seeds, the others below; final: mean over the "
        "final networks. Final − chosen says how much the choice was flattered by the score that it was made by: mean "
        "score of the final networks minus that score, in the stage and after the epochs that are named below it. "
        "Scores after different epochs are never compared."
    )
    return Sheet("tuning", "Table 6a. Budget and scores", caption, heads, rows, _reference_rows(results, tuned))


def _gap(choice: Optimism) -> Cell:
    """The optimism of a choice, with where it was measured or why it was not."""
    if choice.reason:
        return Cell(text.NOTHING, f"not comparable: {choice.reason}")
    return Cell(text.significant(choice.gap, 2, sign=True), f"{choice.stage}, {text.count(choice.epochs, 'epoch')}")


def settings_sheet(results: Results, tuned: Sequence[Tuning], found: list[Caution]) -> Sheet:
    """The chosen hyperparameters, each with its range."""
    names = [n for n in results.info.dimensions if any(n in t.chosen for t in tuned)]
    rows = []
    by_name = {c.name: c for c in results.info.conditions}
    for t in tuned:
        condition = by_name[t.condition]
        note = "" if t.settled or not t.chosen else "best so far"
        codes = tuple(codes_for(found, "table-settings", condition.name)) if t.repeat == 0 else ()
        first = _searched(results, t, condition, note, codes)
        rows.append([first, *(_setting(condition, t, name) for name in names)])
    heads = (
        Head("Condition", "left"),
        *(Head(_words(n)) for n in names),
    )
    flagged = sum(len(t.edges) for t in tuned)
    caption = (
        f"{_one_row(results)}Below each value the range it was searched in. "
        f"{text.count(flagged, 'value lies', 'values lie')} within 5 % of an end of the range (on its logarithm where "
        "it is searched so)"
        f"{': a wider range may hold a better one' if flagged else ''}."
    )
    return Sheet("settings", "Table 6b. Chosen settings", caption, heads, rows, _reference_rows(results, tuned))


def _one_row(results: Results) -> str:
    return "One row per condition and repeat of its search, counted from 0. " if results.info.repeats > 1 else ""


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


def _setting(condition: ConditionInfo, tuning: Tuning, name: str) -> Cell:
    if name not in tuning.chosen:
        return Cell(text.NOTHING)
    chosen, dimension = tuning.chosen[name], condition.space.get(name)
    value = chosen if isinstance(chosen, str) else text.significant(chosen)
    if dimension is None:
        return Cell(value, "fixed")
    if "choices" in dimension:
        return Cell(value, f"of {text.listed([str(choice) for choice in dimension['choices']])}")
    edge = f"at the {tuning.edges[name]} end of " if name in tuning.edges else ""
    return Cell(value, f"{edge}{dimension['low']:g} to {dimension['high']:g}")
