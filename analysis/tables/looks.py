"""Table of the looks of a study that adds seeds until it is decided."""

from __future__ import annotations

from collections import Counter

from analysis import text
from analysis.results.study import StudyInfo
from analysis.sequential.futility import FUTILE
from analysis.sequential.results import Looked, price
from analysis.tables.table import Cell, Head, Table
from glifr.records import Look


def looks_sheet(info: StudyInfo, found: Looked) -> Table:
    """One row per look: its units, boundary, what it decided, and who went on."""
    unit = f"{info.unit}s"
    heads = (
        Head("Look"),
        Head(unit),
        Head("boundary of the smallest p"),
        Head("level of intervals (%)"),
        Head("decided", "left"),
        Head("went on with", "left"),
        Head("networks in all"),
        Head("values", "left"),
    )
    rows = [_row(look, info, len(found.design.sizes)) for look in found.looks]
    paid = price(info, found)
    caption = (
        f"The contrasts and effects are judged as one family at {_sizes(found, unit)}; a condition gets more {unit} "
        "only while something that uses it is open. The error over all looks and the family is held: the level is "
        "spent by Lan and DeMets' function of Pocock's kind. boundary: what the smallest p must not exceed at this "
        f"look. Futile, for good: a chance below {100 * FUTILE:.0f} % of a verdict by the last look. values: SHA-256 "
        "of the values that the look saw. Test results were read by looks alone, and no look is taken twice. Price: "
        f"{paid.asked:,} final networks, {100 * paid.share:.0f} % of the {paid.fixed:,} of a fixed design of "
        f"{found.design.most} {unit}.{_conditional(info)}"
    )
    return Table("looks", "Looks", caption, heads, rows)


def _row(look: Look, info: StudyInfo, looks: int) -> list[Cell]:
    now = [entry for entry in look.entries if entry.look == look.number]
    states = Counter(entry.word if entry.state == "decided" else entry.state for entry in now)
    names = {state: [e.name for e in now if state in (e.word, e.state) and e.state != "open"] for state in states}
    decided = "; ".join(f"{state}: {text.listed(own)}" for state, own in names.items() if own)
    on = [name for name, asked in look.asks.items() if asked > look.units]
    trained = sum(min(asked, look.units) for asked in look.asks.values()) * info.networks_a_unit
    failed = f"{len(look.failed)} without a result, as chance" if look.failed else ""
    return [
        Cell(f"{look.number} of {looks}"),
        Cell(str(look.units), failed),
        Cell(text.p_value(look.boundary)),
        Cell(text.number(100 * (1 - look.nominal), 2)),
        Cell(decided or text.NOTHING, f"{states['open']} open" if states["open"] else ""),
        Cell(text.listed(on) or text.NOTHING),
        Cell(f"{trained:,}"),
        Cell(look.data[:12]),
    ]


def _sizes(found: Looked, unit: str) -> str:
    return f"{text.count(len(found.design.sizes), 'look')}, of {text.listed(found.design.sizes)} {unit}"


def _conditional(info: StudyInfo) -> str:
    """What the looks cannot add to, where they add seeds to one search."""
    if info.repeats > 1 or not info.planned("search"):
        return ""
    return " Looks add seeds, not searches: all of it is conditional on one search per condition."
