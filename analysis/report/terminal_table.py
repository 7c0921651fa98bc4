"""The table of conditions for the terminal: every cell a ready text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis import text
from analysis.load import load
from analysis.measure import Measure
from analysis.results.load import Results
from analysis.results.summaries import Tuning, by_condition, performances, tunings
from analysis.statistics.contrasts import ContrastResult, judge
from glifr.records import pair


def summary_table(root: Path) -> pd.DataFrame:
    """The conditions of the results folder `root`, a row each, all cells text. Raises InputError as `load` does."""
    return summarise(load(root))


def summarise(results: Results) -> pd.DataFrame:
    """Summarises results in memory, as `summary_table` does.

    Args:
        results: The results.

    Returns:
        Columns: condition; neurons; final (finished/planned); the primary measure's mean and 95 % interval; difference
        from the reference with its interval; best learning rate ('so far' until final networks have it).
    """
    info, measure = results.info, results.info.measure
    others = [pair(name, info.reference) for name in info.names if name != info.reference]
    judged = judge(results.unit_values(), others, smallest_effect=info.smallest_effect, alpha=info.declaration.alpha)
    differences = {j.contrast.of[0]: j for j in judged}
    rows, searches = [], by_condition(tunings(results))
    for condition, reached in zip(info.conditions, performances(results), strict=True):
        t = reached.interval
        rows.append(
            {
                "condition": condition.name,
                "neurons": str(condition.hidden_size),
                "final": f"{reached.finished}/{reached.planned}",
                measure.axis: text.number(t.mean * measure.scale, measure.decimals),
                "95 % interval": text.interval(t.low * measure.scale, t.high * measure.scale, measure.decimals),
                f"minus {info.reference}": _difference(
                    differences.get(condition.name), condition.name == info.reference, measure
                ),
                "learning rate": _learning_rate(searches[condition.name]),
            }
        )
    return pd.DataFrame(rows).astype("string")


def _learning_rate(searches: Sequence[Tuning]) -> str:
    """What the search chose; of several searches the lowest and highest."""
    rates = sorted(float(t.chosen["learning_rate"]) for t in searches if "learning_rate" in t.chosen)
    if not rates:
        return text.NOTHING
    so_far = "" if all(t.settled for t in searches) else " so far"
    return " to ".join(dict.fromkeys(text.significant(rate) for rate in (rates[0], rates[-1]))) + so_far


def _difference(found: ContrastResult | None, is_reference: bool, measure: Measure) -> str:
    if is_reference or found is None:
        return "reference" if is_reference else text.NOTHING
    t, scale = found.interval, measure.scale
    mean = text.number(t.mean * scale, measure.decimals, sign=True)
    between = text.interval(t.low * scale, t.high * scale, measure.decimals, sign=True)
    return mean if between == text.NOTHING else f"{mean} ({between})"


def as_text(table: pd.DataFrame) -> str:
    """The table with aligned columns, for a terminal."""
    widths = {c: max(len(c), *table[c].str.len()) for c in table.columns}
    left = {table.columns[0]}
    lines = [[c.ljust(w) if c in left else c.rjust(w) for c, w in widths.items()]]
    for row in table.itertuples(index=False):
        lines.append([v.ljust(w) if c in left else v.rjust(w) for v, (c, w) in zip(row, widths.items(), strict=True)])
    return "\n".join("  ".join(line).rstrip() for line in lines)
