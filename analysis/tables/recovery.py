"""Which parameters of a known neuron were found again."""

from __future__ import annotations

from analysis import text
from analysis.results.load import Results
from analysis.results.neurons import in_order
from analysis.statistics.recovery import WITHIN, recovered, recoveries
from analysis.tables.table import Cell, Head, Table
from glifr.conditions import OF_A_CURRENT


def recovery_sheet(results: Results) -> Table | None:
    """A row for each condition and parameter; None where the task knows no target."""
    found = {(row.condition, row.parameter): row for row in recovered(recoveries(results.tables["parameters"]))}
    if not found:
        return None
    heads = (
        Head("Condition", "left"),
        Head("Parameter", "left"),
        Head("networks"),
        Head("recovered"),
        Head("share recovered (%)"),
        Head("95 % interval"),
        Head("median error (%)"),
    )
    rows = [
        [
            Cell(condition.name, condition=condition),
            Cell(parameter),
            Cell(str(row.networks)),
            Cell(str(row.recovered)),
            Cell(text.number(100 * row.recovered / row.networks, 0)),
            Cell(text.interval(100 * row.low, 100 * row.high, 0)),
            Cell(text.number(100 * row.error, 2)),
        ]
        for condition in results.info.conditions
        for parameter in in_order(parameter for _, parameter in found)
        if (row := found.get((condition.name, parameter))) is not None
    ]
    currents = any(parameter in OF_A_CURRENT for _, parameter in found)
    several = "both currents where there are two" if currents else "every value of a parameter that has several"
    caption = (
        f"Each network learned the output of a neuron of known parameters. Recovered: within {WITHIN:.0%} of the "
        f"target, {several}, matched so that the summed error is least; a diverged network "
        "recovered nothing. Intervals: exact binomial, over networks. Error: relative to the target's size, mean over "
        f"{'currents' if currents else 'values'}, median over networks. "
        "A small loss with parameters that are not recovered says that the output does not depend on them enough "
        "to tell."
    )
    return Table("recovery", "Parameter recovery", caption, heads, rows)
