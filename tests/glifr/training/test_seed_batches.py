"""How many seeds are trained at once: what is measured, what is chosen, and that it reaches no result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, TrainingSettings
from glifr.errors import InputError
from glifr.kernels import batches_exactly
from glifr.tasks import TASKS
from glifr.training import seed_batches
from glifr.training.seed_batches import best, measure, random_data
from glifr.training.steps import EagerSteps
from glifr.training.train import Training

TASK = TASKS["line_mnist"]
SETTINGS = TrainingSettings(epochs=2, batch_size=8, backend="cpu")
CONFIGURATION = Configuration(CONDITIONS["LHetA"], 9, 20, {"learning_rate": 3e-3})


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_batches, "_measured", {})


@pytest.mark.parametrize(
    ("seconds", "seeds", "chosen"),
    [
        ({}, 8, 1),
        ({1: 1.0, 2: 0.5, 4: 0.3}, 8, 4),
        ({1: 1.0, 2: 0.5, 4: 0.3}, 3, 2),
        ({1: 1.0, 2: 0.95, 4: 0.93}, 8, 1),  # within a tenth: fewer
        ({1: 1.0, 2: 0.95, 4: 0.8}, 8, 4),
        ({1: 1.0, 2: 1.5}, 8, 1),
        ({1: 1.0, 2: 0.5, 4: 0.4, 8: 0.2, 16: 0.1}, 20, 10),  # two batches of ten, not sixteen and four
        ({1: 1.0, 2: 0.5}, 1, 1),
    ],
)
def test_the_fastest_is_chosen_and_fewer_where_it_costs_little(
    seconds: dict[int, float], seeds: int, chosen: int
) -> None:
    assert best(seconds, seeds) == chosen


def test_a_real_measurement_doubles_up_to_the_seeds_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_batches, "_WITHIN", 1000.0)  # whatever the times
    found = measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=5)
    assert list(found) == [1, 2, 4, 5]
    assert all(0 < s < 1 for s in found.values())


def test_a_task_of_many_passes_is_timed_over_a_few_steps_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    real = EagerSteps.run
    monkeypatch.setattr(EagerSteps, "run", lambda own, index: (steps.append(1), real(own, index))[1])
    found = measure(replace(TASK, passes=50), CONFIGURATION, SETTINGS, "cpu", most=2)
    assert list(found) == [1, 2]
    assert len(steps) <= 2 * 4 * 4  # one and two seeds; at most four steps, once to warm up and three times


def test_it_changes_nothing_that_is_trained_afterwards() -> None:
    def trained() -> Training:
        training = Training(TASK, random_data(TASK, 20), CONFIGURATION, SETTINGS, [3, 4])
        training.run_epoch()
        return training

    before, state = trained(), torch.get_rng_state()
    measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=2)
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(before.runs, trained().runs, strict=True):
        for name, value in a.network.state_dict().items():
            assert torch.equal(value, b.network.state_dict()[name])


class Clock:
    """Seconds for one seed and step by the number of seeds, in place of a measurement."""

    def __init__(self, seconds: dict[int, float], memory: float = 0.0, out_of_memory: int = 10**9) -> None:
        self.seconds, self.memory, self.out_of_memory = seconds, memory, out_of_memory
        self.asked: list[int] = []
        self.steps = 0

    def time(self, *arguments: object) -> tuple[float, float]:
        self.steps, replicas = arguments[-2:]
        assert isinstance(replicas, int)
        self.asked.append(replicas)
        if replicas >= self.out_of_memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.seconds[replicas], self.memory * replicas


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Clock], Clock]:
    def set_to(clock: Clock) -> Clock:
        monkeypatch.setattr(seed_batches, "_time", clock.time)
        return clock

    return set_to


FASTER = {1: 0.01, 2: 0.006, 4: 0.004, 6: 0.0035, 8: 0.003}


@pytest.mark.parametrize(
    ("clock", "most", "asked"),
    [
        (Clock(FASTER), 8, [1, 2, 4, 8]),
        (Clock(FASTER), 6, [1, 2, 4, 6]),
        (Clock({1: 0.01, 2: 0.02}), 8, [1, 2]),  # slower
        (Clock({1: 0.2, 2: 0.1}), 8, [1]),  # the next would take too long
        (Clock(FASTER, memory=0.25), 8, [1, 2]),  # the next would not fit
        (Clock(FASTER, out_of_memory=4), 8, [1, 2, 4]),
    ],
)
def test_it_stops_where_more_seeds_do_not_pay_or_fit(
    set_clock: Callable[[Clock], Clock], clock: Clock, most: int, asked: list[int]
) -> None:
    set_clock(clock)
    found = measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=most)
    assert clock.asked == asked
    assert found == {n: clock.seconds[n] for n in asked if n < clock.out_of_memory}


@pytest.mark.parametrize(("worth", "asked"), [(799, []), (801, [1, 2]), (2000, [1, 2]), (8000, [1, 2, 4, 8])])
def test_it_costs_a_small_share_of_the_training_it_is_for(
    set_clock: Callable[[Clock], Clock], worth: float, asked: list[int]
) -> None:
    clock = set_clock(Clock(FASTER))
    assert list(measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=8, worth=worth)) == asked
    assert sum(n * FASTER[n] for n in asked) * clock.steps * 4 <= 0.03 * worth * FASTER[1]


def test_a_shape_is_measured_once_in_a_process(set_clock: Callable[[Clock], Clock]) -> None:
    clock = set_clock(Clock(FASTER))
    first = measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=4)
    other_rate = Configuration(CONDITIONS["RHetA"], 9, 20, {"learning_rate": 1.0})  # the same computation
    assert measure(TASK, other_rate, SETTINGS, "cpu", most=4) == first
    assert clock.asked == [1, 2, 4]
    larger = Configuration(CONDITIONS["LHetA"], 10, 20, {"learning_rate": 3e-3})
    measure(TASK, larger, SETTINGS, "cpu", most=4)
    assert clock.asked == [1, 2, 4] * 2


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_nothing_is_measured_where_there_is_no_choice(set_clock: Callable[[Clock], Clock], backend: str) -> None:
    clock = set_clock(Clock(FASTER))
    one_by_one = TrainingSettings(epochs=2, batch_size=8, backend=backend)
    assert measure(TASK, CONFIGURATION, one_by_one, "cpu", most=8) == {}
    assert measure(TASK, CONFIGURATION, SETTINGS, "cpu", most=1) == {}
    assert clock.asked == []


def test_only_one_backend_keeps_a_replicas_bits() -> None:
    found = {name: batches_exactly(name, "cpu") for name in ("auto", "cpu", "torch", "reference")}
    assert found == {"auto": True, "cpu": True, "torch": False, "reference": False}
    assert not batches_exactly("torch", "cuda")
    with pytest.raises(InputError):
        batches_exactly("numba", "cpu")
