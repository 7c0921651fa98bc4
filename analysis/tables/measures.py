"""The measures of final networks beside the primary one, of a task that has some of its own."""

from __future__ import annotations

from analysis import text
from analysis.results.load import Results
from analysis.statistics.intervals import t_interval
from analysis.tables.table import Cell, Head, Table


def measures_sheet(results: Results) -> Table | None:
    """A row for each condition and measure that is not the primary one; None where the task has none of its own."""
    info = results.info
    if not info.task.metrics:
        return None
    others = [m for m in info.task.measures() if m.column != info.measure.column]
    names = ("n", "mean", "95 % interval", "SD", "min", "max")
    heads = (Head("Condition", "left"), Head("Measure", "left"), *(Head(name) for name in names))
    rows = []
    for condition in info.conditions:
        for measure in others:
            values = results.unit_values(column=measure.column)[condition.name].dropna() * measure.scale
            found = t_interval(values.to_numpy())
            ends = (values.min(), values.max()) if len(values) else (float("nan"),) * 2
            mean, sd, low, high = (text.number(x, measure.decimals) for x in (found.mean, found.sd, *ends))
            shown = text.interval(found.low, found.high, measure.decimals)
            cells = (str(len(values)), mean, shown, sd, low, high)
            rows.append(
                [Cell(condition.name, condition=condition), Cell(measure.axis, measure.direction), *map(Cell, cells)]
            )
    caption = (
        f"Descriptive: the comparisons are of the primary measure, {info.measure.label}. Each {info.unit} is one "
        f"observation; intervals: 95 % t, over {info.unit}s.{info.conditional_sentence} "
        "A diverged network has the value of chance."
    )
    return Table("measures", "Further measures", caption, heads, rows)
