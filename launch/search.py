"""Optuna, one study per condition, in memory: a projection that is rebuilt from the ledger.

Proposal k of a condition is drawn by a sampler seeded with (study seed, condition, k), so that a search within the
sampler's start-up trials does not depend on the order in which trials end. The condition's own pruner compares a trial
only with trials of the same condition.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from launch.spec import Dimension, Pruner, Sampler

optuna.logging.set_verbosity(optuna.logging.ERROR)

Outcome = Literal["complete", "pruned", "failed"]
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class PastTrial:
    """A trial on record. `outcome` None: it is still open. scores: epoch -> score."""

    hyperparameters: Mapping[str, float]
    outcome: Outcome | None
    value: float | None
    scores: Mapping[int, float]


class ConditionSearch:
    """The search within one condition: ask for proposal k, report its epochs, tell how it ended."""

    def __init__(
        self,
        condition: str,
        space: Mapping[str, Dimension],
        sampler: Sampler,
        pruner: Pruner,
        study_seed: int,
    ) -> None:
        self._condition, self._sampler_settings, self._study_seed = condition, sampler, study_seed
        self._distributions: dict[str, BaseDistribution] = {
            name: FloatDistribution(d.low, d.high, log=d.log) for name, d in space.items()
        }
        self._study = optuna.create_study(direction="minimize", pruner=_pruner(pruner), study_name=condition)
        self._open: dict[int, Trial] = {}
        self._reported: dict[int, set[int]] = {}  # of the open trials
        self.proposed = 0  # how many proposals there are: the number of the next

    @property
    def running(self) -> int:
        """Trials that Optuna holds as running."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))

    def replay(self, past: Sequence[PastTrial]) -> None:
        """Rebuilds the study from trials on record, in the order of their numbers; open ones become running again."""
        for number, trial in enumerate(past, self.proposed):
            if trial.outcome is None:
                self._study.enqueue_trial(dict(trial.hyperparameters))
                self._open[number] = self._study.ask(self._distributions)
                for epoch, score in trial.scores.items():
                    self._open[number].report(score, epoch)
                self._reported[number] = set(trial.scores)
            else:
                self._study.add_trial(self._frozen(trial))
            self.proposed = number + 1

    def _frozen(self, trial: PastTrial) -> FrozenTrial:
        assert trial.outcome is not None
        return create_trial(
            state=_STATES[trial.outcome],
            value=trial.value if trial.outcome == "complete" else None,
            params=dict(trial.hyperparameters),
            distributions={name: self._distributions[name] for name in trial.hyperparameters},
            intermediate_values=dict(trial.scores),
        )

    def ask(self) -> tuple[int, dict[str, float]]:
        """The next proposal: its number and hyperparameters."""
        number = self.proposed
        self._study.sampler = _sampler(self._sampler_settings, _seed(self._study_seed, self._condition, number))
        trial = self._study.ask(self._distributions)
        self._open[number], self._reported[number] = trial, set()
        self.proposed += 1
        return number, dict(trial.params)

    def draw_again(self) -> dict[str, float]:
        """The hyperparameters that `ask` would give next, from a copy: nothing is proposed."""
        return copy.deepcopy(self).ask()[1]

    def report(self, number: int, epoch: int, score: float) -> bool:
        """Records a trial's score after an epoch; whether the pruner would stop it now.

        An epoch that was on record before a resume is not recorded again.
        """
        trial = self._open[number]
        if epoch not in self._reported[number]:
            trial.report(score, epoch)
            self._reported[number].add(epoch)
        return bool(trial.should_prune())

    def tell(self, number: int, outcome: Outcome, value: float | None) -> None:
        """Ends a trial. A failed one counts for the budget but teaches the sampler nothing."""
        del self._reported[number]
        self._study.tell(self._open.pop(number), value if outcome == "complete" else None, state=_STATES[outcome])


def _seed(study_seed: int, condition: str, number: int) -> int:
    raw = hashlib.sha256(f"{study_seed}/{condition}/{number}".encode()).digest()
    return int.from_bytes(raw[:4], "big")


def _sampler(settings: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    if settings.name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(
        n_startup_trials=settings.startup_trials,
        n_ei_candidates=settings.candidates,
        multivariate=settings.multivariate,
        group=settings.group,
        constant_liar=settings.constant_liar,
        seed=seed,
    )


def _pruner(settings: Pruner) -> optuna.pruners.BasePruner:
    if settings.name == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(
        n_startup_trials=settings.startup_trials,
        n_warmup_steps=settings.warmup_epochs + 1,  # Optuna prunes from this step on; our epochs count from 1
        n_min_trials=settings.min_trials,
    )
