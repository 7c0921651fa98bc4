"""Optimiser, weight decay, clipping and schedule: each step is that of torch's own; batching and resuming keep bits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import lr_scheduler

from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, Schedule, TrainingSettings
from glifr.networks import forward_replicas
from glifr.tasks import TASKS
from glifr.training import steps as steps_module
from glifr.training import train as training_module
from glifr.training.optimizer import OptimizersTogether, load_optimizer, make_optimizer
from glifr.training.random_data import random_data
from glifr.training.seed_run import SeedRun
from glifr.training.steps import EagerSteps
from glifr.training.train import Training

TASK, CPU = TASKS["line_mnist"], torch.device("cpu")
DATA = random_data(TASK, 60)
SETTINGS = TrainingSettings(epochs=3, batch_size=16, backend="cpu")  # 4 steps an epoch, the last of 12 samples
CONFIGURATION = Configuration(CONDITIONS["LHetA"], 9, 20, {"learning_rate": 0.02})

OPTIMIZERS: dict[str, tuple[dict[str, Any], Callable[[list[Tensor]], torch.optim.Optimizer]]] = {
    "adam": ({}, lambda p: torch.optim.Adam(p, lr=0.02)),
    "adam with decay": ({"weight_decay": 0.1}, lambda p: torch.optim.Adam(p, lr=0.02, weight_decay=0.1)),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.8},
        lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1, betas=(0.8, 0.999)),
    ),
    "sgd": ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, lr=0.02)),
    "sgd with momentum": (
        {"optimizer": "sgd", "momentum": 0.9},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    ),
    "sgd with nesterov and decay": (
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.1),
    ),
}
STEPS = 12  # of SETTINGS


def _sequential(first: Any, then: Callable[[torch.optim.Optimizer], Any], at: int) -> Any:
    return lambda o: lr_scheduler.SequentialLR(o, [first(o), then(o)], milestones=[at])


def _rising(steps: int) -> Callable[[torch.optim.Optimizer], Any]:
    """torch's linear warm-up that ends with the whole rate in its last step."""
    return lambda o: lr_scheduler.LinearLR(o, start_factor=1 / steps, total_iters=steps - 1)


SCHEDULES: dict[str, tuple[Schedule, Callable[[torch.optim.Optimizer], Any]]] = {
    "warm-up": (Schedule(warmup_epochs=1.5), _rising(6)),
    "cosine": (Schedule("cosine"), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS)),
    "cosine to a tenth": (
        Schedule("cosine", end=0.1),
        lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.1 * 0.02),
    ),
    "cosine after a warm-up": (
        Schedule("cosine", warmup_epochs=1.0),
        _sequential(_rising(4), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS - 4), 4),
    ),
    "step": (Schedule("step", every=1, factor=0.3), lambda o: lr_scheduler.StepLR(o, 4, 0.3)),
    "step during a warm-up": (
        Schedule("step", warmup_epochs=1.5, every=1, factor=0.5),
        lambda o: lr_scheduler.ChainedScheduler([_rising(6)(o), lr_scheduler.StepLR(o, 4, 0.5)]),
    ),
}


def gradients(step: int, seed: int = 0) -> list[Tensor]:
    draws = torch.Generator().manual_seed(100 * seed + step)
    return [torch.randn(shape, generator=draws) for shape in ((3, 5), (7,))]


def parameters(seed: int = 0) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(g) for g in gradients(99, seed)]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 1.5, 1e6], ids=["unclipped", "clipped", "never reached"])
def test_each_step_is_that_of_torchs_own_optimiser_alone_and_together(name: str, clip: float | None) -> None:
    settings, theirs = replace(SETTINGS, clip_norm=clip, **OPTIMIZERS[name][0]), OPTIMIZERS[name][1]
    ours = [parameters(seed) for seed in range(3)]
    group = OptimizersTogether([make_optimizer(p, 0.02, settings, CPU) for p in ours], clip)
    expected = [parameters(seed) for seed in range(3)]
    oracles = [theirs(list(p)) for p in expected]
    for step in range(6):
        for seed in range(3):
            for mine, other, gradient in zip(ours[seed], expected[seed], gradients(step, seed), strict=True):
                mine.grad, other.grad = gradient.clone(), gradient.clone()
            if clip is not None:
                clip_grad_norm_(expected[seed], clip)
            oracles[seed].step()
        group.step()
        for mine, other in zip([p for own in ours for p in own], [p for own in expected for p in own], strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)
    assert not torch.equal(ours[0][0], parameters()[0])


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_learning_rate_is_that_of_torchs_scheduler(name: str) -> None:
    ours, theirs = SCHEDULES[name]
    oracle = torch.optim.SGD(parameters(), lr=0.02)
    scheduler = theirs(oracle)
    for step in range(STEPS):
        assert 0.02 * ours.share(step, 4, 3) == pytest.approx(oracle.param_groups[0]["lr"], rel=1e-9, abs=1e-12), step
        oracle.step()
        scheduler.step()
    shares = {ours.share(step, 4, 3) for step in range(STEPS)}
    assert len(shares) > 2
    assert max(shares) <= 1.0


def test_a_task_of_several_passes_has_its_steps_counted_over_all() -> None:
    assert Schedule(warmup_epochs=1).share(9, 20, 2) == 0.5


def _by_hand(name: str, schedule: str, clip: float) -> dict[str, Tensor]:
    """Two epochs and a half of a real network by torch's optimiser, clipping and scheduler, in the seed's own order."""
    run = SeedRun(3, TASK, CONFIGURATION, SETTINGS, CPU)
    learned = [p for p in run.network.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS[name][1](list(learned))
    scheduler = SCHEDULES[schedule][1](optimizer)
    order = Training(TASK, DATA, CONFIGURATION, SETTINGS, [3])
    for _ in range(SETTINGS.epochs):
        run.begin_epoch(CPU)
        for begin in range(0, 60, 16):
            (index,) = order._orders([run])
            inputs, targets = DATA.train.batch(index[:, begin : begin + 16])
            optimizer.zero_grad()
            outputs = forward_replicas([run.network], inputs, readout=TASK.readout)
            torch.nn.functional.cross_entropy(outputs[0], targets[0]).backward()
            clip_grad_norm_(learned, clip)
            optimizer.step()
            scheduler.step()
        run.epoch += 1
    return run.network.state_dict()


def recipe(name: str, schedule: str, clip: float | None = 0.5) -> TrainingSettings:
    return replace(SETTINGS, clip_norm=clip, schedule=SCHEDULES[schedule][0], **OPTIMIZERS[name][0])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", ["reference", "torch", "cpu"])
def test_training_on_each_backend_is_a_loop_of_torchs_own(name: str, backend: str) -> None:
    settings = replace(recipe(name, "cosine after a warm-up"), backend=backend)
    ours = run_out(Training(TASK, DATA, CONFIGURATION, settings, [3])).runs[0].network.state_dict()
    for key, expected in _by_hand(name, "cosine after a warm-up", 0.5).items():
        torch.testing.assert_close(ours[key], expected, rtol=2e-3, atol=2e-4)


def run_out(training: Training) -> Training:
    while not training.finished:
        training.run_epoch()
    return training


def assert_same(mine: SeedRun, theirs: SeedRun) -> None:
    for key, value in mine.network.state_dict().items():
        assert torch.equal(value, theirs.network.state_dict()[key]), key
    states = zip(mine.optimizer.state.values(), theirs.optimizer.state.values(), strict=True)
    assert all(torch.equal(a[key], b[key]) for a, b in states for key in a)


EACH = [
    *((name, "cosine after a warm-up") for name in OPTIMIZERS),
    *(("sgd with momentum", schedule) for schedule in SCHEDULES),
]


@pytest.mark.parametrize(("name", "schedule"), EACH)
def test_four_seeds_together_have_the_bits_of_each_alone(name: str, schedule: str) -> None:
    """Also where the gradient of one of them has run away."""
    settings = recipe(name, schedule)

    def trained(seeds: list[int]) -> dict[int, SeedRun]:
        training = Training(TASK, DATA, CONFIGURATION, settings, seeds)
        assert training.replicas == len(seeds)
        for run in training.runs:
            if run.seed == 4:
                run.network.neuron_layer.weight_iv.data.mul_(1e4)
        return {run.seed: run for run in run_out(training).runs}

    together = trained([3, 4, 5, 6])
    for seed, run in together.items():
        assert_same(run, trained([seed])[seed])


@pytest.mark.parametrize(("name", "schedule"), EACH)
def test_resumed_is_uninterrupted_bit_for_bit(name: str, schedule: str) -> None:
    settings = recipe(name, schedule)
    whole = run_out(Training(TASK, DATA, CONFIGURATION, settings, [3, 4]))
    begun = Training(TASK, DATA, CONFIGURATION, settings, [3, 4])
    begun.run_epoch()
    saved = copy.deepcopy([run.checkpoint() for run in begun.runs])
    resumed = Training(TASK, DATA, CONFIGURATION, settings, [3, 4])
    for run, state in zip(resumed.runs, saved, strict=True):
        run.restore(state)
    for mine, theirs in zip(run_out(resumed).runs, whole.runs, strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_prepared_step_is_clipped_and_scheduled_as_an_eager_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = recipe(name, "cosine after a warm-up")
    prepared = run_out(Training(TASK, DATA, CONFIGURATION, settings, [3, 4]))
    kinds = {type(runner) for runner in prepared._steps.values()}
    monkeypatch.setattr(training_module, "PreparedSteps", lambda task, split, group, _: EagerSteps(task, split, group))
    eager = run_out(Training(TASK, DATA, CONFIGURATION, settings, [3, 4]))
    assert kinds == {steps_module.PreparedSteps}
    for mine, theirs in zip(prepared.runs, eager.runs, strict=True):
        assert_same(mine, theirs)


def test_the_usual_recipe_is_what_it_was() -> None:
    """A constant rate is set once, and nothing is clipped."""
    run = Training(TASK, DATA, CONFIGURATION, SETTINGS, [3])
    run.runs[0].optimizer.param_groups[0]["lr"] = 0.5
    run.run_epoch()
    assert run.runs[0].optimizer.param_groups[0]["lr"] == 0.5


def test_a_moving_rate_on_a_device_keeps_its_memory() -> None:
    """What a recorded step reads: tried with a tensor on the CPU."""
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    rate = torch.tensor(0.1)
    recorded, plain = torch.optim.SGD(weights[:1], lr=rate), torch.optim.SGD(weights[1:], lr=0.3)
    load_optimizer(recorded, plain.state_dict())
    assert recorded.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.3)
    load_optimizer(plain, recorded.state_dict())
    assert plain.param_groups[0]["lr"] == pytest.approx(0.3)


def test_an_optimiser_that_is_not_known_is_refused() -> None:
    settings = replace(SETTINGS, optimizer="lion")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no optimizer 'lion': it is one of adam, adamw, sgd"):
        make_optimizer(parameters(), 0.1, settings, CPU)
