"""Table of the execution: attempts, failures, resumptions and work done twice."""

from __future__ import annotations

import pandas as pd

from analysis import text
from analysis.results.load import Results
from analysis.tables.table import Cell, Head, Table, reference_rows
from glifr.records import STAGES

_COUNTED = ("attempts", "failures", "resumed", "repeated_epochs")


def reliability_sheet(results: Results) -> Table:
    """A row a stage."""
    units = unit_rows(results)
    rows = []
    for stage in (*STAGES, "all"):
        own = units if stage == "all" else units[units["stage"] == stage]
        if not len(own):
            continue
        moved = int(own["processor"].fillna("").str.contains(";").sum())
        sums = [int(own[column].fillna(0).sum()) for column in _COUNTED]
        retried = int((own["attempts"] > 1).sum())
        epochs = int(own["epochs"].fillna(0).sum())
        cells = (len(own), sums[0], retried, moved, *sums[1:])
        rows.append([Cell(stage), *(Cell(f"{n:,}") for n in cells), Cell(f"{epochs:,}")])
    heads = (
        Head("Stage", "left"),
        *(
            Head(n)
            for n in (
                "units started",
                "attempts",
                "units retried",
                "on several kinds of processor",
                "failed attempts",
                "resumed attempts",
                "epochs run again",
                "epochs",
            )
        ),
    )
    caption = (
        "Attempts: how often units were started. On several kinds of processor: units that were tried again on another "
        "kind than they began on, whose bits may differ from those of an undisturbed run. "
        "Resumed: attempts that went on from a checkpoint. Epochs run again: "
        "epoch records of one seed that a later attempt wrote once more; each counts once in every number of this "
        "report. Silencing runs, which train nothing, are in the ledger."
    )
    return Table("reliability", "Attempts, retries and repeated work", caption, heads, rows)


def cost_sheet(results: Results) -> Table:
    """A row for each condition: what each stage took of it."""
    spent = results.spent
    stages = [stage for stage in STAGES if (spent["stage"] == stage).any()]
    rows = []
    for condition in (*results.info.conditions, None):
        own = spent if condition is None else spent[spent["condition"] == condition.name]
        cells = [Cell("all" if condition is None else condition.name, condition=condition)]
        for stage in (*stages, None):
            part = own if stage is None else own[own["stage"] == stage]
            cells += _cost_cells(part, trained=stage != "silencing", every=stage is None)
        rows.append(cells)
    heads = [Head("Condition", "left")]
    for stage in stages:
        names = ("networks", "slot-seconds") if stage == "silencing" else ("networks", "epochs", "slot-seconds")
        heads += [Head(name, group=stage.capitalize()) for name in names]
    heads += [Head(name, group="All stages") for name in ("epochs", "slot-seconds")]
    caption = (
        "Networks that were trained, or silenced; epochs of one network, of trials that were stopped early those that "
        "they had; slot-seconds: how long a slot, which is what one trial takes of a machine, was held for them. Of "
        "attempts that gave a result: failed ones, and slots that waited, are not in it."
    )
    return Table("cost", "What each condition cost", caption, tuple(heads), rows, reference_rows(results))


def _cost_cells(part: pd.DataFrame, trained: bool, every: bool) -> list[Cell]:
    networks, epochs, seconds = (part[name].sum() for name in ("networks", "epochs", "seconds"))
    shown = [] if every else [f"{networks:,.0f}"]
    shown += [f"{epochs:,.0f}"] if trained else []
    return [Cell(words) for words in (*shown, f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}")]


def unit_rows(results: Results) -> pd.DataFrame:
    """One row a trained unit: where it belongs, its counts, epochs, kind of processor and times."""
    columns = ["stage", "condition", "number", "status", *_COUNTED, "epochs", "processor", "started_at", "finished_at"]
    finals = results.tables["seeds"]
    finals = finals[finals["stage"] == "final"]
    return pd.concat([results.tables["trials"][columns], finals[columns]], ignore_index=True)


def runs_sheet(results: Results, most: int = 400) -> Table:
    """Every final network; all other runs are in the exported tables."""
    info = results.info
    seeds = results.tables["seeds"]
    finals = seeds[seeds["stage"] == "final"]
    measure = info.measure
    by_name = {c.name: c for c in info.conditions}
    rows = []
    for row in finals.head(most).to_dict("records"):
        value = row[measure.column]
        rate = row["learning_rate"]
        rows.append(
            [
                Cell(str(row["condition"]), condition=by_name[str(row["condition"])]),
                Cell(str(row["seed"])),
                Cell(str(row["status"]), "diverged" if row["diverged"] is True else str(row["last_failure"] or "")),
                Cell(text.number(None if pd.isna(value) else value * measure.scale, measure.decimals)),
                Cell(text.significant(None if pd.isna(row["validation_loss"]) else row["validation_loss"])),
                Cell(text.significant(None if pd.isna(rate) else rate)),
                Cell("" if pd.isna(row["epochs"]) else str(row["epochs"])),
                Cell(text.duration(None if pd.isna(row["seconds"]) else row["seconds"])),
                Cell(str(row["attempts"])),
            ]
        )
    heads = (
        Head("Condition", "left"),
        Head("seed"),
        Head("status", "left"),
        *(Head(n) for n in (measure.axis, "validation loss", "learning rate", "epochs", "time", "attempts")),
    )
    left_out = len(finals) - len(rows)
    more = f" The first {most}; {left_out:,} more are in tables/seeds.csv." if left_out > 0 else ""
    caption = f"Every final network. Trials, confirm runs and every epoch are in tables/, as CSV and Parquet.{more}"
    return Table("runs", f"Every run ({len(finals):,} final networks)", caption, heads, rows, folded=True)
