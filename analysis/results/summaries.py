"""One row per condition: what its final networks reached, and what its search cost and found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.results.load import Results
from analysis.results.optimism import Optimism, optimism
from analysis.results.study import ConditionInfo, StudyInfo
from analysis.statistics.importance import position
from analysis.statistics.intervals import MeanInterval, MiddleInterval, binomial_error, iqm_interval, t_interval
from glifr.records import Value, search_name

EDGE = 0.05  # of a range: a best value nearer to its end than this asks for a wider range


@dataclass(frozen=True)
class Performance:
    """Final networks of one condition, as recorded (not scaled), one value per unit of the study.

    Attributes:
        finished: Number of networks.
        interval: Interval of the mean over units.
        middle: Interquartile mean over units.
        median: Median over units.
        minimum: Smallest value of a unit.
        maximum: Largest value of a unit.
        without_diverged: The same without diverged networks; None where there are none.
        test_error: Standard error of the mean from the draw of the test data, NaN where the records cannot tell it.
    """

    condition: str
    planned: int
    finished: int
    diverged: int
    interval: MeanInterval
    middle: MiddleInterval
    test_error: float
    median: float
    minimum: float
    maximum: float
    seconds: float
    missing_seeds: tuple[int, ...]
    without_diverged: MeanInterval | None


def performances(results: Results) -> list[Performance]:
    """One `Performance` per condition, in the study's order."""
    networks, finals = results.final_values(), results.finals
    units, kept = results.unit_values(), results.unit_values(without_diverged=True)
    rows = []
    for condition in results.info.conditions:
        own = finals[finals["condition"] == condition.name]
        values = units[condition.name].dropna()
        diverged = int(own["diverged"].fillna(False).astype(bool).sum())
        interval = t_interval(values.to_numpy())
        rows.append(
            Performance(
                condition=condition.name,
                planned=condition.planned["final"],
                finished=len(own),
                diverged=diverged,
                interval=interval,
                middle=iqm_interval(values.to_numpy()),
                test_error=test_error(results.info, interval.mean),
                median=float(values.median()),
                minimum=float(values.min()),
                maximum=float(values.max()),
                seconds=float(own["seconds"].mean()),
                missing_seeds=tuple(int(s) for s in networks.index[networks[condition.name].isna()]),
                without_diverged=t_interval(kept[condition.name].dropna().to_numpy()) if diverged else None,
            )
        )
    return rows


def unit_means(results: Results, rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column of a table of networks with their seeds, as one value per unit of the study; NaN left out."""
    known = rows[rows[column].notna()]
    if results.info.repeats == 1:
        return known[column].to_numpy(dtype=np.float64)
    return known.groupby(known["seed"].map(results.repeat_of_seed))[column].mean().to_numpy(dtype=np.float64)


def test_error(info: StudyInfo, mean: float) -> float:
    """Computes the standard error of a mean accuracy from the draw of the test data.

    Args:
        info: The study.
        mean: The mean accuracy.

    Returns:
        The error; NaN for a loss, whose spread over the samples is not recorded, and where nothing is held out.
    """
    if not info.task.held_out or info.declaration.primary != "accuracy":
        return math.nan
    return binomial_error(mean, info.task.splits["test"])


@dataclass(frozen=True)
class Tuning:
    """One search of one condition.

    Attributes:
        repeat: Which of its independent searches.
        best: Value of the best trial that ran to its end.
        chosen: Hyperparameters of the final networks (of the best trial while none is chosen; of the study file without
            search).
        settled: Whether they are those of the final networks.
        confirmed: Mean scores on fresh tuning seeds, best first.
        final_score: Mean score of the final networks.
        optimism: How much the choice was flattered by its score.
        epochs: Epochs of one seed, trained by search and confirmation.
        edges: Hyperparameters whose chosen value lies within 5 % of the lower or upper end of its range.
    """

    condition: str
    repeat: int
    trials: int
    complete: int
    pruned: int
    failed: int
    diverged: int
    best: float
    chosen: Mapping[str, Value]
    settled: bool
    chosen_value: float
    confirmed: tuple[float, ...]
    final_score: float
    optimism: Optimism
    seconds: float
    epochs: int
    edges: Mapping[str, str]

    @property
    def name(self) -> str:
        """Hom, or Hom@1 for its second search."""
        return search_name(self.condition, self.repeat)

    @property
    def ended(self) -> int:
        """Trials that count for the budget."""
        return self.complete + self.pruned + self.failed


def tunings(results: Results) -> list[Tuning]:
    """One `Tuning` a condition and repeat, in the study's order; also of a repeat that the study has no longer."""
    trials = results.tables["trials"]
    found = []
    for c in results.info.conditions:
        on_record = trials.loc[trials["condition"] == c.name, "repeat"].dropna() + 1
        found += [_tuning(results, c, repeat) for repeat in range(max([results.info.repeats_of(c), *on_record]))]
    return found


def by_condition(found: Iterable[Tuning]) -> dict[str, list[Tuning]]:
    """The searches of each condition, in the order of their repeats."""
    grouped: dict[str, list[Tuning]] = {}
    for tuning in found:
        grouped.setdefault(tuning.condition, []).append(tuning)
    return grouped


def _tuning(results: Results, condition: ConditionInfo, repeat: int) -> Tuning:
    repeats = results.info.repeats_of(condition)
    trials, seeds = (
        table[(table["condition"] == condition.name) & (table["repeat"] == repeat)]
        for table in (results.tables["trials"], results.tables["seeds"])
    )
    search, confirm = trials[trials["stage"] == "search"], trials[trials["stage"] == "confirm"]
    final = seeds[seeds["stage"] == "final"]
    ended = search[search["status"] == "complete"].sort_values(["value", "number"])
    picked = search[search["chosen"]]
    row = picked if len(picked) else ended
    chosen = _hyperparameters(final if len(final) else row, results.info.dimensions)
    diverged = search["diverged_seeds"].fillna(0) > 0
    return Tuning(
        condition=condition.name,
        repeat=repeat,
        trials=condition.planned["search"] // repeats if repeat < repeats else 0,
        complete=len(ended),
        pruned=int((search["status"] == "pruned").sum()),
        failed=int((search["status"] == "failed").sum()),
        diverged=int(diverged.sum()),
        best=float(ended["value"].min()),
        chosen=chosen,
        settled=len(final) > 0,
        chosen_value=float(row["value"].iloc[0]) if len(row) else math.nan,
        confirmed=tuple(sorted(float(v) for v in confirm["value"].dropna())),
        final_score=float(final["score"].mean()),
        optimism=optimism(results, condition.name, repeat),
        seconds=float(trials["seconds"].sum()),
        epochs=int(seeds[seeds["stage"].isin(["search", "confirm"])]["epochs"].sum()),
        edges=_edges(chosen, condition.space),
    )


def _hyperparameters(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Value]:
    if not len(rows):
        return {}
    found = {n: rows[n].iloc[0] for n in names if n in rows.columns}
    return {n: v if isinstance(v, str) else float(v) for n, v in found.items() if not pd.isna(v)}


def _edges(chosen: Mapping[str, Value], space: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Choices have no ends."""
    ranges = {name: own for name, own in space.items() if "choices" not in own}
    places = {name: position(value, ranges[name]) for name, value in chosen.items() if name in ranges}
    return {
        name: "lower" if where < EDGE else "upper" for name, where in places.items() if not EDGE <= where <= 1 - EDGE
    }
