"""The search within a condition: reproducible proposals, rebuilding from records, early stopping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from launch.scheduling.search import ConditionSearch, PastTrial, SearchRules, common_draw
from launch.studyfile import Dimension, Pruner, Sampler
from launch.studyfile.search.pruners import MedianPruner, NonePruner
from launch.studyfile.search.samplers import RandomSampler, TpeSampler

SPACE = {
    "learning_rate": Dimension(low=1e-4, high=1e-2, scale="log"),
    "neuron_spread": Dimension(low=0.0, high=2.0, scale="linear"),
}
TPE = TpeSampler(name="tpe", startup_trials=4, candidates=24, multivariate=True, constant_liar=True, group=False)
NONE = NonePruner(name="none")


def search(
    condition: str = "RHet",
    seed: int = 0,
    pruner: Pruner = NONE,
    sampler: Sampler = TPE,
    space: dict[str, Dimension] = SPACE,
    repeat: int = 0,
) -> ConditionSearch:
    return ConditionSearch(condition, space, SearchRules(sampler, pruner, seed), repeat)


def test_proposals_lie_in_the_space_and_on_its_scale() -> None:
    found = [search(seed=s, sampler=RandomSampler(name="random")).ask()[1] for s in range(200)]
    rates = [p["learning_rate"] for p in found]
    assert all(1e-4 <= r <= 1e-2 for r in rates)
    assert 0.35 < sum(r < 1e-3 for r in rates) / 200 < 0.65  # log-uniform: half of them below the middle decade
    spreads = [p["neuron_spread"] for p in found]
    assert 0.35 < sum(s < 1.0 for s in spreads) / 200 < 0.65


def test_a_proposal_depends_on_study_seed_repeat_dimension_and_number_alone() -> None:
    """Within the start-up trials: whatever has ended by then, proposal k is the same."""
    eager, patient = search(), search()
    first = [patient.ask() for _ in range(4)]
    second = []
    for number in range(4):
        second.append(eager.ask())
        eager.tell(number, "complete", float(number))
    assert first == second
    assert search("Hom").ask() == first[0]
    assert search(seed=1).ask() != first[0]
    assert search(repeat=1).ask() != first[0]


def test_conditions_try_the_same_values_of_a_dimension_that_they_share() -> None:
    """Hom has fewer dimensions than HomA, and the LSTM another range: the same place in the range all the same."""
    extra = {**SPACE, "after_spike_spread": Dimension(low=0.1, high=10.0, scale="log")}
    wider = {"learning_rate": Dimension(low=1e-6, high=1e2, scale="log")}
    hom, hom_a, lstm = search("Hom"), search("HomA", space=extra), search("LSTM", space=wider)
    for _ in range(4):
        shared, both, other = hom.ask()[1], hom_a.ask()[1], lstm.ask()[1]
        assert shared == {name: both[name] for name in SPACE}
        places = [math.log10(shared["learning_rate"] / 1e-4) / 2, math.log10(other["learning_rate"] / 1e-6) / 8]
        assert places[0] == pytest.approx(places[1], abs=1e-12)


@pytest.mark.parametrize("sampler", [TPE, RandomSampler(name="random")])
def test_beyond_the_start_up_trials_only_a_model_tells_conditions_apart(sampler: Sampler) -> None:
    found = []
    for condition in ("Hom", "HomA"):
        model = search(condition, sampler=sampler)
        for number in range(7):
            _, proposed = model.ask()
            model.tell(number, "complete", abs(proposed["neuron_spread"] - 1.5))
        found.append(model.ask()[1])
    assert (found[0] == found[1]) == (sampler.name == "random")


def test_failed_trials_teach_no_model_so_the_start_up_lasts_longer() -> None:
    model, same = search(), search("HomA")
    for number in range(6):
        model.ask(), same.ask()
        model.tell(number, "failed", None)
        same.tell(number, "complete" if number < 3 else "failed", 1.0)
    assert model.ask() == same.ask()


def test_common_draws_are_uniform_and_independent() -> None:
    """Over trials, repeats, dimensions and study seeds; the ends of (0, 1) are never drawn."""
    draws = np.array(
        [
            [
                [[common_draw(s, r, d, k) for k in range(50)] for d in ("learning_rate", "weight_spread")]
                for r in range(8)
            ]
            for s in range(5)
        ]
    )
    assert 0 < draws.min() < 0.001 < 0.999 < draws.max() < 1
    assert scipy.stats.kstest(draws.ravel(), "uniform").pvalue > 0.01
    for axis in range(4):
        along = np.moveaxis(draws, axis, 0)
        neighbours = np.corrcoef(along[:-1].ravel(), along[1:].ravel())[0, 1]
        assert abs(neighbours) < 4 / np.sqrt(along[1:].size)
    assert len(np.unique(draws)) == draws.size


def test_a_start_up_proposal_never_leaves_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"learning_rate": Dimension(low=0.1, high=0.3, scale="log"), **{"neuron_spread": SPACE["neuron_spread"]}}
    for edge in (2.0**-53, 1 - 2.0**-53):
        monkeypatch.setattr("launch.scheduling.search.common_draw", lambda *_, edge=edge: edge)
        proposed = search(space=odd).ask()[1]
        assert all(odd[name].low <= value <= odd[name].high for name, value in proposed.items())


def test_after_the_start_up_trials_it_learns() -> None:
    model = search()
    for number in range(40):
        _, proposed = model.ask()
        model.tell(number, "complete", abs(proposed["neuron_spread"] - 1.5))
    late = [model.ask()[1]["neuron_spread"] for _ in range(10)]
    assert sum(abs(value - 1.5) < 0.35 for value in late) >= 7


def test_rebuilt_from_records_it_proposes_what_it_would_have_proposed() -> None:
    original = search()
    past = []
    for number in range(8):
        _, proposed = original.ask()
        if number == 5:
            past.append(PastTrial(proposed, None, None, {}))  # still running
        elif number == 6:
            original.tell(number, "failed", None)
            past.append(PastTrial(proposed, "failed", None, {}))
        else:
            original.report(number, 1, float(number))
            original.tell(number, "complete", float(number))
            past.append(PastTrial(proposed, "complete", float(number), {1: float(number)}))
    rebuilt = search()
    rebuilt.replay(past)
    assert (rebuilt.proposed, rebuilt.running) == (original.proposed, original.running) == (8, 1)
    assert rebuilt.ask() == original.ask()
    rebuilt.tell(5, "complete", 1.0)
    assert rebuilt.running == 1  # the new proposal


@pytest.mark.parametrize("rebuild", [False, True])
def test_the_pruner_compares_within_the_condition(rebuild: bool) -> None:
    settings = MedianPruner(name="median", startup_trials=2, warmup_epochs=1, min_trials=1)
    model = search(pruner=settings)
    past = []
    for number, level in enumerate((1.0, 2.0, 3.0)):
        _, proposed = model.ask()
        for epoch in (1, 2, 3):
            model.report(number, epoch, level)
        model.tell(number, "complete", level)
        past.append(PastTrial(proposed, "complete", level, dict.fromkeys((1, 2, 3), level)))
    if rebuild:
        model = search(pruner=settings)
        model.replay(past)
    number, _ = model.ask()
    assert not model.report(number, 1, 9.0)  # warm-up
    assert model.report(number, 2, 9.0)
    model.tell(number, "pruned", None)
    number, _ = model.ask()
    assert not model.report(number, 2, 1.5)
    other = search("Hom", pruner=settings)  # another condition has a study, and a median, of its own
    number, _ = other.ask()
    assert not other.report(number, 2, 9.0)


def test_a_resumed_trial_is_judged_by_all_its_epochs() -> None:
    settings = MedianPruner(name="median", startup_trials=1, warmup_epochs=0, min_trials=1)
    space = {"learning_rate": 1e-3, "neuron_spread": 1.0}
    model = search(pruner=settings)
    done = PastTrial(space, "complete", 2.0, {1: 2.0, 2: 2.0, 3: 2.0})
    model.replay([done, PastTrial(space, None, None, {1: 1.0, 2: 9.0})])
    # its best epoch, which is on record, beats the median; reporting it again changes nothing
    assert not model.report(1, 2, 5.0)
    assert not model.report(1, 3, 9.0)
    fresh = search(pruner=settings)
    fresh.replay([done, PastTrial(space, None, None, {})])
    assert fresh.report(1, 3, 9.0)
