"""A synthetic study turned, in memory, into one with the published settings, and with the published runs as its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from records_factory import Synthetic, write_study

from analysis import Results, assess, load, report_warnings
from analysis.published import PublishedComparison, PublishedTask, published_task
from analysis.published.data import published_runs
from analysis.results.study import ConditionInfo
from glifr.conditions import HYPERPARAMETERS

RUNS = 10
SEVERAL = ("RNN", "LSTM", "Hom", "LHetA", "RHetA")


def repeated(root: Path, task: str = "line_mnist", conditions: tuple[str, ...] = SEVERAL, **changes: Any) -> Results:
    """A study below `root` with the published settings of `task`; the network of seed s has the value of run s - 1."""
    study = Synthetic(conditions, seeds=RUNS, trials=0, silencing=False, epochs=2, task=task)
    study = study.with_(reference=conditions[-1], accuracy=known(task).measure == "accuracy").with_(**changes)
    return with_values(with_settings(load(write_study(root, study)), task), as_runs(task))


def known(task: str) -> PublishedTask:
    found = published_task(task)
    assert found is not None
    return found


def with_settings(results: Results, task: str) -> Results:
    """The study as if it had been run with the published settings of `task`; its values stay."""
    theirs, info = known(task), results.info
    splits = {"train": theirs.trained_on - 1, "validation": 1, "test": theirs.tested_on}
    mine = replace(
        info.task,
        name=task,
        source=theirs.source,
        splits=splits if theirs.tested_on else {"train": theirs.trained_on},
        train_on="train+validation",
        steps=theirs.steps,
        time_step_ms=theirs.time_step_ms,
    )
    training = {"epochs": theirs.passes, "batch_size": theirs.batch_size, "adam": dict(theirs.adam), "dropout": 0.0}
    spec = {**info.spec, "training": training, "task": {"name": task, "source": theirs.source, "data_root": None}}
    conditions = tuple(_as_published(c, theirs) for c in info.conditions)
    rates = {name: theirs.learning_rate if name == "learning_rate" else float("nan") for name in HYPERPARAMETERS}
    info = replace(info, task=mine, conditions=conditions, spec=spec)
    return replace(results, info=info, tables=_seeds(results, results.tables["seeds"].assign(**rates)))


def _as_published(condition: ConditionInfo, task: PublishedTask) -> ConditionInfo:
    theirs = task.conditions.get(condition.name)
    if theirs is None:
        return condition
    start = {"start": theirs.start} if theirs.start else {}
    return replace(
        condition,
        hidden_size=theirs.hidden_size,
        delay_steps=theirs.delay_steps,
        features={**condition.features, **start},
        planned={**condition.planned, "search": 0},
    )


def as_runs(task: str) -> pd.DataFrame:
    """condition, seed, test_accuracy, test_loss of the published runs."""
    runs = published_runs()
    return runs[runs["task"] == task].assign(seed=runs["repeat"] + 1).drop(columns=["task", "repeat"])


def with_values(results: Results, values: pd.DataFrame) -> Results:
    """The study with other values of the networks, by condition and seed; those that `values` lacks have none."""
    seeds = results.tables["seeds"]
    merged = seeds.drop(columns=["test_accuracy", "test_loss"]).merge(values, on=["condition", "seed"], how="left")
    return replace(results, tables=_seeds(results, merged[list(seeds.columns)]))


def shifted(results: Results, by: dict[str, float], column: str = "test_accuracy") -> Results:
    """The study with the values of whole conditions moved."""
    seeds = results.tables["seeds"]
    moved = seeds[column] + seeds["condition"].map(by).fillna(0.0)
    return replace(results, tables=_seeds(results, seeds.assign(**{column: moved})))


def _seeds(results: Results, seeds: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {**results.tables, "seeds": seeds}


def beside(results: Results) -> PublishedComparison:
    found = assess(results).published
    assert found is not None
    return found


def codes(results: Results) -> set[str]:
    """The warnings that are about the published runs."""
    return {c.code for c in report_warnings(assess(results)) if c.code.startswith("published")}
