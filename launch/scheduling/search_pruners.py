"""Optuna's pruners as a study names them. Each is a function of the recorded scores of one search."""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner
from optuna.trial import TrialState, create_trial

from launch.studyfile import Pruner
from launch.studyfile.search.pruners import (
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)


def pruner(settings: Pruner, epochs: int) -> BasePruner:
    """Optuna's pruner. epochs: of a whole trial."""
    if isinstance(settings, MedianPruner | PercentilePruner):
        return _percentile(settings)
    if isinstance(settings, SuccessiveHalvingPruner):
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=settings.min_epochs,
            reduction_factor=settings.reduction_factor,
            min_early_stopping_rate=settings.min_early_stopping_rate,
            bootstrap_count=settings.bootstrap_trials,
        )
    if isinstance(settings, HyperbandPruner):
        return _hyperband(settings, epochs)
    if isinstance(settings, PatientPruner):
        inner = pruner(settings.pruner, epochs) if settings.pruner.stops else None
        return optuna.pruners.PatientPruner(inner, settings.patience, settings.min_delta)
    if isinstance(settings, WilcoxonPruner):
        return optuna.pruners.WilcoxonPruner(p_threshold=settings.p_threshold, n_startup_steps=settings.startup_seeds)
    return optuna.pruners.NopPruner()


def _percentile(settings: MedianPruner | PercentilePruner) -> BasePruner:
    return optuna.pruners.PercentilePruner(
        settings.percentile if isinstance(settings, PercentilePruner) else 50.0,
        n_startup_trials=settings.startup_trials,
        n_warmup_steps=settings.warmup_epochs + 1,  # Optuna prunes from this step on; our epochs count from 1
        interval_steps=settings.interval_epochs,
        n_min_trials=settings.min_trials,
    )


def _hyperband(settings: HyperbandPruner, epochs: int) -> BasePruner:
    """With its brackets made: else the samplers of a search see them only after the first epoch that it judges."""
    made = optuna.pruners.HyperbandPruner(
        min_resource=settings.min_epochs,
        max_resource=epochs,
        reduction_factor=settings.reduction_factor,
        bootstrap_count=settings.bootstrap_trials,
    )
    made.prune(optuna.create_study(), create_trial(state=TrialState.RUNNING))
    return made


def notes_in_trials(settings: Pruner) -> bool:
    """True if it notes in a trial, when it judges it, how far the trial has come."""
    return isinstance(settings, SuccessiveHalvingPruner | HyperbandPruner)
