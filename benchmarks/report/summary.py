"""From samples to the numbers that are shown: medians, ratios within a round, spreads, goals reached."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.results import Results
from benchmarks.speed.cases import LOOP
from benchmarks.speed.epoch import LOADED, OURS, PRELOADED
from benchmarks.speed.shapes import GOALS, Goal


def ratios(steps: pd.DataFrame, against: str = LOOP) -> pd.DataFrame:
    """One row a shape and candidate: median, least and most ms, and how many times the speed of `against`.

    Ratios are taken within a round; they are NaN where `against` was not timed.
    """
    keys = ["shape", "title", "B", "T", "H", "candidate", "group", "D"]
    other = steps[steps["candidate"] == against][["shape", "round", "seconds"]].rename(columns={"seconds": "other"})
    joined = steps.merge(other, on=["shape", "round"], how="left")
    joined["ms"], joined["ratio"] = 1000 * joined["seconds"], joined["other"] / joined["seconds"]
    grouped = joined.groupby(keys, sort=False)
    return grouped.agg(
        rounds=("ms", "size"),
        ms=("ms", "median"),
        ms_least=("ms", "min"),
        ms_most=("ms", "max"),
        ratio=("ratio", "median"),
        ratio_least=("ratio", "min"),
        ratio_most=("ratio", "max"),
    ).reset_index()


def epochs(table: pd.DataFrame) -> pd.DataFrame:
    """One row a way: median, least and most seconds of an epoch; ratio to our training, within a round."""
    ours = table[table["way"] == OURS][["round", "epoch_seconds"]].rename(columns={"epoch_seconds": "ours"})
    joined = table.merge(ours, on="round")
    joined["ratio"] = joined["epoch_seconds"] / joined["ours"]
    grouped = joined.groupby(["way", "data", "images", "images_timed"], sort=False)
    return grouped.agg(
        seconds=("epoch_seconds", "median"),
        least=("epoch_seconds", "min"),
        most=("epoch_seconds", "max"),
        ratio=("ratio", "median"),
    ).reset_index()


def seeds(table: pd.DataFrame) -> pd.DataFrame:
    """One row per shape and R: median ms per step, seeds' steps per second, and its ratio to one seed alone."""
    keys = ["shape", "title", "graph"]
    one = table[table["R"] == 1][["shape", "graph", "round", "seconds"]].rename(columns={"seconds": "one"})
    joined = table.merge(one, on=["shape", "graph", "round"])
    joined["gain"] = joined["R"] * joined["one"] / joined["seconds"]
    found = joined.groupby([*keys, "R"], sort=False).agg(seconds=("seconds", "median"), gain=("gain", "median"))
    found = found.reset_index()
    return found.assign(ms=1000 * found["seconds"], seed_steps=found["R"] / found["seconds"])


def growth(table: pd.DataFrame) -> pd.DataFrame:
    """One row an axis and value: median ms, and how many times that of the value before."""
    found = table.groupby(["axis", "value", "B", "T", "R"], sort=False)["seconds"].median().reset_index()
    found["ms"] = 1000 * found["seconds"]
    found["times"] = found["seconds"] / found.groupby("axis", sort=False)["seconds"].shift()
    return found


def exponent(found: pd.DataFrame) -> float:
    """The power of the value that the time grows with, 1 for linear: the slope in a plot of logarithms."""
    return float(np.polyfit(np.log(found["value"].astype(float)), np.log(found["seconds"].astype(float)), 1)[0])


class GoalResult(NamedTuple):
    """A goal and what was measured for it, None where nothing was."""

    goal: Goal
    value: float | None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        goal = self.goal
        if goal.unit == "GB":
            return "reached" if self.value <= goal.goal else "missed"
        if goal.stretch is not None and self.value >= goal.stretch:
            return "stretch reached"
        return "reached" if self.value >= goal.goal else "missed"


def goals(results: Results, device: str) -> list[GoalResult]:
    """Of one kind of device; the candidate that counts is the one that training takes there."""
    gate = results.read("gate")
    training = str(gate["training"].iloc[0]) if len(gate) else ""
    return [GoalResult(goal, _value(results, goal, training)) for goal in GOALS if goal.device == device]


def _value(results: Results, goal: Goal, training: str) -> float | None:
    if goal.what == "epoch":
        return _only(epochs(results.read("epochs")), "ratio", way=_published_way(results))
    if goal.what == "memory":
        bytes_taken = _only(results.read("memory"), "bytes", shape="pixel", candidate=training)
        return None if bytes_taken is None else bytes_taken / 1e9
    if goal.what == "seeds":
        return _only(seeds(results.read("seeds")), "gain", shape="line", R=8, graph=True)
    return _only(ratios(results.read("steps"), goal.against), "ratio", shape=goal.what, candidate=training)


def _published_way(results: Results) -> str:
    """The published code reads through a DataLoader; where that could not be timed, the loop with preloaded data."""
    ways = set(results.read("epochs")["way"])
    return LOADED if LOADED in ways else PRELOADED


def _only(table: pd.DataFrame, column: str, **where: object) -> float | None:
    for name, value in where.items():
        table = table[table[name] == value]
    values = table[column].dropna()
    return float(values.iloc[0]) if len(values) else None
