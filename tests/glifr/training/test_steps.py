"""A training step, eager or recorded: the same numbers, and what is done where nothing can be recorded."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, TrainingSettings
from glifr.engine.cpu.prepared import PreparedPass
from glifr.networks import network
from glifr.networks.replicas import prepare_replicas
from glifr.tasks import TASKS, TaskDefinition
from glifr.training import train as training_module
from glifr.training.optimizer import OptimizersTogether, make_optimizer
from glifr.training.random_data import random_data
from glifr.training.seed_run import SeedRun
from glifr.training.steps import EagerSteps, PreparedSteps, RecordedSteps, StepRunner, recorder_for
from glifr.training.train import Training

TASK = TASKS["line_mnist"]
SETTINGS = TrainingSettings(epochs=2, batch_size=8)
CONFIGURATION = Configuration(CONDITIONS["LHetA"], 9, 20, {"learning_rate": 3e-3})
CPU = torch.device("cpu")
DATA = random_data(TASK, 60)


class Tape:
    """A recorder without a device: what it records it keeps as a function. It says what it was asked for."""

    def __init__(self, able: bool = True) -> None:
        self.able = able
        self.heard: list[str] = []

    def warm_up(self, step: Callable[[], None]) -> None:
        self.heard.append("warm up")
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.heard.append("record")
        if not self.able:
            raise RuntimeError("operation not permitted when stream is capturing\nand more lines")

        def replay() -> None:
            self.heard.append("replay")
            step()

        return replay


def batches() -> list[Tensor]:
    """Seven batches of two seeds; the fourth and the last are smaller."""
    order = torch.stack([torch.randperm(60, generator=torch.Generator().manual_seed(s)) for s in (1, 2)])
    return list(torch.split(order, [8, 8, 8, 3, 8, 8, 8, 8, 1], 1))


def runs() -> list[SeedRun]:
    found = [SeedRun(seed, TASK, CONFIGURATION, SETTINGS, CPU) for seed in (3, 4)]
    for run in found:
        run.begin_epoch(CPU)
    return found


def stepped(tape: Tape | None) -> tuple[list[SeedRun], list[object], list[str]]:
    group, notes = runs(), []
    eager = EagerSteps(TASK, DATA.train, group)
    steps = eager if tape is None else RecordedSteps(eager, 8, tape, notes.append)
    for index in batches():
        buffer = index.clone()
        steps.run(buffer)
        buffer.fill_(0)  # what was recorded must not look at the caller's memory
    return group, list(steps.tally.read(60)), notes


def assert_same(mine: list[SeedRun], theirs: list[SeedRun]) -> None:
    for a, b in zip(mine, theirs, strict=True):
        for name, value in a.network.state_dict().items():
            assert torch.equal(value, b.network.state_dict()[name]), name


def test_a_recorded_step_is_the_eager_one_also_round_smaller_batches() -> None:
    tape = Tape()
    recorded, tally, notes = stepped(tape)
    eager, expected, _ = stepped(None)
    assert tape.heard == ["warm up"] * 3 + ["record"] + ["replay"] * 4
    assert_same(recorded, eager)
    assert tally == expected
    assert notes == []


SINE, RECOVERY = TASKS["sine"], TASKS["realizable"]
PREPARED = [
    pytest.param(TASK, "LHetA", 20, id="after-spike currents"),
    pytest.param(TASK, "Hom", 3, id="neurons not trained"),
    pytest.param(TASK, "RNN", 1, id="tanh"),
    pytest.param(TASK, "LSTM", None, id="LSTM"),
    pytest.param(SINE, "LHetA", 20, id="every step read"),
    pytest.param(RECOVERY, "LHetA", 20, id="without readout"),
]


@pytest.mark.parametrize(("task", "condition", "delay"), PREPARED)
@pytest.mark.parametrize("hidden", [9, 16])
def test_a_prepared_step_is_the_eager_one_to_the_bit_also_round_smaller_batches(
    task: TaskDefinition, condition: str, delay: int | None, hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = 1 if task.neurons_are_outputs else hidden
    configuration = Configuration(CONDITIONS[condition], hidden, delay, {"learning_rate": 3e-3})
    split = random_data(task, 60).train
    learned = watched(monkeypatch)

    def after(steps_of: Callable[[list[SeedRun]], StepRunner]) -> tuple[list[SeedRun], list[object]]:
        group = [SeedRun(seed, task, configuration, replace(SETTINGS, backend="cpu"), CPU) for seed in (3, 4)]
        for run in group:
            run.begin_epoch(CPU)
        steps = steps_of(group)
        for index in batches():
            steps.run(index)
        return group, list(steps.tally.read(60))

    prepared, tally = after(lambda group: PreparedSteps(task, split, group, 8))
    assert len(learned) == 7  # of nine batches two are smaller
    eager, expected = after(lambda group: EagerSteps(task, split, group))
    assert len(learned) == 7
    assert_same(prepared, eager)
    assert tally == expected


@pytest.mark.parametrize("frozen", [("weight",), ("bias",), ("weight", "bias")], ids=" and ".join)
def test_a_prepared_step_leaves_what_of_a_readout_is_not_trained(frozen: tuple[str, ...]) -> None:
    def after(kind: Callable[[list[SeedRun]], StepRunner]) -> list[SeedRun]:
        group = [SeedRun(seed, TASK, CONFIGURATION, replace(SETTINGS, backend="cpu"), CPU) for seed in (3, 4)]
        for run, names in zip(group, (frozen, ()), strict=True):
            run.begin_epoch(CPU)
            for name in names:
                getattr(run.network.output_linear, name).requires_grad_(False)
        steps = kind(group)
        for index in batches():
            steps.run(index)
        return group

    start = SeedRun(3, TASK, CONFIGURATION, replace(SETTINGS, backend="cpu"), CPU).network.state_dict()
    prepared = after(lambda group: PreparedSteps(TASK, DATA.train, group, 8))
    assert_same(prepared, after(lambda group: EagerSteps(TASK, DATA.train, group)))
    for name in ("weight", "bias"):
        key = f"output_linear.{name}"
        assert torch.equal(start[key], prepared[0].network.state_dict()[key]) == (name in frozen)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each prepared step."""
    learned: list[object] = []
    real = PreparedPass.learn
    monkeypatch.setattr(PreparedPass, "learn", lambda own, *given: (learned.append(own), real(own, *given))[1])
    return learned


def test_a_prepared_step_lets_go_of_the_batch_before() -> None:
    configuration = replace(CONFIGURATION, hidden_size=16)
    group = [SeedRun(3, TASK, configuration, replace(SETTINGS, backend="cpu"), CPU)]
    prepared = prepare_replicas([group[0].network], torch.zeros(1, 8, 28, 28), "last")
    assert prepared is not None
    held = []
    for _ in range(3):
        x = torch.randn(1, 8, 28, 28)
        held.append(weakref.ref(x))
        prepared.learn(x, lambda outputs: outputs.square().sum((1, 2)))
    del x
    assert [ref() is None for ref in held] == [True, True, False]
    assert not prepared.fits(torch.zeros(1, 7, 28, 28))
    assert not prepared.fits(torch.zeros(1, 8, 28, 28, dtype=torch.float64))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(replace(SETTINGS, backend="torch"), id="another backend"),
        pytest.param(replace(SETTINGS, backend="cpu", dropout=0.2), id="dropout"),
        pytest.param(replace(SETTINGS, backend="cpu"), id="long steps"),
    ],
)
def test_where_nothing_is_prepared_steps_are_eager(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = watched(monkeypatch)
    if not settings.dropout and settings.backend == "cpu":
        monkeypatch.setattr(network, "MOST_PREPARED", 2 * 8 * 28 * 9 - 1)
    training = Training(TASK, DATA, CONFIGURATION, settings, [3, 4])
    assert all(record.train_loss is not None for record in training.run_epoch())
    assert not learned


def test_a_step_is_prepared_anew_after_a_checkpoint_was_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = watched(monkeypatch)
    settings = replace(SETTINGS, backend="cpu")
    again, whole = (Training(TASK, DATA, CONFIGURATION, settings, [3, 4]) for _ in range(2))
    again.run_epoch()
    assert len(set(map(id, learned))) == 1
    saved = copy.deepcopy([run.checkpoint() for run in again.runs])
    again.run_epoch()
    assert len(set(map(id, learned))) == 1
    for run, state in zip(again.runs, saved, strict=True):
        run.restore(state)
    again.run_epoch()
    assert len(set(map(id, learned))) == 2
    whole.run_epoch()
    whole.run_epoch()
    assert_same(again.runs, whole.runs)


def test_a_prepared_step_has_the_sigma_v_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, backend="cpu", sigma_v=(1.0, 0.1))
    prepared, eager = (Training(TASK, DATA, CONFIGURATION, settings, [3]) for _ in range(2))
    prepared.run_epoch()
    prepared.run_epoch()
    monkeypatch.setattr(network, "MOST_PREPARED", 0)
    eager.run_epoch()
    eager.run_epoch()
    assert_same(prepared.runs, eager.runs)


def test_where_nothing_can_be_recorded_steps_are_eager_and_it_is_said_once() -> None:
    tape = Tape(able=False)
    recorded, tally, notes = stepped(tape)
    eager, expected, _ = stepped(None)
    assert tape.heard == ["warm up"] * 3 + ["record"]
    assert_same(recorded, eager)
    assert tally == expected
    assert len(notes) == 1
    assert notes[0].endswith("runs eagerly: operation not permitted when stream is capturing")


def test_no_step_is_recorded_on_the_cpu_with_dropout_or_where_it_is_not_wanted() -> None:
    """Dropout draws anew at each step; a recorded step would draw the same."""
    assert recorder_for(SETTINGS, CPU) is None
    assert recorder_for(replace(SETTINGS, dropout=0.1), torch.device("cuda")) is None
    assert recorder_for(replace(SETTINGS, cuda_graphs=False), torch.device("cuda")) is None


def trained(seeds: list[int], diverging: int | None = None) -> Training:
    training = Training(TASK, DATA, CONFIGURATION, replace(SETTINGS, epochs=3, backend="cpu"), seeds)
    for run in training.runs:
        if run.seed == diverging:
            run.network.neuron_layer.weight_iv.data[0, 0] = torch.nan
    while not training.finished:
        training.run_epoch()
    return training


def test_training_keeps_a_recorded_step_over_epochs_and_makes_a_new_one_for_another_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eager = trained([3, 4, 5])
    tape = Tape()
    monkeypatch.setattr(training_module, "recorder_for", lambda settings, device: tape)
    recorded = trained([3, 4, 5])
    assert_same(recorded.runs, eager.runs)
    assert recorded.outcomes() == eager.outcomes()
    assert tape.heard.count("record") == 1

    tape.heard.clear()
    left = trained([3, 4, 5], diverging=4)  # after the first epoch two are left
    assert_same([left.runs[0], left.runs[2]], [eager.runs[0], eager.runs[2]])
    assert tape.heard.count("record") == 2


def test_a_step_is_recorded_anew_after_a_checkpoint_was_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimiser's state is in other memory then."""
    tape = Tape()
    monkeypatch.setattr(training_module, "recorder_for", lambda settings, device: tape)
    again, whole = (Training(TASK, DATA, CONFIGURATION, SETTINGS, [3]) for _ in range(2))
    again.run_epoch()
    saved = copy.deepcopy(again.runs[0].checkpoint())
    again.run_epoch()
    assert tape.heard.count("record") == 1
    again.runs[0].restore(saved)
    again.run_epoch()
    assert tape.heard.count("record") == 2
    whole.run_epoch()
    whole.run_epoch()
    assert_same(again.runs, whole.runs)


def test_training_notes_that_it_could_not_record(monkeypatch: pytest.MonkeyPatch) -> None:
    eager = trained([3, 4])
    monkeypatch.setattr(training_module, "recorder_for", lambda settings, device: Tape(able=False))
    with pytest.warns(RuntimeWarning, match="runs eagerly"):
        noted = trained([3, 4])
    assert len(noted.notes) == 1
    assert noted.outcomes() == eager.outcomes()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", ["LHetA", "RNN", "LSTM"])
def test_on_cuda_a_graph_gives_what_eager_steps_give(name: str) -> None:
    delay = {"LSTM": None, "RNN": 1}.get(name, 20)
    configuration = Configuration(CONDITIONS[name], 33, delay, {"learning_rate": 1e-3})

    def losses(graphs: bool) -> list[float | None]:
        settings = replace(SETTINGS, epochs=3, cuda_graphs=graphs)
        training = Training(TASK, DATA, configuration, settings, [3, 4], "cuda")
        found = [record.train_loss for _ in range(3) for record in training.run_epoch()]
        assert training.notes == []
        return found

    assert losses(True) == pytest.approx(losses(False), rel=1e-4)


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_is_that_of_torchs_own_optimisers(decoupled: bool) -> None:
    """Adam's and AdamW's steps, alone and several seeds in one call."""
    settings = TrainingSettings(epochs=1, batch_size=1, weight_decay=0.1, decoupled=decoupled)
    ours, theirs = ([torch.nn.Parameter(torch.full((3,), 1.0 + i)) for i in range(2)] for _ in range(2))
    together = OptimizersTogether([make_optimizer([p], 0.01, settings, torch.device("cpu")) for p in ours])
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    reference = [kind([p], lr=0.01, weight_decay=0.1) for p in theirs]
    for step in range(3):
        for p, q, other in zip(ours, theirs, reference, strict=True):
            p.grad, q.grad = (torch.tensor([0.1, -0.2, 0.3]) * (step + 1) for _ in range(2))
            other.step()
        together.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.allclose(p, q, rtol=1e-6)
    assert not torch.allclose(ours[0], torch.full((3,), 1.0))
