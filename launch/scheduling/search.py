"""Optuna, one study per search (a condition and repeat), in memory: a projection that is rebuilt from the ledger.

In start-up trials, and with the random sampler, the place of a dimension in its range depends on (study seed, repeat,
dimension, k) alone. So conditions that share a dimension try the same values of it (common random numbers): what
differs between them is not the luck of their proposals; and such a search does not depend on the order in which trials
end. The model's proposals are drawn with a seed from (study seed, repeat, condition, k). The search's own pruner
compares a trial only with trials of the same search.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from glifr.records import Value, search_name
from launch.planning.plan import SCHEME, SCHEME_BY_CONDITION
from launch.studyfile import Dimension, Pruner, Sampler

optuna.logging.set_verbosity(optuna.logging.ERROR)

Outcome = Literal["complete", "pruned", "failed"]
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class PastTrial:
    """A trial on record. `outcome` None: it is still open. scores: epoch -> score."""

    hyperparameters: Mapping[str, Value]
    outcome: Outcome | None
    value: float | None
    scores: Mapping[int, float]


class ConditionSearch:
    """One search within one condition: ask for proposal k, report its epochs, tell how it ended.

    repeat: which of the condition's independent searches. scheme: how proposals are drawn, the results folder's own.
    """

    def __init__(
        self,
        condition: str,
        space: Mapping[str, Dimension],
        sampler: Sampler,
        pruner: Pruner,
        study_seed: int,
        repeat: int = 0,
        scheme: int = SCHEME,
    ) -> None:
        self._condition, self._space, self._sampler_settings = condition, space, sampler
        self._study_seed, self._repeat, self._scheme = study_seed, repeat, scheme
        self._distributions: dict[str, BaseDistribution] = {name: _distribution(d) for name, d in space.items()}
        self._study = optuna.create_study(
            direction="minimize",
            pruner=_pruner(pruner),
            sampler=optuna.samplers.RandomSampler(seed=0),  # until a model draws, nothing is sampled here
            study_name=search_name(condition, repeat),
        )
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

    def ask(self) -> tuple[int, dict[str, Value]]:
        """The next proposal: its number and hyperparameters."""
        number = self.proposed
        if self._scheme == SCHEME and self._starting_up:
            self._study.enqueue_trial(self._common(number))  # an ordinary trial: what comes later learns from it
        else:
            self._study.sampler = _sampler(self._sampler_settings, self._seed(number))
        trial = self._study.ask(self._distributions)
        self._open[number], self._reported[number] = trial, set()
        self.proposed += 1
        return number, dict(trial.params)

    @property
    def _starting_up(self) -> bool:
        """Whether the sampler proposes without a model: as Optuna counts, until so many trials have taught it."""
        if self._sampler_settings.name == "random":
            return True
        taught = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return len(taught) < self._sampler_settings.startup_trials

    def _common(self, number: int) -> dict[str, Value]:
        """What every condition proposes as number `number`, as far as it has the dimension and the range."""
        return {
            name: d.at(common_draw(self._study_seed, self._repeat, name, number)) for name, d in self._space.items()
        }

    def _seed(self, number: int) -> int:
        """Of Optuna's sampler."""
        if self._scheme == SCHEME_BY_CONDITION:
            return _hashed(self._study_seed, self._condition, number) >> 32
        return _hashed(self._study_seed, self._repeat, self._condition, number) >> 32

    def draw_again(self) -> dict[str, Value]:
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


def common_draw(study_seed: int, repeat: int, dimension: str, number: int) -> float:
    """A uniform draw from (0, 1), the same in every condition that has the dimension."""
    bits = _hashed(study_seed, repeat, dimension, number) >> 12
    return (bits + 0.5) / 2**52


def _hashed(*parts: int | str) -> int:
    """64 bits that depend on all parts."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big")


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.range
    if dimension.type == "int":
        return IntDistribution(int(low), int(high), log=dimension.log)
    return FloatDistribution(low, high, log=dimension.log)


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
