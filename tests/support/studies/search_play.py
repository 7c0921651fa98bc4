"""Plays one search without networks: a few slots, a loss that follows from the settings, ends in some order."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glifr.records import Value
from launch.scheduling.search import ConditionSearch, Outcome, PastTrial, SearchRules
from launch.studyfile import Dimension, Pruner, Sampler
from launch.studyfile.search.pruners import (
    HyperbandPruner,
    MedianPruner,
    NonePruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from launch.studyfile.search.samplers import (
    CmaesSampler,
    GpSampler,
    GridSampler,
    QmcSampler,
    RandomSampler,
    TpeSampler,
)

SPACE = {
    "learning_rate": Dimension(low=1e-4, high=1e-2, scale="log", points=6),
    "neuron_spread": Dimension(low=0.0, high=2.0, scale="linear", points=4),
}
RANDOM, NONE = RandomSampler(name="random"), NonePruner(name="none")
MEDIAN = MedianPruner(name="median", startup_trials=2)
SAMPLERS: dict[str, Sampler] = {
    "tpe": TpeSampler(name="tpe", startup_trials=3),
    "random": RANDOM,
    "gp": GpSampler(name="gp", startup_trials=3),
    "cmaes": CmaesSampler(name="cmaes", startup_trials=3, population=4),
    "qmc": QmcSampler(name="qmc"),
    "grid": GridSampler(name="grid"),
}
PRUNERS: dict[str, Pruner] = {
    "none": NONE,
    "median": MEDIAN,
    "percentile": PercentilePruner(name="percentile", percentile=40.0, startup_trials=2),
    "successive_halving": SuccessiveHalvingPruner(name="successive_halving", reduction_factor=2),
    "hyperband": HyperbandPruner(name="hyperband", reduction_factor=2),
    "patient": PatientPruner(name="patient", patience=1, pruner=MEDIAN),
    "wilcoxon": WilcoxonPruner(name="wilcoxon", p_threshold=0.3),
}
TRIALS, STEPS, SLOTS = 14, 8, 3


def chance(*parts: object) -> float:
    """A number from 0 to 1 that depends on all parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


def loss(values: Mapping[str, Value], step: int) -> float:
    """Of a trial after a step: the settings' own, noise, and trials that begin better than they end."""
    off = abs(math.log10(float(values["learning_rate"])) + 3) + abs(float(values["neuron_spread"]) - 1.5)
    own = sorted(values.items())
    return 0.4 * off * step / STEPS + (1 - step / STEPS) * chance(own) + 0.3 * chance(own, step)


@dataclass
class Play:
    """One search as it goes on. `past` is its ledger. killed: whether it is rebuilt from there after every event.

    loses: whether some of its trials fail.
    """

    rules: SearchRules
    order: int = 0
    killed: bool = False
    trials: int = TRIALS
    slots: int = SLOTS
    loses: bool = True
    condition: str = "RHet"
    past: list[PastTrial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.search, self._dice = self._new(), random.Random(self.order)

    def _new(self) -> ConditionSearch:
        return ConditionSearch(self.condition, SPACE, self.rules)

    def run(self) -> list[PastTrial]:
        """To its end."""
        while True:
            running = [number for number, trial in enumerate(self.past) if trial.outcome is None]
            if len(running) < self.slots and len(self.past) < self.trials:
                self._begin()
            elif running:
                self._go_on(self._dice.choice(running))
            else:
                return self.past
            if self.killed:
                self.search = self._new()
                self.search.replay(self.past)

    def _begin(self) -> None:
        still_open = self.search.open
        number, values = self.search.ask()
        assert number == len(self.past)
        self.past.append(PastTrial(values, None, None, {}, still_open))

    def _go_on(self, number: int) -> None:
        trial = self.past[number]
        step = len(trial.scores) + 1
        score = loss(trial.hyperparameters, step)
        self.past[number] = trial = replace(trial, scores={**trial.scores, step: score})
        stop = self.search.report(number, step, score)
        if step == STEPS:
            self._end(number, "complete", score)
        elif stop:
            self._end(number, "pruned", score)
        elif self.loses and chance("lost", self.order, number, step) < 0.01:
            self._end(number, "failed", None)

    def _end(self, number: int, outcome: Outcome, value: float | None) -> None:
        self.past[number] = replace(self.past[number], outcome=outcome, value=value)
        self.search.tell(number, outcome, value)


def rules(sampler: Sampler = RANDOM, pruner: Pruner = NONE) -> SearchRules:
    """Of a play."""
    return SearchRules(sampler, pruner, 7, epochs=STEPS)


def proposals(past: list[PastTrial]) -> list[Mapping[str, Value]]:
    """What was tried, in the order of its numbers."""
    return [trial.hyperparameters for trial in past]


def lengths(past: list[PastTrial]) -> list[int]:
    """How far each trial came."""
    return [len(trial.scores) for trial in past]
