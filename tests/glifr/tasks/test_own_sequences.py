"""Tasks made of one's own tensors: chance worked out by hand, refusals, and that `Training` learns them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from glifr.conditions import CONDITIONS
from glifr.errors import InputError
from glifr.networks import forward_replicas
from glifr.tasks import TaskSettings, task_of_tensors
from glifr.training.train import Configuration, Training, TrainingSettings

SETTINGS = TaskSettings("own", "tensors")
INPUTS = torch.arange(24.0).view(4, 3, 2)


def test_a_classification_has_the_chance_of_its_class_frequencies() -> None:
    task, _ = task_of_tensors("own", (INPUTS, torch.tensor([0, 0, 0, 1])), dt=0.1)
    assert (task.inputs, task.outputs, task.steps, task.time_step_ms) == (2, 2, 3, 0.1)
    assert (task.loss, task.readout, task.primary) == ("cross_entropy", "last", "accuracy")
    assert task.chance_loss == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert task.chance_accuracy == 0.75


def test_a_class_that_only_the_test_split_has_counts_as_an_output() -> None:
    train, test = (INPUTS, torch.tensor([0, 0, 2, 2])), (INPUTS[:1], torch.tensor([4]))
    task, _ = task_of_tensors("own", train, test=test, dt=0.1)
    assert task.outputs == 5
    assert task.chance_loss == pytest.approx(math.log(2))


def test_a_regression_has_the_error_of_the_best_constant_of_each_output() -> None:
    targets = torch.zeros(4, 3, 2)
    targets[:2, :, 0] = 2.0  # variance 1 about 1
    targets[..., 1] = 7.0  # none
    task, _ = task_of_tensors("own", (INPUTS, targets), dt=0.1)
    assert (task.outputs, task.loss, task.readout) == (2, "mean_squared_error", "all")
    assert task.chance_loss == pytest.approx(0.5)
    assert task.chance_accuracy is None


def test_the_splits_come_back_as_given() -> None:
    classes = torch.tensor([0, 1, 0, 1])
    whole, first, last = (INPUTS, classes), (INPUTS[:2], classes[:2]), (INPUTS[2:], classes[2:])
    task, data = task_of_tensors("own", whole, first, last, dt=0.1)
    test = task.load_test(SETTINGS)
    assert data.validation is not None
    assert task.load(SETTINGS) == data
    assert task.sizes("tensors") == {"train": 4, "validation": 2, "test": 2}
    assert task.held_out("tensors")
    assert torch.equal(data.train.batch(torch.tensor([3, 1]))[0], INPUTS[[3, 1]])
    assert torch.equal(data.validation.targets, classes[:2])
    assert torch.equal(test.stored, INPUTS[2:])


def test_the_fingerprint_sees_a_single_number_and_a_shape() -> None:
    def of(inputs: torch.Tensor) -> str:
        task, _ = task_of_tensors("own", (inputs, torch.tensor([0, 1, 0, 1])), dt=0.1)
        return task.fingerprint(SETTINGS)

    changed = INPUTS.clone()
    changed[3, 2, 1] += 1
    assert len({of(INPUTS), of(changed), of(INPUTS.view(4, 2, 3))}) == 3
    assert of(INPUTS) == of(INPUTS.clone())


@pytest.mark.parametrize(
    ("train", "validation", "found"),
    [
        ((INPUTS[0], torch.tensor([0, 1, 0])), None, "the shape of train inputs does not fit"),
        ((INPUTS, torch.tensor([0, 1])), None, "the shape of train targets does not fit"),
        ((INPUTS, torch.zeros(4, 2, 1)), None, "the shape of train targets does not fit"),
        ((INPUTS, torch.tensor([0, 1, -1, 0])), None, "counted from 0"),
        ((INPUTS.double(), torch.tensor([0, 1, 1, 0])), None, "number types"),
        ((INPUTS, torch.tensor([0, 1, 1, 0], dtype=torch.int32)), None, "number types"),
        ((INPUTS, torch.tensor([0, 1, 1, 0])), (INPUTS[:, :2], torch.tensor([0, 1, 1, 0])), "validation inputs"),
        ((INPUTS, torch.tensor([0, 1, 1, 0])), (INPUTS, torch.zeros(4, 3, 1)), "validation targets"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    train: tuple[torch.Tensor, torch.Tensor], validation: tuple[torch.Tensor, torch.Tensor] | None, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        task_of_tensors("own", train, validation, dt=0.1)


def test_training_learns_two_classes_that_are_easily_told_apart() -> None:
    classes = torch.arange(40) % 2
    signs = (2.0 * classes - 1)[:, None, None].repeat(1, 6, 2)
    task, data = task_of_tensors("own", (signs, classes), (signs, classes), dt=0.05)
    configuration = Configuration(CONDITIONS["LHetA"], 8, 2, {"learning_rate": 0.03})
    settings = TrainingSettings(epochs=15, batch_size=10, backend="torch")
    training = Training(task, data, configuration, settings, seeds=[1, 2])
    while not training.finished:
        records = training.run_epoch()
    assert [record.validation_accuracy for record in records] == [1.0, 1.0]
    assert all(o.score < 0.5 * task.chance_loss for o in training.outcomes())


def test_a_loss_of_ones_own_is_what_is_trained_and_recorded() -> None:
    """The absolute error, of outputs that a network of no change gives."""
    targets = torch.full((4, 3, 1), 2.0)
    task, data = task_of_tensors("own", (INPUTS / 10, targets), (INPUTS[:2] / 10, targets[:2]), dt=0.1)
    own = replace(task, own_loss=lambda outputs, wanted, lengths: (outputs - wanted).abs().mean((1, 2)))
    configuration = Configuration(CONDITIONS["RNN"], 3, 1, {"learning_rate": 1e-9})
    settings = TrainingSettings(epochs=1, batch_size=4, backend="torch")
    training = Training(own, data, configuration, settings, seeds=[1])
    (record,) = training.run_epoch()
    outputs = forward_replicas([training.runs[0].network], INPUTS / 10)[0].detach()
    assert record.train_loss == pytest.approx(float((outputs - targets).abs().mean()), rel=1e-5)
    assert record.validation_loss == pytest.approx(float((outputs[:2] - targets[:2]).abs().mean()), rel=1e-5)
