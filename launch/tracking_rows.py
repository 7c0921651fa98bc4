"""What W&B is told of a unit: its config, a row an epoch, its summary, its parameters. Made from records alone.

The same functions feed a run while it trains and fill it in afterwards, so that both give the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from glifr.conditions import CONDITIONS
from glifr.records import EpochRecord, ParameterSummary, Proposal, SeedOutcome, UnitId, UnitRecords
from glifr.tasks import TaskDefinition
from launch.spec import StudySpec

MEASURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
_QUANTILES = {"minimum": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "maximum": 1.0}


@dataclass(frozen=True)
class Histogram:
    """counts[i] neurons lie between edges[i] and edges[i + 1]."""

    counts: tuple[float, ...]
    edges: tuple[float, ...]


def run_id(study_hash: str, unit: UnitId, token: str) -> str:
    """One id an attempt: two offline segments under one id would overwrite each other when they are uploaded."""
    name = unit.search_name.replace("@", "-r")
    return f"{study_hash[:8]}-{unit.stage}-{name}-{unit.number}-{token.rsplit('-', 1)[-1]}"


def config(spec: StudySpec, study_hash: str, proposal: Proposal) -> dict[str, Any]:
    """Flat, so that W&B groups and filters by each key."""
    unit, condition = proposal.unit, CONDITIONS[proposal.unit.condition]
    return {
        "condition": unit.condition,
        "stage": unit.stage,
        "repeat": unit.repeat,
        "number": unit.number,
        "unit": str(unit),
        "architecture": condition.architecture,
        "after_spike_currents": condition.num_ascs,
        "start": condition.start,
        "start_from": proposal.start_from,
        "learned": condition.learned,
        "hidden_size": proposal.hidden_size,
        "trained_parameters": proposal.trained_parameters,
        "delay_steps": proposal.delay_steps,
        "seeds": list(proposal.seeds),
        "study": spec.name,
        "study_hash": study_hash,
        **proposal.hyperparameters,
    }


def epoch_rows(unit: UnitId, records: Iterable[EpochRecord]) -> list[dict[str, Any]]:
    """A row an epoch, in order: plain values for a final seed, statistics over the seeds and each seed otherwise."""
    by_epoch: dict[int, list[EpochRecord]] = {}
    for record in records:
        by_epoch.setdefault(record.epoch, []).append(record)
    return [_epoch_row(unit, by_epoch[epoch]) for epoch in sorted(by_epoch)]


def _epoch_row(unit: UnitId, records: Sequence[EpochRecord]) -> dict[str, Any]:
    row: dict[str, Any] = {"epoch": records[0].epoch, "diverged_seeds": sum(r.diverged for r in records)}
    for measure in MEASURES:
        values = {r.seed: getattr(r, measure) for r in records if getattr(r, measure) is not None}
        if not values:
            continue
        if unit.stage == "final":
            row[measure] = next(iter(values.values()))
            continue
        numbers = list(values.values())
        row |= {f"{measure}/mean": statistics.fmean(numbers), f"{measure}/min": min(numbers)}
        row |= {f"{measure}/max": max(numbers)}
        if len(numbers) > 1:
            row[f"{measure}/sd"] = statistics.stdev(numbers)
        row |= {f"{measure}/seed_{seed}": value for seed, value in values.items()}
    return row


def summary(unit: UnitId, outcomes: Sequence[SeedOutcome]) -> dict[str, Any]:
    """The final numbers; the test result of a final network."""
    found: dict[str, Any] = {"score": statistics.fmean(o.score for o in outcomes)}
    found["diverged_seeds"] = sum(o.diverged for o in outcomes)
    if unit.stage == "final":
        found |= {"test_loss": outcomes[0].test_loss, "test_accuracy": outcomes[0].test_accuracy}
    return found


def silencing_rows(task: TaskDefinition, units: Iterable[UnitRecords]) -> list[dict[str, Any]]:
    """A row a share of silenced neurons: each condition's mean test result, masks averaged within a network first."""
    networks: dict[float, dict[str, list[float]]] = {}
    for unit in units:
        by_share: dict[float, list[float]] = {}
        for row in unit.result.silencing if unit.result else ():
            told = row.test_loss if task.primary == "loss" or row.test_accuracy is None else row.test_accuracy
            by_share.setdefault(row.fraction, []).append(told)
        for share, values in by_share.items():
            of_condition = networks.setdefault(share, {}).setdefault(unit.unit.condition, [])
            of_condition.append(statistics.fmean(values))
    return [
        {"silenced_share": share, **{f"silencing/{name}": statistics.fmean(v) for name, v in networks[share].items()}}
        for share in sorted(networks)
    ]


def histograms(proposal: Proposal, outcomes: Sequence[SeedOutcome]) -> dict[str, Histogram]:
    """Each neuron parameter over the neurons of a final network, at the start and the end of training."""
    if proposal.unit.stage != "final":
        return {}
    return {
        f"parameters/{p.parameter}_{p.index}/{p.when}": _histogram(p, proposal.hidden_size)
        for p in outcomes[0].parameters
    }


def _histogram(parameter: ParameterSummary, neurons: int) -> Histogram:
    """The quantiles on record as bins; those without a width are joined to the next."""
    steps = [(getattr(parameter, name), share) for name, share in _QUANTILES.items()]
    if steps[0][0] == steps[-1][0]:
        value = steps[0][0]
        return Histogram((float(neurons),), (value - 0.5, value + 0.5))
    last_share: Mapping[float, float] = dict(steps)  # of equal values, that of the last
    edges = tuple(last_share)
    shares = (0.0, *(last_share[edge] for edge in edges[1:]))
    return Histogram(tuple(neurons * (b - a) for a, b in pairwise(shares)), edges)
