"""Every sampler and every pruner under one contract, with Optuna's own; what of a search repeats, measured."""

from __future__ import annotations

import pytest
from search_play import PRUNERS, SAMPLERS, SPACE, TRIALS, Play, rules

from launch.studyfile import Sampler
from launch.studyfile.search.pruners import PRUNERS as KINDS_OF_PRUNER
from launch.studyfile.search.samplers import SAMPLERS as KINDS_OF_SAMPLER
from launch.studyfile.search.samplers import CmaesSampler, name_of

OF_ALL = CmaesSampler(name="cmaes", startup_trials=3, population=4, pruned_trials=True)


def test_every_kind_is_held() -> None:
    assert list(SAMPLERS) == [name_of(kind) for kind in KINDS_OF_SAMPLER]
    assert list(PRUNERS) == [name_of(kind) for kind in KINDS_OF_PRUNER]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_search_that_is_killed_after_every_event_tries_the_same(name: str) -> None:
    trials = 8 if name == "gp" else TRIALS
    whole = Play(rules(SAMPLERS[name]), trials=trials).run()
    assert Play(rules(SAMPLERS[name]), trials=trials, killed=True).run() == whole
    assert all(SPACE[d].holds(value) for trial in whole for d, value in trial.hyperparameters.items())


@pytest.mark.parametrize("name", PRUNERS)
def test_a_search_that_is_killed_after_every_event_stops_the_same(name: str) -> None:
    for order in range(3):
        whole = Play(rules(pruner=PRUNERS[name]), order, trials=30).run()
        assert Play(rules(pruner=PRUNERS[name]), order, trials=30, killed=True).run() == whole
        stopped = sum(trial.outcome == "pruned" for trial in whole)
        assert (0 < stopped < 30) == (name != "none")


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
@pytest.mark.parametrize("sampler", [SAMPLERS["tpe"], SAMPLERS["cmaes"], OF_ALL], ids=["tpe", "cmaes", "cmaes of all"])
def test_models_learn_the_same_beside_a_pruner(sampler: Sampler, pruner: str) -> None:
    together = rules(sampler, PRUNERS[pruner])
    assert Play(together, killed=True, trials=24).run() == Play(together, trials=24).run()
