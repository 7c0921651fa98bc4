"""Optuna's samplers as a study names them: sequences that no result changes, and models that learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from glifr.records import Value
from launch.studyfile import Dimension, Sampler
from launch.studyfile.search.samplers import CmaesSampler, GpSampler, QmcSampler, TpeSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # said in the study file's page


class Sequential:
    """Points of a sampler that looks at no result, by their number."""

    def __init__(self, sampler: BaseSampler, distributions: Mapping[str, BaseDistribution], skipped: int = 0) -> None:
        self._study = optuna.create_study(sampler=sampler)
        self._distributions, self._skipped = dict(distributions), skipped
        self._points: list[dict[str, Value]] = []

    def at(self, number: int) -> dict[str, Value]:
        """Point `number`, counted from 0."""
        while len(self._points) <= number + self._skipped:
            self._points.append(dict(self._study.ask(self._distributions).params))
        return self._points[number + self._skipped]


def quasi_random(settings: QmcSampler, dimensions: Sequence[str], seed: int) -> Sequential:
    """Points of the unit cube of all dimensions that the study searches: conditions share those of a dimension."""
    sampler = optuna.samplers.QMCSampler(qmc_type=settings.sequence, scramble=settings.scramble, seed=seed)
    cube = {name: FloatDistribution(0.0, 1.0) for name in dimensions}
    return Sequential(sampler, cube, skipped=1)  # Optuna's first trial is no point of the sequence: it shows the space


def grid(space: Mapping[str, Dimension], seed: int) -> Sequential:
    """Every combination once, in an order that conditions of the same space share."""
    sampler = optuna.samplers.GridSampler({name: dimension.grid() for name, dimension in space.items()}, seed=seed)
    return Sequential(sampler, {name: distribution(dimension) for name, dimension in space.items()})


def model(settings: Sampler, seed: int, learned: Sequence[FrozenTrial] = ()) -> BaseSampler:
    """Optuna's sampler for one proposal. learned: of another study, where the sampler takes them apart."""
    if isinstance(settings, GpSampler):
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=settings.startup_trials, deterministic_objective=settings.deterministic
        )
    if isinstance(settings, CmaesSampler):
        return optuna.samplers.CmaEsSampler(
            seed=seed,
            n_startup_trials=settings.startup_trials,
            popsize=settings.population,
            use_separable_cma=settings.separable,
            with_margin=settings.margin,
            lr_adapt=settings.adapt_rate,
            consider_pruned_trials=settings.pruned_trials,
            source_trials=list(learned) or None,
            warn_independent_sampling=False,
        )
    if isinstance(settings, TpeSampler):
        return optuna.samplers.TPESampler(
            n_startup_trials=settings.startup_trials,
            n_ei_candidates=settings.candidates,
            multivariate=settings.multivariate,
            group=settings.group,
            constant_liar=settings.constant_liar,
            seed=seed,
        )
    return optuna.samplers.RandomSampler(seed=seed)


def teaches(settings: Sampler) -> tuple[TrialState, ...]:
    """The ends of trials that count towards the start-up trials, as Optuna's sampler counts them."""
    pruned = settings.pruned_trials if isinstance(settings, CmaesSampler) else isinstance(settings, TpeSampler)
    return (TrialState.COMPLETE, TrialState.PRUNED) if pruned else (TrialState.COMPLETE,)


def notes_in_trials(settings: Sampler) -> bool:
    """True if the sampler leaves its own state in the trials, so that a rebuilt study must let it propose again."""
    return isinstance(settings, CmaesSampler)


class Recorded(BaseSampler):
    """Lets a sampler propose, for what it notes in the study, and gives what is on record instead."""

    def __init__(self, sampler: BaseSampler, values: Mapping[str, Value]) -> None:
        self._sampler, self._values = sampler, values

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._sampler.sample_relative(study, trial, search_space)
        return {name: self._values[name] for name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._values[param_name]


def distribution(dimension: Dimension) -> BaseDistribution:
    """As Optuna has it."""
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.range
    if dimension.type == "int":
        return IntDistribution(int(low), int(high), log=dimension.log)
    return FloatDistribution(low, high, log=dimension.log)
