"""One study from search to final networks, by the launcher's own search code, without its ledger and executors.

What the launcher's scheduler does with the same design and the same networks is the same: a test holds it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.searches.designs import Design
from benchmarks.searches.surface import Surface, luck_of
from glifr.records import Stage
from launch.planning.plan import SCHEME, SCHEME_BY_CONDITION, StudyPlan
from launch.scheduling.search import ConditionSearch, rules_of
from launch.studyfile import hyperparameters_in

Proposals = Literal["common", "own"]
Settings = Mapping[str, float]


@dataclass(frozen=True)
class StudyOutcome:
    """accuracy: of the final networks [r, seeds, conditions]. regret: of the settings found [r, conditions]."""

    accuracy: np.ndarray
    regret: np.ndarray


@dataclass(frozen=True)
class _Networks:
    """The networks of one condition in one repeat of one study. Luck goes by a seed's place, whatever its number is."""

    plan: StudyPlan
    surface: Surface
    study: int
    repeat: int
    condition: str

    def value(self, stage: Stage, number: int, settings: Settings, seeds: int) -> float:
        """What the launcher makes of a unit: the mean loss over its seeds."""
        epochs = self.plan.study.spec.epochs(stage)
        lucks = (luck_of(self.study, stage, self.condition, self.repeat, number, place) for place in range(seeds))
        return statistics.fmean(self.surface.loss(settings, epochs, luck) for luck in lucks)

    def accuracy(self, place: int, settings: Settings) -> float:
        """Of the final network with the repeat's seed number `place`."""
        epochs = self.plan.study.spec.epochs("final")
        luck = luck_of(self.study, "final", self.condition, self.repeat, place, 0)
        return 1 - self.surface.error(settings, epochs, luck)


def play(design: Design, study: int, proposals: Proposals, surfaces: Mapping[str, Surface]) -> StudyOutcome:
    """Study number `study`. proposals: common to conditions, or each condition's own, as before repeats existed."""
    plan = design.plan
    accuracy = np.empty((design.repeats, design.final_seeds, len(plan.conditions)))
    regret = np.empty((design.repeats, len(plan.conditions)))
    for r in range(design.repeats):
        for c, name in enumerate(plan.conditions):
            networks = _Networks(plan, surfaces[name], study, r, name)
            settings = _confirmed(networks, _searched(networks, proposals))
            accuracy[r, :, c] = [networks.accuracy(place, settings) for place in range(design.final_seeds)]
            regret[r, c] = networks.surface.regret(settings)
    return StudyOutcome(accuracy, regret)


def _searched(networks: _Networks, proposals: Proposals) -> list[tuple[int, Settings]]:
    """The `confirm.top` best of the trials, each with its number; the best first."""
    spec = networks.plan.study.spec
    assert spec.search is not None
    assert spec.confirm is not None
    search = _search(networks, proposals)
    found: list[tuple[float, int, Settings]] = []
    for _ in range(spec.trials(networks.condition)):
        number, asked = search.ask()
        settings = hyperparameters_in(asked)
        value = networks.value("search", number, settings, len(spec.search_seeds()))
        search.tell(number, "complete", value)
        found.append((value, number, settings))
    ranked = sorted(found, key=lambda trial: trial[:2])
    return [(number, settings) for _, number, settings in ranked[: spec.confirm.top]]


def _search(networks: _Networks, proposals: Proposals) -> ConditionSearch:
    plan, condition = networks.plan, networks.condition
    rules, space = rules_of(plan, condition), plan.conditions[condition].space
    assert rules is not None
    if proposals == "common":
        rules = replace(rules, study_seed=networks.study, scheme=SCHEME)
        return ConditionSearch(condition, space, rules, networks.repeat)
    # the old scheme knows no repeats: each is a search of another study
    seed = networks.study * 1000 + networks.repeat
    return ConditionSearch(condition, space, replace(rules, study_seed=seed, scheme=SCHEME_BY_CONDITION))


def _confirmed(networks: _Networks, best: list[tuple[int, Settings]]) -> Settings:
    """The configuration with the best mean on fresh seeds."""
    seeds = len(networks.plan.study.spec.confirm_seeds())
    ranked = [(networks.value("confirm", number, settings, seeds), number, settings) for number, settings in best]
    return min(ranked, key=lambda trial: trial[:2])[2]
