"""Estimates the time and disk space of a plan: timed trials, multiplied by what is planned."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from glifr.records import STAGES, Stage
from launch.planning.plan import StudyPlan

_REPEATS = 2  # of each condition at least: their spread is the uncertainty
HANDOVER_SECONDS = 0.15  # from a job's end to the next one's start on the same worker (docs/cluster.md)
SESSION_SECONDS = 20.0  # starting Ray and its workers; tables, figures and report of a small study
_RECORD_BYTES = 250  # an epoch of a seed
_NUMBER_BYTES = 4  # of a trained parameter


@dataclass(frozen=True)
class Timing:
    """Measured times of one condition, in seconds of one slot.

    Attributes:
        step: A training step of one seed, in the company that the study gives it.
        evaluation: One evaluation batch.
        epoch: The bookkeeping of an epoch (checkpoint, records, tracking).
        job: The overhead of a job (start, results, tracking).
        bytes: What a unit leaves on the disk, including W&B's files, but without what only final units keep: the
            trained network and its characteristics.
        characteristics: Bytes of these.
    """

    step: float
    evaluation: float
    epoch: float
    job: float
    bytes: int
    characteristics: int = 0


TimeCondition = Callable[[StudyPlan, str, str], Timing]  # plan, condition, tracking mode


class Runner(Protocol):
    """Where trials would run: as many at once as there are slots."""

    @property
    def slots(self) -> int:
        """How many run at once."""

    def map(self, function: Callable[..., Timing], items: Sequence[tuple[object, ...]]) -> list[Timing]:
        """`function` of each item, on as much of a node as a trial takes, all slots busy."""


@dataclass(frozen=True)
class Span:
    """An estimate with the range that the timings leave."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Expected time and disk space of a study.

    Attributes:
        slots: Trials at once.
        timings: The timed trials of each condition.
        slot_seconds: Seconds of one slot, by condition.
        seconds: Wall time of the whole study.
        bytes: What it leaves on the disk.
    """

    slots: int
    timings: Mapping[str, Sequence[Timing]]
    slot_seconds: Mapping[str, float]
    seconds: Span
    bytes: int

    def step(self, condition: str) -> float:
        """Seconds of a training step of one seed."""
        return statistics.median(t.step for t in self.timings[condition])


def estimate(plan: StudyPlan, runner: Runner, time_condition: TimeCondition, tracking_mode: str) -> Estimate:
    """Times every condition, on all slots at once as in the study."""
    names = list(plan.conditions)
    repeats = max(_REPEATS, math.ceil(runner.slots / len(names)))
    items = [(plan, name, tracking_mode) for _ in range(repeats) for name in names]
    found = runner.map(time_condition, items)
    timings = {name: [t for item, t in zip(items, found, strict=True) if item[1] == name] for name in names}
    return cost(plan, timings, runner.slots)


def cost(plan: StudyPlan, timings: Mapping[str, Sequence[Timing]], slots: int) -> Estimate:
    """What the plan takes by these timings of its conditions."""
    names = list(plan.conditions)

    def seconds(choose: Callable[[list[float]], float], searched: float = 1.0) -> dict[str, dict[Stage, float]]:
        return {n: _condition_seconds(plan, n, _pick(timings[n], choose), searched) for n in names}

    middle, fast, slow = seconds(statistics.median), seconds(min, _stopped(plan)), seconds(max)
    return Estimate(
        slots=slots,
        timings=timings,
        slot_seconds={name: sum(stages.values()) for name, stages in middle.items()},
        seconds=Span(*(_wall_seconds(plan, found, slots) for found in (middle, fast, slow))),
        bytes=sum(_bytes(plan, name, timings[name]) for name in names),
    )


def step_seconds(plan: StudyPlan, timings: Mapping[str, Sequence[Timing]], condition: str, stage: Stage) -> float:
    """Seconds of a slot for one epoch of a unit, or for the silencing of one network."""
    timing = _pick(timings[condition], statistics.median)
    steps = 1 if stage == "silencing" else plan.study.spec.epochs(stage, condition)
    return (_unit_seconds(plan, condition, stage, timing) - HANDOVER_SECONDS) / steps


def _pick(timings: Sequence[Timing], choose: Callable[[list[float]], float]) -> Timing:
    step, evaluation, epoch, job = (
        choose([getattr(t, part) for t in timings]) for part in ("step", "evaluation", "epoch", "job")
    )
    return Timing(step, evaluation, epoch, job, timings[0].bytes, timings[0].characteristics)


def _condition_seconds(plan: StudyPlan, name: str, t: Timing, searched: float) -> dict[Stage, float]:
    """Slot-seconds of a condition by stage. searched: the share of the search's epochs that are run."""
    planned = plan.conditions[name].planned
    seconds = {stage: planned[stage] * _unit_seconds(plan, name, stage, t) for stage in STAGES}
    return seconds | {"search": _search_seconds(plan, name, seconds["search"], searched)}


def _search_seconds(plan: StudyPlan, name: str, whole: float, searched: float) -> float:
    """Of `planned` trials of so many seconds in all, by what searches have equal; see `Budget`."""
    spec = plan.study.spec
    equal = spec.budget.equal if spec.budget is not None else "trials"
    if equal == "epochs":  # what early stopping saves goes into further trials
        return whole * spec.epochs("search") / spec.epochs("search", name)
    if equal == "time" and spec.budget is not None:
        return min(whole, 3600 * (spec.budget.search_hours or 0.0) * plan.conditions[name].repeats)
    return whole * searched


def _unit_seconds(plan: StudyPlan, condition: str, stage: Stage, t: Timing) -> float:
    from glifr.training.evaluation import EVALUATION_BATCH

    spec, task = plan.study.spec, plan.task
    test = math.ceil(task.samples_tested_on(spec.task.source) / EVALUATION_BATCH) * t.evaluation
    if stage == "silencing":
        return HANDOVER_SECONDS + plan.silencing_passes * test
    held_out = task.samples_validated_on(spec.task.settings())
    epoch = plan.steps_an_epoch(condition) * t.step + math.ceil(held_out / EVALUATION_BATCH) * t.evaluation + t.epoch
    epochs = plan.seeds_a_unit(stage) * spec.epochs(stage, condition)
    return HANDOVER_SECONDS + t.job + epochs * epoch + (test if stage == "final" else 0.0)


def _stopped(plan: StudyPlan) -> float:
    """The share of the search's steps that early stopping leaves, if it stops half of what it may judge, at once."""
    spec, search = plan.study.spec, plan.study.spec.search
    if search is None or not search.pruner.stops:
        return 1.0
    steps = len(spec.search_seeds()) if search.pruner.per_seed else spec.epochs("search")
    trials = min(spec.trials(name) for name in plan.conditions)
    judged = max(0, trials - getattr(search.pruner, "startup_trials", 0)) / max(1, trials)
    return 1.0 - judged * 0.5 * (1.0 - min(1.0, search.pruner.first_stop() / steps))


def _wall_seconds(plan: StudyPlan, seconds: Mapping[str, Mapping[Stage, float]], slots: int) -> float:
    """Estimates the wall time: all the work over all the slots, but no less than the longest chain of stages.

    A chain is that of a repeat, one stage after another, after those of the condition that it starts from.
    """
    total = sum(sum(stages.values()) for stages in seconds.values())
    chains = {
        name: sum(s * math.ceil(of_repeat[stage] / slots) / n for stage, s in stages.items() if (n := planned[stage]))
        for name, stages in seconds.items()
        for planned, of_repeat in [(plan.conditions[name].planned, plan.planned_in_repeat(name))]
    }
    longest = max(chains[name] + chains.get(own.start_from or "", 0.0) for name, own in plan.conditions.items())
    return SESSION_SECONDS + max(total / slots, longest)


def _bytes(plan: StudyPlan, name: str, timings: Sequence[Timing]) -> int:
    own, spec = plan.conditions[name], plan.study.spec
    records = sum(own.planned[s] * plan.seeds_a_unit(s) * spec.epochs(s, name) for s in STAGES) * _RECORD_BYTES
    network = own.trained_parameters * _NUMBER_BYTES + max(t.characteristics for t in timings)
    units = sum(own.planned.values()) * max(t.bytes for t in timings)
    return units + records + own.planned["final"] * network
