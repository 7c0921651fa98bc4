"""Optuna, one study per search (a condition and repeat), in memory: a projection that is rebuilt from the ledger.

In start-up trials, and with samplers that look at no result, the place of a dimension in its range depends on (study
seed, repeat, dimension, k) alone. So conditions that share a dimension try the same values of it (common random
numbers): what differs between them is not the luck of their proposals; and such a search does not depend on the order
in which trials end. A model's proposals are drawn with a seed from (study seed, repeat, condition, k). The search's own
pruner compares a trial only with trials of the same search.

Each proposal's record says which trials were open when it was made. So the study is rebuilt in the order in which it
grew, and what samplers and pruners note in their trials is what they had noted.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from glifr.records import Value, search_name
from launch.planning.plan import SCHEME, SCHEME_BY_CONDITION, StudyPlan
from launch.scheduling import search_pruners, search_samplers
from launch.studyfile import Dimension, Pruner, Sampler
from launch.studyfile.search.learned import LearnedTrial
from launch.studyfile.search.samplers import LEARNING, GridSampler, QmcSampler

Outcome = Literal["complete", "pruned", "failed"]
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class PastTrial:
    """A trial on record; its `outcome` is None while it is still open.

    Attributes:
        scores: Scores by step, which is an epoch or a seed.
        open: The trials that were open when it was proposed; None where that is not on record.
    """

    hyperparameters: Mapping[str, Value]
    outcome: Outcome | None
    value: float | None
    scores: Mapping[int, float]
    open: Collection[int] | None = None


@dataclass(frozen=True)
class SearchRules:
    """What determines the proposals of a search, apart from results.

    Attributes:
        scheme: How they are drawn, that of the results folder.
        epochs: Epochs of a whole trial.
        dimensions: Of all conditions.
        first: Known points, one for each of the first trials, as far as the condition has their dimensions.
        learned: Trials of another study.
    """

    sampler: Sampler
    pruner: Pruner
    study_seed: int
    scheme: int = SCHEME
    epochs: int = 1
    dimensions: tuple[str, ...] = ()
    first: tuple[Mapping[str, Value], ...] = ()
    learned: tuple[LearnedTrial, ...] = ()


def rules_of(plan: StudyPlan, condition: str, repeat: int = 0) -> SearchRules | None:
    """The rules of one of a condition's searches; None without search."""
    spec = plan.study.spec
    if spec.search is None:
        return None
    dimensions = sorted({name for space in spec.search.spaces.values() for name in space})
    return SearchRules(
        spec.search.sampler,
        spec.search.pruner,
        spec.seed,
        plan.scheme,
        spec.epochs("search", condition),
        tuple(dimensions),
        spec.first_points(condition),
        plan.study.learned.trials[search_name(condition, repeat)] if plan.study.learned else (),
    )


class ConditionSearch:
    """One search within one condition: ask for proposal k, report its steps, tell how it ended.

    repeat: which of the condition's independent searches.
    """

    def __init__(self, condition: str, space: Mapping[str, Dimension], rules: SearchRules, repeat: int = 0) -> None:
        self._condition, self._space, self._rules, self._repeat = condition, space, rules, repeat
        self._distributions = {name: search_samplers.distribution(d) for name, d in space.items()}
        self._idle = optuna.samplers.RandomSampler(seed=0)  # while no model draws, nothing is sampled
        self._study = optuna.create_study(
            direction="minimize",
            pruner=search_pruners.pruner(rules.pruner, rules.epochs),
            sampler=self._idle,
            study_name=f"{_hashed(rules.study_seed, repeat, condition):016x}",  # hyperband draws brackets from it
        )
        self._sequence = self._made_sequence()
        self._learned = [self._as_trial(trial) for trial in rules.learned]
        if not search_samplers.notes_in_trials(rules.sampler):  # else the sampler takes them apart
            for trial in self._learned:
                self._study.add_trial(trial)
        self._open: dict[int, Trial] = {}
        self._reported: dict[int, set[int]] = {}  # of the open trials
        self._ended: dict[
            int, PastTrial
        ] = {}  # while it is rebuilt: those whose end is on record, and is still to come
        self.proposed = 0  # how many proposals there are: the number of the next

    @property
    def running(self) -> int:
        """Trials that Optuna holds as running."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))

    @property
    def open(self) -> tuple[int, ...]:
        """The trials that have been proposed and have not ended."""
        return tuple(self._open)

    def replay(self, past: Iterable[PastTrial]) -> None:
        """Rebuilds the study from trials on record, in the order of their numbers; open ones become running again."""
        for trial in past:
            self._end_all_but(() if trial.open is None else trial.open)
            number = self.proposed
            self._begin(number, trial.hyperparameters)
            for step, score in trial.scores.items():
                self._note(number, step, score)
                if search_pruners.notes_in_trials(self._rules.pruner):
                    self._open[number].should_prune()  # what came of it is on record
            if trial.outcome is not None:
                self._ended[number] = trial
        self._end_all_but(())

    def _end_all_but(self, still_open: Collection[int]) -> None:
        for number in [number for number in self._ended if number not in still_open]:
            past = self._ended.pop(number)
            assert past.outcome is not None
            self.tell(number, past.outcome, past.value)

    def ask(self) -> tuple[int, dict[str, Value]]:
        """The next proposal: its number and hyperparameters."""
        number = self.proposed
        return number, dict(self._begin(number).params)

    def _begin(self, number: int, recorded: Mapping[str, Value] | None = None) -> Trial:
        """A new open trial. recorded: what was proposed, where that is known."""
        values = self._without_model(number)
        if recorded is not None and (values is not None or not search_samplers.notes_in_trials(self._rules.sampler)):
            values = recorded
        if values is not None:
            self._study.enqueue_trial(dict(values))  # an ordinary trial: what comes later learns from it
        else:
            model = search_samplers.model(self._rules.sampler, self._seed(number), self._learned)
            self._study.sampler = model if recorded is None else search_samplers.Recorded(model, recorded)
        try:
            self._open[number] = self._study.ask(self._distributions)
        finally:
            self._study.sampler = self._idle
        self._reported[number] = set()
        self.proposed = number + 1
        return self._open[number]

    def _without_model(self, number: int) -> Mapping[str, Value] | None:
        """What is proposed as number `number` without a model; None where a model proposes."""
        if self._rules.scheme == SCHEME_BY_CONDITION:
            return None
        first = self._rules.first
        if number < len(first):
            return {**self._common(number), **first[number]}
        if self._sequence is not None:
            point = self._sequence.at(number - len(first))
            return {name: self._placed(name, point[name]) for name in self._space}
        return self._common(number) if self._starting_up else None

    def _made_sequence(self) -> search_samplers.Sequential | None:
        """Of a sampler whose proposals are points of a sequence."""
        sampler, seed = self._rules.sampler, _hashed(self._rules.study_seed, self._repeat) >> 32
        if isinstance(sampler, GridSampler):
            return search_samplers.grid(self._space, seed)
        if isinstance(sampler, QmcSampler):
            return search_samplers.quasi_random(sampler, self._rules.dimensions or tuple(self._space), seed)
        return None

    def _placed(self, name: str, point: Value) -> Value:
        """A point of the sequence as a value: of a grid it is one, else the place in the range."""
        if isinstance(self._rules.sampler, GridSampler):
            return point
        return self._space[name].at(float(point))

    @property
    def _starting_up(self) -> bool:
        """True if the sampler proposes without a model: as Optuna counts, until so many trials have taught it."""
        sampler = self._rules.sampler
        if not isinstance(sampler, LEARNING):
            return True
        taught = self._study.get_trials(deepcopy=False, states=search_samplers.teaches(sampler))
        return len(taught) < sampler.startup_trials

    def _common(self, number: int) -> dict[str, Value]:
        """What every condition proposes as number `number`, as far as it has the dimension and the range."""
        seed, repeat = self._rules.study_seed, self._repeat
        return {name: d.at(common_draw(seed, repeat, name, number)) for name, d in self._space.items()}

    def _seed(self, number: int) -> int:
        """Of Optuna's sampler."""
        if self._rules.scheme == SCHEME_BY_CONDITION:
            return _hashed(self._rules.study_seed, self._condition, number) >> 32
        return _hashed(self._rules.study_seed, self._repeat, self._condition, number) >> 32

    def _as_trial(self, learned: LearnedTrial) -> FrozenTrial:
        """Without its scores by step: no pruner compares with trials of another study."""
        return create_trial(
            params=dict(learned.hyperparameters), distributions=self._distributions, value=learned.value
        )

    def draw_again(self) -> dict[str, Value]:
        """The hyperparameters that `ask` would give next, from a copy: nothing is proposed."""
        twin = copy.deepcopy(self)
        twin._end_all_but(())
        return twin.ask()[1]

    def report(self, number: int, step: int, score: float) -> bool:
        """Records a trial's score after a step. A step that was on record before a resume is not recorded again.

        Args:
            number: The trial.
            step: The step.
            score: Its score.

        Returns:
            True if the pruner would stop the trial now.
        """
        self._note(number, step, score)
        return bool(self._open[number].should_prune())

    def _note(self, number: int, step: int, score: float) -> None:
        if step not in self._reported[number]:
            self._open[number].report(score, step)
            self._reported[number].add(step)

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
