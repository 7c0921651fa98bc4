"""Content of a unit's run - config, one row per epoch, summary, parameters - made from records alone.

The same functions feed a run while it trains and fill it in afterwards, so that both give the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from glifr.records import (
    EpochRecord,
    Layout,
    Look,
    LookState,
    ParameterSummary,
    Proposal,
    RecordError,
    SeedOutcome,
    UnitId,
    UnitRecords,
    read_characteristics,
)
from launch.studyfile import StudySpec, read_resolved

MEASURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
DIVERGED = "diverged_seeds"  # in the rows of epochs and in the summary
_BINS = 64
_QUANTILES = {"minimum": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "maximum": 1.0}


def validation_of(metric: str) -> str:
    """What a metric of the task's own is called where it is measured on validation data, as in the tables."""
    return f"validation_{metric}"


@dataclass(frozen=True)
class Histogram:
    """counts[i] neurons lie between edges[i] and edges[i + 1]."""

    counts: tuple[float, ...]
    edges: tuple[float, ...]


def run_id(study_hash: str, unit: UnitId, token: str) -> str:
    """One id an attempt: two offline segments under one id would overwrite each other when they are uploaded."""
    name = unit.search_name.replace("@", "-r")
    return f"{study_hash[:8]}-{unit.stage}-{name}-{unit.number}-{token.rsplit('-', 1)[-1]}"


@dataclass(frozen=True)
class TrackedStudy:
    """What every run is told of its study.

    Attributes:
        code: Hashes of the modules from outside.
        metrics: The names of the task's own.
    """

    spec: StudySpec
    profile: str
    study_hash: str
    code: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()

    def has_run(self, unit: UnitId) -> bool:
        """True if W&B gets a run of the unit (`tracking.wandb.runs`)."""
        return unit.stage != "silencing" and (self.spec.tracking.wandb.runs == "all" or unit.stage == "final")

    @property
    def measures(self) -> tuple[str, ...]:
        """What rows of epochs may have: the measures of every task, and the task's own metrics."""
        return (*MEASURES, *map(validation_of, self.metrics))

    def name_of(self, what: str) -> str:
        """The name of a run: no other profile or study in the project has it."""
        return f"{what} ({self.spec.name}, {self.profile}, {self.study_hash[:8]})"

    def config(self) -> dict[str, Any]:
        """What decides results and is common to all runs; `training_epochs` are those of the final networks."""
        task = self.spec.task.model_dump(mode="json", exclude={"name", "source", "data_root", "path"})
        return {
            "study": self.spec.name,
            "profile": self.profile,
            "study_hash": self.study_hash,
            "task": self.spec.task.name,
            "source": self.spec.task.source,
            **_flat("task", task),
            **{f"code_{name}": digest for name, digest in self.code.items()},
            **_flat("training", self.spec.training.model_dump(mode="json")),
        }


@dataclass(frozen=True)
class Computation:
    """What computed an attempt; None where that is not on record.

    Attributes:
        commit: Commit of the session's code.
    """

    backend: str | None = None
    device: str | None = None
    commit: str | None = None


def tracked(study: Mapping[str, Any]) -> TrackedStudy:
    """The study of a study.json."""
    code = {name: module["digest"] for name, module in study.get("code", {}).items()}
    metrics = tuple(metric["name"] for metric in study.get("task", {}).get("metrics", ()))
    return TrackedStudy(read_resolved(study["spec"]), study["profile"], study["hash"], code, metrics)


def hashes(study: Mapping[str, Any], sessions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The study's hashes, now and in earlier sessions: more seeds or trials give it another."""
    earlier = [str(s["study_hash"]) for s in sessions if s.get("study_hash")]
    return list(dict.fromkeys([str(study["hash"]), *earlier]))


def commit_of(sessions: Sequence[Mapping[str, Any]], started_at: str) -> str | None:
    """The commit of the session in which an attempt began: of those in provenance.json the last before it."""
    before = [s for s in sessions if s["started_at"] <= started_at] or list(sessions[:1])
    return before[-1]["commit"] if before else None


def config(tracked: TrackedStudy, computed: Computation, proposal: Proposal) -> dict[str, Any]:
    """Flat, so that W&B groups and filters by each key."""
    unit = proposal.unit
    spec = tracked.spec.at(unit.condition, proposal.hyperparameters)
    condition = spec.condition(unit.condition)
    return {
        **tracked.config(),
        **_flat("training", spec.training_of(unit.condition).model_dump(mode="json")),
        "condition": unit.condition,
        "stage": unit.stage,
        "repeat": unit.repeat,
        "number": unit.number,
        "unit": str(unit),
        "architecture": condition.architecture,
        "after_spike_currents": condition.num_ascs,
        "start": condition.start,
        "start_from": proposal.start_from,
        "learned": condition.learned if isinstance(condition.learned, bool) else list(condition.learned),
        **condition.constants,
        **_flat("settings", condition.all_settings),
        "hidden_size": proposal.hidden_size,
        "trained_parameters": proposal.trained_parameters,
        "delay_steps": proposal.delay_steps,
        "seeds": list(proposal.seeds),
        "epochs": tracked.spec.epochs(unit.stage, unit.condition),
        "backend": computed.backend,
        "device": computed.device,
        "commit": computed.commit,
        "code_version": proposal.code_version,
        **{name.replace(".", "_"): value for name, value in proposal.hyperparameters.items()},
    }


def _flat(name: str, value: Any) -> dict[str, Any]:
    """A tree of settings as one level: `training_adam_beta1`."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for part, below in value.items() for key, leaf in _flat(f"{name}_{part}", below).items()}


def epoch_rows(unit: UnitId, records: Iterable[EpochRecord]) -> list[dict[str, Any]]:
    """A row an epoch, in order: plain values for a final seed, else the mean over seeds.

    With more than one seed also their sd, min and max, and each seed.
    """
    by_epoch: dict[int, list[EpochRecord]] = {}
    for record in records:
        by_epoch.setdefault(record.epoch, []).append(record)
    return [_epoch_row(unit, by_epoch[epoch]) for epoch in sorted(by_epoch)]


def _epoch_row(unit: UnitId, records: Sequence[EpochRecord]) -> dict[str, Any]:
    row: dict[str, Any] = {"epoch": records[0].epoch, DIVERGED: sum(r.diverged for r in records)}
    for measure, values in _measured(records).items():
        if unit.stage == "final":
            row[measure] = next(iter(values.values()))
            continue
        numbers = list(values.values())
        row[f"{measure}/mean"] = statistics.fmean(numbers)
        if len(records) > 1:
            row |= {f"{measure}/sd": statistics.stdev(numbers)} if len(numbers) > 1 else {}
            row |= {f"{measure}/min": min(numbers), f"{measure}/max": max(numbers)}
            row |= {f"{measure}/seed_{seed}": value for seed, value in values.items()}
    return row


def _measured(records: Sequence[EpochRecord]) -> dict[str, dict[int, float]]:
    """Measure -> seed -> value, of one epoch; the task's own metrics last."""
    found: dict[str, dict[int, float]] = {}
    for record in records:
        common = {measure: getattr(record, measure) for measure in MEASURES}
        own = {validation_of(name): value for name, value in record.validation_metrics.items()}
        for measure, value in (common | own).items():
            found.setdefault(measure, {}).update({record.seed: value} if value is not None else {})
    return {measure: values for measure, values in found.items() if values}


def summary(unit: UnitId, outcomes: Sequence[SeedOutcome]) -> dict[str, Any]:
    """The final numbers; the test result of a final network."""
    found: dict[str, Any] = {"score": statistics.fmean(o.score for o in outcomes)}
    found[DIVERGED] = sum(o.diverged for o in outcomes)
    if unit.stage == "final":
        found |= {"test_loss": outcomes[0].test_loss, "test_accuracy": outcomes[0].test_accuracy}
        found |= {f"test_{name}": value for name, value in outcomes[0].test_metrics.items()}
    return found


def final_numbers(unit: UnitId, outcomes: Sequence[SeedOutcome]) -> dict[str, Any]:
    """The summary without what the last epoch's row has: in a series no step may be there twice."""
    return {name: value for name, value in summary(unit, outcomes).items() if name != DIVERGED}


def silencing_rows(primary: str, units: Iterable[UnitRecords]) -> list[dict[str, Any]]:
    """A row a share of silenced neurons: each condition's mean test result, masks averaged within a network first."""
    networks: dict[float, dict[str, list[float]]] = {}
    for unit in units:
        by_share: dict[float, list[float]] = {}
        for row in unit.result.silencing if unit.result else ():
            known = {"loss": row.test_loss, "accuracy": row.test_accuracy, **row.test_metrics}
            told = row.test_loss if (found := known.get(primary)) is None else found
            by_share.setdefault(row.fraction, []).append(told)
        for share, values in by_share.items():
            of_condition = networks.setdefault(share, {}).setdefault(unit.unit.condition, [])
            of_condition.append(statistics.fmean(values))
    return [
        {"silenced_share": share, **{f"silencing/{name}": statistics.fmean(v) for name, v in networks[share].items()}}
        for share in sorted(networks)
    ]


def look_rows(looks: Iterable[Look]) -> list[dict[str, Any]]:
    """One row per look: its units, how much of the family stands how after it, and the units asked for by then."""
    return [
        {
            "look": look.number,
            "looks/units": look.units,
            "looks/units_asked": sum(look.asks.values()),
            **{f"looks/{state}": sum(e.state == state for e in look.entries) for state in get_args(LookState)},
        }
        for look in looks
    ]


def histograms(layout: Layout, proposal: Proposal, outcomes: Sequence[SeedOutcome]) -> dict[str, Histogram]:
    """Each neuron parameter over all neurons of a final network, at the start and the end of training."""
    if proposal.unit.stage != "final":
        return {}
    values = _values(layout, outcomes[0])
    found = {}
    for p in outcomes[0].parameters:
        own = values.get((p.parameter, p.index, p.when))
        drawn = _from_quantiles(p, proposal.hidden_size) if own is None else _of_all(own)
        found[f"parameters/{p.parameter}_{p.index}/{p.when}"] = drawn
    return found


def _values(layout: Layout, outcome: SeedOutcome) -> dict[tuple[str, int, str], NDArray[Any]]:
    """Parameter, current and time -> the value of each neuron [H]; nothing where they are not on record."""
    if outcome.characteristics is None:
        return {}
    try:
        kept = read_characteristics(layout, outcome.characteristics)
    except RecordError:
        return {}
    found: dict[tuple[str, int, str], NDArray[Any]] = {}
    for when, arrays in (("start", kept.start), ("end", kept.end)):
        for name, array in arrays.items():
            found |= {(name, index, when): row for index, row in enumerate(np.atleast_2d(array)) if _finite(row)}
    return found


def _finite(row: NDArray[Any]) -> bool:
    return bool(row.size and np.isfinite(row).all())


def _of_all(values: NDArray[Any]) -> Histogram:
    counts, edges = np.histogram(np.asarray(values, dtype=float), bins=_BINS)
    return Histogram(tuple(counts.tolist()), tuple(edges.tolist()))


def _from_quantiles(parameter: ParameterSummary, neurons: int) -> Histogram:
    """The quantiles on record as bins; those without a width are joined to the next."""
    steps = [(getattr(parameter, name), share) for name, share in _QUANTILES.items()]
    if steps[0][0] == steps[-1][0]:
        value = steps[0][0]
        return Histogram((float(neurons),), (value - 0.5, value + 0.5))
    last_share: Mapping[float, float] = dict(steps)  # of equal values, that of the last
    edges = tuple(last_share)
    shares = (0.0, *(last_share[edge] for edge in edges[1:]))
    return Histogram(tuple(neurons * (b - a) for a, b in pairwise(shares)), edges)
