"""A task's own metrics after each epoch: measured in the pass over validation data that there is anyway."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from small_training import SETTINGS, TASK, configuration
from torch import Tensor

from glifr.networks import forward_replicas
from glifr.records import EpochRecord
from glifr.tasks import Metric, TaskData
from glifr.training import train
from glifr.training.evaluation import Performance, evaluate
from glifr.training.random_data import random_data
from glifr.training.train import Training

HELD_OUT = 30
SEEDS = [3, 4]


def brier(outputs: Tensor, targets: Tensor, lengths: Tensor | None) -> Tensor:
    """Squared distance of the right class's probability from one [B]."""
    return (outputs.softmax(-1)[torch.arange(len(targets)), targets] - 1) ** 2


def undefined(outputs: Tensor, targets: Tensor, lengths: Tensor | None) -> Tensor:
    """A measure that no sample has."""
    return torch.full((len(targets),), float("nan"))


def metric(of: Any, name: str = "brier") -> Metric:
    return Metric(name, of, better="lower", chance=0.25, smallest_effect=0.01)


def training(*metrics: Metric) -> Training:
    task = replace(TASK, metrics=metrics)
    data = TaskData(random_data(task, 50).train, random_data(task, HELD_OUT).train)
    return Training(task, data, configuration("RNN"), replace(SETTINGS, epochs=2), SEEDS)


def without_time(records: tuple[EpochRecord, ...]) -> list[EpochRecord]:
    return [replace(record, seconds=0.0) for record in records]


def test_they_are_means_over_the_samples_of_one_pass_whatever_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(networks: Any, task: Any, split: Any) -> list[Performance]:
        seen.append(len(networks) * len(split))
        return evaluate(networks, task, split)

    monkeypatch.setattr(train, "evaluate", counted)
    monkeypatch.setattr("glifr.training.evaluation.EVALUATION_BATCH", 20)  # so the last batch is a smaller one
    own = training(metric(brier))
    records = own.run_epoch()
    assert sum(seen) == len(SEEDS) * HELD_OUT
    assert own.validation is not None
    inputs, targets = own.validation.batch(torch.arange(HELD_OUT))
    for run, record in zip(own.runs, records, strict=True):
        with torch.no_grad():
            outputs = forward_replicas([run.network], inputs, readout="last")[0]
        wanted = float(brier(outputs, targets, None).double().mean())
        assert record.validation_metrics == {"brier": pytest.approx(wanted, rel=1e-5)}


def test_they_touch_no_other_number_and_are_in_a_checkpoint() -> None:
    plain, own = training(), training(metric(brier))
    first = own.run_epoch()
    bare = [replace(record, validation_metrics={}) for record in without_time(first)]
    assert bare == without_time(plain.run_epoch())
    resumed = training(metric(brier))
    for run, of in zip(resumed.runs, own.runs, strict=True):
        run.restore(deepcopy(of.checkpoint()))  # else the two optimisers would share their state
    assert tuple(run.last for run in resumed.runs) == first
    assert without_time(resumed.run_epoch()) == without_time(own.run_epoch())


def test_one_that_is_not_finite_is_left_out_and_stops_nothing() -> None:
    records = training(metric(undefined, "nothing"), metric(brier)).run_epoch()
    assert [list(record.validation_metrics) for record in records] == [["brier"], ["brier"]]
    assert not any(record.diverged for record in records)


def test_a_diverged_seed_has_none() -> None:
    own = training(metric(brier))
    with torch.no_grad():
        next(own.runs[0].network.parameters()).fill_(float("nan"))
    first, second = own.run_epoch()
    assert first.diverged
    assert first.validation_metrics == {}
    assert second.validation_metrics.keys() == {"brier"}


def test_records_without_any_are_as_they_were() -> None:
    (record, _) = training().run_epoch()
    assert "validation_metrics" not in record.to_json()
    assert EpochRecord.from_json(record.to_json()) == record
