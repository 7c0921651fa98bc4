"""The search within a condition: reproducible proposals, rebuilding from records, early stopping."""

from __future__ import annotations

import pytest

from launch.search import ConditionSearch, PastTrial
from launch.spec import Dimension, Pruner, Sampler

SPACE = {
    "learning_rate": Dimension(low=1e-4, high=1e-2, scale="log"),
    "neuron_spread": Dimension(low=0.0, high=2.0, scale="linear"),
}
TPE = Sampler(name="tpe", startup_trials=4, candidates=24, multivariate=True, constant_liar=True, group=False)
NONE = Pruner(name="none")


def search(condition: str = "RHet", seed: int = 0, pruner: Pruner = NONE, sampler: Sampler = TPE) -> ConditionSearch:
    return ConditionSearch(condition, SPACE, sampler, pruner, seed)


def test_proposals_lie_in_the_space_and_on_its_scale() -> None:
    found = [search(seed=s, sampler=Sampler(name="random")).ask()[1] for s in range(200)]
    rates = [p["learning_rate"] for p in found]
    assert all(1e-4 <= r <= 1e-2 for r in rates)
    assert 0.35 < sum(r < 1e-3 for r in rates) / 200 < 0.65  # log-uniform: half of them below the middle decade
    spreads = [p["neuron_spread"] for p in found]
    assert 0.35 < sum(s < 1.0 for s in spreads) / 200 < 0.65


def test_a_proposal_depends_on_study_seed_condition_and_number_alone() -> None:
    """Within the start-up trials: whatever has ended by then, proposal k is the same."""
    eager, patient = search(), search()
    first = [patient.ask() for _ in range(4)]
    second = []
    for number in range(4):
        second.append(eager.ask())
        eager.tell(number, "complete", float(number))
    assert first == second
    assert search("RHetA").ask() != first[0]
    assert search(seed=1).ask() != first[0]


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
    settings = Pruner(name="median", startup_trials=2, warmup_epochs=1, min_trials=1)
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
    settings = Pruner(name="median", startup_trials=1, warmup_epochs=0, min_trials=1)
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
