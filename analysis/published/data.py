"""The published runs and what they were trained with, as README.md in this folder describes them.

Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import StringIO
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from analysis.published.margin import Margin, margin_of
from glifr.records import Primary

_FOLDER = files("analysis.published")
_ALL: Mapping[str, Any] = MappingProxyType(json.loads(_FOLDER.joinpath("settings.json").read_text(encoding="utf-8")))
CITATION = str(_ALL["citation"])


@dataclass(frozen=True)
class PublishedCondition:
    """What one condition was trained with.

    Attributes:
        delay_steps: Delay in steps; None without delay.
        start: How neuron parameters were initialised; '' without neuron parameters.
    """

    hidden_size: int
    delay_steps: int | None
    start: str


@dataclass(frozen=True)
class PublishedTask:
    """The published runs of one task.

    Attributes:
        trained_on: Number of training samples.
        tested_on: Number of test samples.
        passes: Passes over the training data.
        values: Values of `measure`, one per run, by condition.
    """

    name: str
    source: str
    trained_on: int
    tested_on: int
    measure: Primary
    steps: int
    time_step_ms: float
    passes: int
    batch_size: int
    learning_rate: float
    adam: Mapping[str, float]
    margin: Margin
    conditions: Mapping[str, PublishedCondition]
    values: Mapping[str, np.ndarray]


def published_task(name: str) -> PublishedTask | None:
    """The published runs of the task that this project calls `name`; None where there are none."""
    return _read(name) if name in _ALL["tasks"] else None


@lru_cache
def _read(name: str) -> PublishedTask:
    own = dict(_ALL["tasks"][name])
    conditions = own.pop("conditions")
    runs = published_runs()
    runs = runs[runs["task"] == name].sort_values("repeat")
    column = f"test_{own['measure']}"
    values = {n: runs.loc[runs["condition"] == n, column].to_numpy(dtype=np.float64) for n in conditions}
    return PublishedTask(
        name=name,
        adam=_ALL["adam"],
        margin=margin_of(values, relative=own["measure"] == "loss"),
        conditions={
            n: PublishedCondition(c["hidden_size"], c["delay_steps"], c.get("start", "")) for n, c in conditions.items()
        },
        values=values,
        **own,
    )


def published_runs() -> pd.DataFrame:
    """task, condition, repeat, test_accuracy, test_loss of the 330 published runs."""
    return pd.read_csv(StringIO(_FOLDER.joinpath("runs.csv").read_text(encoding="utf-8")))
