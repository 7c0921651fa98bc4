"""Tables of the conditions, and of how much of the plan has run."""

from __future__ import annotations

from analysis import text
from analysis.results.load import Results
from analysis.tables.table import Cell, Head, Table, reference_rows
from glifr.records import STAGES


def design_sheet(results: Results) -> Table:
    """What the conditions are."""
    conditions = results.info.conditions
    keys = list(dict.fromkeys(key for c in conditions for key in c.features))
    rows = [
        [Cell(c.name, condition=c), *(Cell(c.features.get(key, text.NOTHING)) for key in keys), Cell(c.difference)]
        for c in conditions
    ]
    names = ("condition", *keys, "difference from the reference")
    heads = tuple(Head(name.capitalize(), "left") for name in names)
    return Table("design", "The conditions", "", heads, rows, reference_rows(results))


def counts_sheet(results: Results) -> Table:
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
    return Table("counts", "What has run", caption, heads, rows, reference_rows(results))


def _count_cell(counts: dict[str, int]) -> Cell:
    notes = [f"{counts[what]} {what}" for what in ("pruned", "failed", "unfinished", "not started") if counts[what]]
    return Cell(f"{counts['complete'] + counts['pruned']}/{counts['planned']}", ", ".join(notes))
