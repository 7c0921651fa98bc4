"""Sequences of different lengths: loss and readout hear each to its own end, and nothing of its padding."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from glifr.conditions import CONDITIONS
from glifr.errors import InputError
from glifr.networks import forward_replicas
from glifr.tasks import TaskSettings, task_of_tensors
from glifr.training.evaluation import Heard, evaluate
from glifr.training.train import Configuration, Training, TrainingSettings

Kind = Literal["classes", "last values", "all values"]
KINDS: tuple[Kind, ...] = ("classes", "last values", "all values")
SETTINGS = TaskSettings("own", "tensors")
SAMPLES, STEPS = 12, 9
LENGTHS = torch.tensor([1, 9, 4, 5, 2, 9, 7, 3, 6, 8, 4, 1])


def samples(kind: Kind, padding: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets, lengths; after each end, whatever is asked for."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(SAMPLES, STEPS, 2, generator=generator)
    values = torch.randn(SAMPLES, STEPS, 3, generator=generator)
    ended = torch.arange(STEPS) >= LENGTHS[:, None]
    inputs[ended], values[ended] = padding, padding
    if kind == "classes":
        return inputs, torch.arange(SAMPLES) % 3, LENGTHS
    return inputs, values if kind == "all values" else torch.randn(SAMPLES, 3, generator=generator), LENGTHS


def training(kind: Kind, condition: str, backend: str, padding: float = 0.0) -> Training:
    given = samples(kind, padding)
    readout: Literal["last", "all"] = "all" if kind == "all values" else "last"
    task, data = task_of_tensors("own", given, given, dt=0.05, readout=readout)
    delay = None if condition == "LSTM" else 2
    configuration = Configuration(CONDITIONS[condition], 5, delay, {"learning_rate": 0.01})
    settings = TrainingSettings(epochs=2, batch_size=4, backend=backend)
    return Training(task, data, configuration, settings, seeds=[1, 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("condition", "backend"), [("LHetA", "torch"), ("LHetA", "cpu"), ("LSTM", "cpu")])
def test_what_stands_in_the_padding_changes_no_bit(kind: Kind, condition: str, backend: str) -> None:
    found = []
    for padding in (0.0, 1e30, float("nan"), float("-inf")):
        own = training(kind, condition, backend, padding)
        records = [astuple(replace(r, seconds=0.0)) for _ in range(2) for r in own.run_epoch()]
        tested = [astuple(replace(o, parameters=())) for o in own.outcomes(own.task.load_test(SETTINGS))]
        weights = torch.cat([w.flatten() for run in own.runs for w in run.network.state_dict().values()])
        found.append((records, tested, weights, own.task.chance_loss, own.task.fingerprint(SETTINGS)))
    (records, tested, weights, *others), *rest = found
    assert all(None not in record[2:3] for record in records)
    for again, tests, values, *more in rest:
        assert (again, tests, more) == (records, tested, others)
        assert torch.equal(values, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_are_those_of_each_sequence_cut_at_its_end(kind: Kind) -> None:
    own = training(kind, "LHetA", "torch")
    network, split, task = own.runs[0].network, own.train, own.task
    inputs, targets = split.batch(torch.arange(SAMPLES))

    def gradients(loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, [p for p in network.parameters() if p.requires_grad]))

    heard = Heard(task, targets.unsqueeze(0), LENGTHS.unsqueeze(0))
    (loss,) = heard.losses(forward_replicas([network], inputs, readout=heard.readout), torch.mean)
    alone = []
    for row, length in enumerate(LENGTHS.tolist()):
        own_targets = targets[row : row + 1, :length] if kind == "all values" else targets[row : row + 1]
        one = Heard(task, own_targets.unsqueeze(0), None)
        outputs = forward_replicas([network], inputs[row : row + 1, :length], readout=one.readout)
        alone.append(one.losses(outputs, torch.mean)[0])
    cut = torch.stack(alone).mean()
    torch.testing.assert_close(loss, cut, rtol=1e-6, atol=0)
    for whole, parts in zip(gradients(loss), gradients(cut), strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-7)


def test_an_accuracy_counts_the_last_valid_step() -> None:
    """A network whose output is its input: class 1 where the last valid input is positive."""
    inputs = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]).unsqueeze(2)
    classes, lengths = torch.tensor([1, 1, 1]), torch.tensor([2, 1, 3])
    task, data = task_of_tensors("own", (inputs, classes, lengths), dt=1.0)
    outputs = torch.cat([-inputs, inputs], dim=2).unsqueeze(0)
    heard = Heard(task, classes.unsqueeze(0), data.train.lengths_of(torch.arange(3)[None]))
    assert heard.of(outputs).argmax(-1).tolist() == [[1, 0, 1]]


def test_chance_of_values_weighs_each_sequence_the_same() -> None:
    targets = torch.tensor([[3.0, 9.0, 9.0], [0.0, 0.0, 0.0]]).unsqueeze(2)
    task, _ = task_of_tensors("own", (torch.rand(2, 3, 1), targets, torch.tensor([1, 3])), dt=1.0)
    # best constant (3 + 0) / 2, errors 1.5 squared in each
    assert task.chance_loss == pytest.approx(2.25)
    assert task.lengths == (1, 3)


def test_silenced_and_whole_networks_are_evaluated_alike() -> None:
    own = training("classes", "LHetA", "torch")
    network = own.runs[0].network
    (whole,) = evaluate([network], own.task, own.train)
    masks = torch.stack([torch.ones(5), torch.zeros(5)])
    intact, silenced = evaluate([network, network], own.task, own.train, masks)
    assert intact.loss == pytest.approx(whole.loss, rel=1e-6)
    assert silenced.loss != intact.loss


@pytest.mark.parametrize(
    ("lengths", "found"),
    [
        (LENGTHS.float(), "the lengths of sequences are whole numbers"),
        (LENGTHS[:5], "the shape of train lengths does not fit"),
        (LENGTHS - 1, r"sequence has as many steps as it cannot have(.|\n)*0 of sequence 0, and 1 more"),
        (LENGTHS + 1, r"10 of sequence 1, and 1 more(.|\n)*whole numbers from 1 to 9"),
    ],
)
def test_lengths_that_cannot_be_are_refused(lengths: Tensor, found: str) -> None:
    inputs, targets, _ = samples("classes")
    with pytest.raises(InputError, match=found):
        task_of_tensors("own", (inputs, targets, lengths), dt=0.1)
