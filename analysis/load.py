"""Reads a results folder into tidy tables and counts. Everything else in this room works on what this returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.study import StudyInfo, read_study
from analysis.tables import make_tables, status
from analysis.text import count, listed, without_paths
from glifr.records import STAGES, Layout, Stage, StudyRecords, UnitRecords, scan

_STATES = ("complete", "pruned", "failed", "unfinished")


@dataclass(frozen=True)
class Results:
    """A results folder in memory.

    tables: the five tidy tables. counts: condition, stage, planned, complete, pruned, failed, unfinished, not
    started, diverged (networks). sessions: the body of provenance.json. finished_at: of the last result.
    problems: what could not be used, without the folder's own path.
    """

    layout: Layout
    info: StudyInfo
    tables: dict[str, pd.DataFrame]
    counts: pd.DataFrame
    sessions: tuple[dict[str, Any], ...]
    finished_at: str
    problems: tuple[str, ...]

    def count(self, what: str, stage: Stage | None = None, condition: str | None = None) -> int:
        """The sum of a column of `counts`, over one stage and one condition where given."""
        rows = self.counts
        rows = rows if stage is None else rows[rows["stage"] == stage]
        rows = rows if condition is None else rows[rows["condition"] == condition]
        return int(rows[what].sum())

    @property
    def complete(self) -> bool:
        """Whether every planned final network and its silencing has a result."""
        rows = self.counts[self.counts["stage"].isin(["final", "silencing"])]
        return bool((rows["complete"] >= rows["planned"]).all()) and len(rows) > 0

    @property
    def finals(self) -> pd.DataFrame:
        """Rows of the table of seeds that are finished final networks with a value of the primary measure."""
        seeds = self.tables["seeds"]
        done = seeds[(seeds["stage"] == "final") & (seeds["status"] == "complete")]
        return done[done[self.info.task.measure.column].notna()]

    def final_values(self) -> pd.DataFrame:
        """Primary measure as recorded: a row a seed, a column a condition of the study, NaN where there is none."""
        wide = self.finals.pivot(index="seed", columns="condition", values=self.info.task.measure.column)
        return wide.reindex(columns=self.info.names).sort_index().astype("float64")


def load(root: Path) -> Results:
    """Reads the results folder `root`. Raises InputError if it is not one, or is of another version."""
    records = scan(root)
    info = read_study(records.study, str(records.layout.study))
    known = [u for u in records.units if u.unit.condition in info.names]
    tables = make_tables(known, info.names)
    counts = _counts(info, known)
    finished = [u.result.finished_at for u in known if u.result is not None]
    return Results(
        layout=records.layout,
        info=info,
        tables=tables,
        counts=counts,
        sessions=tuple(records.sessions),
        finished_at=max(finished, default=""),
        problems=(*_problems(records, root), *_notes(info, records, tables, counts)),
    )


def _problems(records: StudyRecords, root: Path) -> list[str]:
    ways = sorted({str(root), str(root.resolve())}, key=len, reverse=True)
    texts = []
    for problem in records.problems:
        for way in ways:
            problem = problem.replace(f"{way}/", "")
        texts.append(without_paths(problem))
    return texts


def _counts(info: StudyInfo, units: list[UnitRecords]) -> pd.DataFrame:
    rows = []
    for condition in info.conditions:
        for stage in STAGES:
            own = [u for u in units if u.unit.stage == stage and u.unit.condition == condition.name]
            states = [status(u) for u in own]
            by_state = {state: states.count(state) for state in _STATES}
            diverged = sum(o.diverged for u in own if u.result for o in u.result.seeds)
            planned = condition.planned[stage]
            waiting = max(0, planned - len(own))
            rows.append(
                {"condition": condition.name, "stage": stage, "planned": planned, **by_state}
                | {"not started": waiting, "diverged": diverged}
            )
    return pd.DataFrame(rows)


def _notes(info: StudyInfo, records: StudyRecords, tables: dict[str, pd.DataFrame], counts: pd.DataFrame) -> list[str]:
    """What a reader must know of the numbers beyond unreadable files."""
    notes = []
    others = sorted({u.unit.condition for u in records.units} - set(info.names))
    if others:
        notes.append(f"results of conditions that the study no longer names are left out: {listed(others)}")
    for row in counts.to_dict("records"):
        found = sum(row[state] for state in _STATES)
        if found > row["planned"]:
            notes.append(
                f"{row['stage']}/{row['condition']}: the folder has {found} units, the study plans {row['planned']}; "
                "all of them are used"
            )
    seeds, column = tables["seeds"], info.task.measure.column
    finals = seeds[(seeds["stage"] == "final") & (seeds["status"] == "complete")]
    for name, rows in finals[finals[column].isna()].groupby("condition", sort=False):
        notes.append(
            f"{name}: {count(len(rows), 'final network')} without a {info.task.measure.label} "
            f"(seeds {listed(rows['seed'].tolist())}), left out of every comparison"
        )
    return notes
