"""Reads a results folder, or a pack of one, into tidy tables and counts.

Everything else in this room works on what this returns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.results.networks import KeptNetwork, Networks, NetworksInFolder
from analysis.results.study import StudyInfo, read_study
from analysis.results.tidy_tables import make_tables, status
from analysis.text import count, listed, without_paths
from glifr.records import STAGES, Layout, Look, Stage, StudyRecords, UnitRecords, scan
from glifr.records.collector import uncollected

WITHOUT = "the pack was made without what its networks are like, so figures and tables of neurons are missing"
_STATES = ("complete", "pruned", "failed", "unfinished")


@dataclass(frozen=True)
class Results:
    """A results folder in memory.

    Attributes:
        source: The folder, or the pack of it.
        layout: Where what is made of it is written; by default the results folder itself.
        tables: The five tidy tables.
        counts: Columns condition, stage, planned, complete, pruned, failed, unfinished, not started, diverged
            (networks).
        spent: Columns condition, stage, networks, epochs (of one network), seconds (that jobs held a slot), of what
            gave a result.
        sessions: The body of provenance.json.
        finished_at: When the last result was written.
        problems: What could not be used, without the folder's own path.
        kept: Final networks whose characteristics are on record, by condition and seed.
        networks: Where they are read from, None for a pack without them.
        looks: In order, if the study adds seeds until it is decided.
    """

    source: Path
    layout: Layout
    info: StudyInfo
    tables: dict[str, pd.DataFrame]
    counts: pd.DataFrame
    spent: pd.DataFrame
    sessions: tuple[dict[str, Any], ...]
    finished_at: str
    problems: tuple[str, ...]
    networks: Networks | None
    kept: tuple[KeptNetwork, ...] = ()
    looks: tuple[Look, ...] = ()

    def count(self, what: str, stage: Stage | None = None, condition: str | None = None) -> int:
        """The sum of a column of `counts`, over one stage and one condition where given."""
        return sum(
            int(row[what])
            for row in self._count_rows
            if stage in (None, row["stage"]) and condition in (None, row["condition"])
        )

    @cached_property
    def _count_rows(self) -> list[dict[str, Any]]:
        return [{str(name): value for name, value in row.items()} for row in self.counts.to_dict("records")]

    @property
    def complete(self) -> bool:
        """True if every planned final network and its silencing has a result."""
        rows = self.counts[self.counts["stage"].isin(["final", "silencing"])]
        return bool((rows["complete"] >= rows["planned"]).all()) and len(rows) > 0

    @cached_property
    def finals(self) -> pd.DataFrame:
        """Rows of the table of seeds that are finished final networks with a value of the primary measure."""
        return self._measured.drop_duplicates(["condition", "seed"])

    @property
    def doubled(self) -> list[tuple[str, int]]:
        """(condition, seed) of final networks that are there more than once; `finals` has the first of each."""
        again = self._measured
        again = again[again.duplicated(["condition", "seed"])]
        return [(str(c), int(s)) for c, s in zip(again["condition"], again["seed"], strict=True)]

    @cached_property
    def _measured(self) -> pd.DataFrame:
        seeds = self.tables["seeds"]
        done = seeds[(seeds["stage"] == "final") & (seeds["status"] == "complete")]
        return done[done[self.info.measure.column].notna()]

    def final_values(self) -> pd.DataFrame:
        """Primary measure as recorded: one row per seed, one column per condition, NaN where there is none."""
        return self._wide(self.info.measure.column).astype("float64")

    def unit_values(self, without_diverged: bool = False, column: str = "") -> pd.DataFrame:
        """Gives the values of the independent units, as recorded.

        If a study repeats its search, a unit is a repeat, with the mean over the repeat's networks: those share one
        search, so they are not independent. Otherwise it is a seed, and the rows are those of `final_values`.

        Args:
            without_diverged: Whether diverged networks count as missing.
            column: The measure; the primary one by default.

        Returns:
            One row per unit and one column per condition, NaN where there is no value.
        """
        values = self._wide(column or self.info.measure.column).astype("float64")
        if without_diverged:
            values = values.mask(self.diverged_finals())
        if self.info.repeats == 1:
            return values
        return values.groupby(self.repeat_of_seed).mean().rename_axis(index=self.info.unit)

    def per_unit(self, networks: pd.DataFrame, by: tuple[str, ...] = ("condition",)) -> pd.DataFrame:
        """Averages networks over the units of the study, if it repeats its search.

        Args:
            networks: Columns `by`, seed, and columns of numbers or truths.
            by: What distinguishes rows of one seed.

        Returns:
            One row per unit: of numbers the mean over its networks, of truths whether any is true. In a study with
            repeats the column seed holds the repeat.
        """
        if self.info.repeats == 1:
            return networks
        rows = networks.assign(seed=networks["seed"].map(self.repeat_of_seed))
        kinds = {c: "any" if rows[c].dtype == bool else "mean" for c in rows if c not in (*by, "seed")}
        return rows.groupby([*by, "seed"], sort=False, as_index=False).agg(kinds)[list(networks.columns)]

    @property
    def repeat_of_seed(self) -> pd.Series[int]:
        """The repeat of the search that each seed of a final network belongs to: repeats have no seed in common."""
        finals = self.finals
        repeats = finals["repeat"] if "repeat" in finals else pd.Series(0, index=finals.index)
        return repeats.astype("int64").groupby(finals["seed"]).first().rename("repeat")

    def diverged_finals(self) -> pd.DataFrame:
        """True if the network diverged: rows and columns as `final_values`, False where there is none."""
        return self._wide("diverged").fillna(False).astype(bool)

    def diverged_units(self) -> pd.DataFrame:
        """True if a unit has a diverged network: rows and columns as `unit_values`."""
        lost = self.diverged_finals()
        if self.info.repeats == 1:
            return lost
        return lost.groupby(self.repeat_of_seed).any().rename_axis(index=self.info.unit)

    def _wide(self, column: str) -> pd.DataFrame:
        wide = self.finals.pivot(index="seed", columns="condition", values=column)
        return wide.reindex(columns=self.info.names).sort_index()


def load_folder(root: Path, out: Path | None = None) -> Results:
    """Reads a results folder.

    Args:
        root: The folder.
        out: Where what is made of it is written; by default the folder itself.

    Returns:
        Its content.

    Raises:
        InputError: It is not a results folder, or is of another version.
    """
    with uncollected():
        networks = NetworksInFolder(Layout(root), caching=out is None)
        return assemble(scan(root), root, Layout(root if out is None else out), networks)


def assemble(records: StudyRecords, source: Path, layout: Layout, networks: Networks | None) -> Results:
    """Tables, counts and notes of a study's records. source: the folder or pack they came from."""
    info = read_study(records.study, str(records.layout.study))
    known = list({str(u.unit): u for u in records.units if u.unit.condition in info.names}.values())
    tables = make_tables(known, info.names, [c.space for c in info.conditions])
    counts = _counts(info, known)
    finished = [u.result.finished_at for u in known if u.result is not None]
    return Results(
        source=source,
        layout=layout,
        info=info,
        tables=tables,
        counts=counts,
        spent=_spent(known),
        sessions=tuple(records.sessions),
        finished_at=max(finished, default=""),
        problems=(*_problems(records), *_notes(info, records, tables), *([] if networks else [WITHOUT])),
        networks=networks,
        kept=() if networks is None else _kept(info, known),
        looks=records.looks,
    )


def _kept(info: StudyInfo, units: list[UnitRecords]) -> tuple[KeptNetwork, ...]:
    found = [
        KeptNetwork(unit.unit.condition, outcome.seed, outcome.characteristics)
        for unit in units
        if unit.unit.stage == "final" and unit.result is not None
        for outcome in unit.result.seeds
        if outcome.characteristics is not None
    ]
    return tuple(sorted(found, key=lambda network: (info.names.index(network.condition), network.seed)))


def _problems(records: StudyRecords) -> list[str]:
    root = records.layout.root
    ways = sorted({str(root), str(root.resolve())}, key=len, reverse=True)
    texts = []
    for problem in records.problems:
        for way in ways:
            problem = problem.replace(f"{way}/", "")
        texts.append(without_paths(problem))
    return texts


def _counts(info: StudyInfo, units: list[UnitRecords]) -> pd.DataFrame:
    states: Counter[tuple[str, Stage, str]] = Counter()
    lost: Counter[tuple[str, Stage]] = Counter()
    for u in units:
        states[u.unit.condition, u.unit.stage, status(u)] += 1
        lost[u.unit.condition, u.unit.stage] += sum(o.diverged for o in u.result.seeds) if u.result else 0
    rows = []
    for condition in info.conditions:
        for stage in STAGES:
            by_state = {state: states[condition.name, stage, state] for state in _STATES}
            diverged = lost[condition.name, stage]
            planned = condition.planned[stage]
            if stage == "search" and info.section("budget").get("equal", "trials") != "trials":
                # not a number of trials is planned there but epochs or time, and they are spent once one is confirmed
                begun, over = sum(by_state.values()), any(states[condition.name, "confirm", s] for s in _STATES)
                planned = begun if over else max(planned, begun)
            waiting = max(0, planned - sum(by_state.values()))
            rows.append(
                {"condition": condition.name, "stage": stage, "planned": planned, **by_state}
                | {"not started": waiting, "diverged": diverged}
            )
    return pd.DataFrame(rows)


def _spent(units: list[UnitRecords]) -> pd.DataFrame:
    rows = []
    for unit, result in ((u.unit, u.result) for u in units if u.result is not None):
        trained = unit.stage != "silencing"
        networks, epochs = (len(result.seeds), sum(o.epochs for o in result.seeds)) if trained else (1, 0)
        rows.append((unit.condition, unit.stage, networks, epochs, result.seconds))
    found = pd.DataFrame(rows, columns=["condition", "stage", "networks", "epochs", "seconds"])
    return found.groupby(["condition", "stage"], as_index=False, sort=False).sum()


def _notes(info: StudyInfo, records: StudyRecords, tables: dict[str, pd.DataFrame]) -> list[str]:
    """What a reader must know of the numbers beyond unreadable files."""
    notes = []
    names = [str(u.unit) for u in records.units]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        notes.append(f"units that lie in two folders, of which one is used: {listed(twice)}")
    unknown = sorted({c for contrast in info.declaration.contrasts for c in contrast.conditions} - set(info.names))
    if unknown:
        notes.append(f"declared contrasts name conditions that the study does not have: {listed(unknown)}")
    others = sorted({u.unit.condition for u in records.units} - set(info.names))
    if others:
        notes.append(f"results of conditions that the study no longer names are left out: {listed(others)}")
    seeds, column = tables["seeds"], info.measure.column
    finals = seeds[(seeds["stage"] == "final") & (seeds["status"] == "complete")]
    for name, rows in finals[finals[column].isna()].groupby("condition", sort=False):
        notes.append(
            f"{name}: {count(len(rows), 'final network')} without a {info.measure.label} "
            f"(seeds {listed(rows['seed'].tolist())}), left out of every comparison"
        )
    return notes
